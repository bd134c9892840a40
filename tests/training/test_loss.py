"""The loss is the mean surprise of the target's pieces, among those that a row could write."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from cpner.training.batch import Batch
from cpner.training.loss import cross_entropy, target_logits


def test_it_is_the_mean_over_the_pieces_of_all_targets(tiny: Any, batch: Batch) -> None:
    labels = batch.labels
    wanted = labels >= 0
    surprise = -target_logits(tiny.t5, batch).log_softmax(-1).gather(2, labels.clamp(min=0)[..., None])[..., 0]

    torch.testing.assert_close(cross_entropy(tiny.t5, batch), surprise[wanted].mean())


def test_only_what_a_row_could_write_has_a_chance(tiny: Any, batch: Batch) -> None:
    logits = target_logits(tiny.t5, batch)
    anything = replace(batch, candidates=None, real=None)

    assert batch.real is not None
    assert logits.isneginf().any(1).equal(~batch.real)
    assert target_logits(tiny.t5, anything).shape[-1] == tiny.t5.shape.vocab_size


def test_a_known_encoding_is_not_made_again(tiny: Any, batch: Batch) -> None:
    encoded = tiny.t5.encode(batch.source, batch.mask)

    torch.testing.assert_close(cross_entropy(tiny.t5, batch, encoded=encoded), cross_entropy(tiny.t5, batch))
    assert not torch.equal(cross_entropy(tiny.t5, batch, encoded=-encoded), cross_entropy(tiny.t5, batch))
