"""The scores of a model in pretraining, on held-out sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cpner.backbone.hardware import native_dtype
from cpner.backbone.load import Backbone
from cpner.backbone.t5 import T5
from cpner.corpus.sentence import Span
from cpner.evaluation import evaluate
from cpner.instructor.options import CLOSE, COLON, END
from cpner.pretraining.batches import Batches, Example, draw_example
from cpner.pretraining.pool import Pool
from cpner.recognition.decode import decode
from cpner.training.loss import target_logits


def held_out_examples(pool: Pool, batches: Batches, count: int = 400) -> list[Example]:
    """Fixed held-out sentences with fixed options, drawn evenly over the files."""
    rng = np.random.default_rng(1)
    weight = 1.0 / np.bincount(pool.origin)[pool.origin]
    chosen = rng.choice(len(pool), size=min(count, len(pool)), replace=False, p=weight / weight.sum())
    return [draw_example(pool, int(i), batches.config, rng) for i in sorted(chosen)]


@torch.no_grad()
def measure(t5: T5, batches: Batches, examples: Sequence[Example]) -> dict[str, Any]:
    """Scores on held-out sentences: teacher-forced accuracy by kind of piece, and strict F1 of greedy decoding.

    Copying is watched apart: `start` is a mention's first piece, `copy` each later one. Figures go from 0 to 100.
    """
    device = t5.embedding.weight.device
    hits = dict.fromkeys(("structure", "type", "start", "copy"), 0)
    counts = dict(hits)
    backbone = Backbone("training", t5, batches.vocabulary)
    predicted: list[list[Span]] = []
    ordered = sorted(examples, key=lambda e: len(e[0].words))
    native = native_dtype(device)
    with torch.autocast(device.type, native, enabled=native == torch.bfloat16):
        for i in range(0, len(ordered), 32):
            part = ordered[i : i + 32]
            batch = batches.entity_batch(part).to(device)
            right = target_logits(t5, batch).argmax(-1) == batch.labels
            for kind, mask in _kinds(batch.labels).items():
                hits[kind] += int((right & mask).sum())
                counts[kind] += int(mask.sum())
            rows = decode(backbone, [batches.prompt.source(*example) for example in part])
            predicted += [[prediction.span for prediction in row] for row in rows]
    t5.requires_grad_(True).train()  # a Backbone is frozen
    result: dict[str, Any] = {f"right_{kind}": round(100 * hits[kind] / max(1, counts[kind]), 1) for kind in hits}
    return {**result, "f1": round(evaluate([sentence for sentence, _ in ordered], predicted).f1, 2)}


def _kinds(labels: Tensor) -> dict[str, Tensor]:
    """Masks [B, T] of the target's pieces by kind; labels up to `END` are the template's signs."""
    colons = (labels == COLON).cumsum(1)
    closes = (labels == CLOSE).cumsum(1)
    word = labels > END
    mention = word & (colons > closes)
    first = F.pad(labels[:, :-1] == COLON, (1, 0))
    return {
        "structure": (labels >= 0) & ~word,
        "type": word & ~mention,
        "start": mention & first,
        "copy": mention & ~first,
    }
