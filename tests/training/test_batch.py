"""Batches carry what they are given to any device and width, also tensors that only a child knows."""

from __future__ import annotations

from dataclasses import replace

import torch

from cpner.training.batch import Batch, Extra


class Scored(Batch):
    """A batch with vectors of its own."""

    @property
    def kind(self) -> str:
        return "scores"


def test_kind_is_told_by_the_candidates_unless_a_child_says_more(batch: Batch) -> None:
    assert (batch.kind, replace(batch, candidates=None, real=None).kind) == ("entities", "text")
    assert Scored(**vars(batch)).kind == "scores"


def test_extras_are_aligned_and_moved_with_the_rest(batch: Batch) -> None:
    vectors = torch.randn(2, 5, 3)
    scored = Scored(**{**vars(batch), "extras": {"vectors": Extra(vectors, -2.0), "flags": Extra(vectors > 0, False)}})

    aligned = scored.aligned(0)
    moved = aligned.to(torch.device("meta"))

    assert isinstance(moved, Scored) and moved.source.is_meta
    assert moved.extras["vectors"].tensor.is_meta and moved.extras["vectors"].tensor.shape == (2, 16, 3)
    wide = aligned.extras["vectors"]
    assert torch.equal(wide.tensor[:, :5], vectors) and (wide.tensor[:, 5:] == -2.0).all() and wide.pad == -2.0
    assert aligned.extras["flags"].tensor.dtype == torch.bool and not aligned.extras["flags"].tensor[:, 5:].any()


def test_alignment_keeps_rows_and_adds_padding_only(batch: Batch) -> None:
    aligned = batch.aligned(0)

    assert aligned.source.shape[1] % 16 == aligned.labels.shape[1] % 8 == aligned.inputs.shape[1] % 8 == 0
    assert aligned.pieces == batch.pieces
    assert torch.equal(aligned.labels[:, : batch.labels.shape[1]], batch.labels)
    assert aligned.real is not None and batch.real is not None and aligned.real.sum() == batch.real.sum()
