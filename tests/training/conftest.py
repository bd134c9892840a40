"""What tests of batches and of their loss share."""

from __future__ import annotations

from typing import Any

import pytest

from cpner.corpus.sentence import Sentence, Span
from cpner.instructor import Instructor
from cpner.instructor.grammar import Grammar
from cpner.training.batch import Batch

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
