"""The loss is the mean surprise of the target's pieces, among those that a row could write."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from cpner.corpus.sentence import Sentence, Span
from cpner.instructor import Instructor
from cpner.instructor.grammar import Grammar
from cpner.training.batch import Batch
from cpner.training.loss import cross_entropy, target_logits

SENTENCES = [
    Sentence.from_words(["Ada", "met", "Babbage"], [Span(0, 1, "person"), Span(2, 3, "person")]),
    Sentence.from_words(["Rome"], [Span(0, 1, "city")]),
]


@pytest.fixture
def batch(tiny: Any) -> Batch:
    prompt = Instructor(tiny.vocabulary, ["person", "city"])
    sources = [prompt.source(sentence) for sentence in SENTENCES]
    targets = [prompt.target(source, sentence) for source, sentence in zip(sources, SENTENCES, strict=True)]
    return Batch.build([s.ids for s in sources], targets, tiny.vocabulary, [Grammar(source) for source in sources])


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
