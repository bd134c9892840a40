"""What tests of corpora share."""

from __future__ import annotations

from cpner.corpus import Sentence, Span

LINE = "EU\tB-ORG\nsays\tO\n"  # a whole file in CoNLL's format


def sentence(*types: str) -> Sentence:
    """A sentence with an entity of each type."""
    return Sentence.from_words(["w"] * (len(types) + 1), [Span(i, i + 1, type_) for i, type_ in enumerate(types)])
