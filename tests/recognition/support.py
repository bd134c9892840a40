"""What tests of decoding share: texts, the domains that they are asked for, and when two answers are the same."""

from __future__ import annotations

import math

from cpner.backbone.load import Backbone
from cpner.corpus.sentence import Prediction, Sentence
from cpner.instructor import Instructor, Source

TYPES = ["person", "political party", "location", "person name"]
TEXTS = [
    "Johnson joined the Whigs in Baltimore",
    "Paris",
    "",
    "Joseph and Joseph met Ada Lovelace , Charles Babbage and Phil Regan at a party in New York , then left for Rome",
    "中国 (x) : the Orioles manager",
    "Ada met Babbage in Rome",
]
DOMAINS = ["short", None, "long", "long", "middle", None]


def sources_of(backbone: Backbone, texts: list[str] = TEXTS, *, options: bool = True) -> list[Source]:
    prompt = Instructor(backbone.vocabulary, TYPES, options=options)
    return [prompt.source(Sentence.from_words(text.split())) for text in texts]


def check_same(first: list[list[Prediction]], second: list[list[Prediction]]) -> None:
    assert [[f.span for f in row] for row in first] == [[f.span for f in row] for row in second]
    for a, b in zip((f for row in first for f in row), (f for row in second for f in row), strict=True):
        assert math.isclose(a.score, b.score, abs_tol=1e-5)
