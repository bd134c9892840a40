"""The loss of a batch of targets: what warm-up and pretraining bring down (section 3.4, Eq. 4)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from cpner.backbone.prefix import Prefix
from cpner.backbone.t5 import T5
from cpner.training.batch import Batch


def target_logits(t5: T5, batch: Batch, prefix: Prefix | None = None, encoded: Tensor | None = None) -> Tensor:
    """Teacher-forced logits in float32: [B, T, C] over each row's candidates, or [B, T, V] where there are none.

    Args:
        prefix: the rows' prefixes, each part [B, L, 2, H, K, D]; None for none.
        encoded: [B, S, d] what `T5.encode` gives for the sources, where that is known; else it is called.
    """
    encoded = t5.encode(batch.source, batch.mask, prefix) if encoded is None else encoded
    hidden = t5.decode(batch.inputs, encoded, batch.mask, prefix)  # [B, T, d]
    if batch.candidates is None or batch.real is None:
        return F.linear(hidden, t5.output_weight.to(hidden.dtype)).float()
    rows = F.embedding(batch.candidates, t5.output_weight).to(hidden.dtype)  # [B, C, d]
    return (hidden @ rows.transpose(1, 2)).float().masked_fill(~batch.real[:, None], -torch.inf)


def cross_entropy(t5: T5, batch: Batch, prefix: Prefix | None = None, encoded: Tensor | None = None) -> Tensor:
    """E[-log p(y | x)], the mean over a batch's target pieces (Eq. 4), in nats.

    Args:
        prefix: the rows' prefixes, each part [B, L, 2, H, K, D]; None for none.
        encoded: [B, S, d] what `T5.encode` gives for the sources, where that is known; else it is called.

    Reading: the softmax runs over the pieces that a row could write at all (its options, its sentence, the template).
        The decoder only ever chooses among these. A batch without candidates takes all pieces.
    """
    logits = target_logits(t5, batch, prefix, encoded)
    return F.cross_entropy(logits.flatten(0, 1), batch.labels.flatten(), ignore_index=-1)  # Eq. 4
