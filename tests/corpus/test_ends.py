"""Ends of sentences inside a text: what is beyond doubt is one, and what may be an abbreviation is none."""

from __future__ import annotations

from itertools import pairwise

import pytest

from cpner.corpus import Sentence
from cpner.corpus.ends import are_single, clear_ends

ONE = Sentence.from_text("Vane left Orlo.")
TWO = Sentence.from_text("Vane left Orlo. She flew to Oslo.")


def parts(text: str) -> list[str]:
    """The sentences of a text."""
    sentence = Sentence.from_text(text)
    edges = [0, *clear_ends(sentence), len(sentence.words)]
    return [text[sentence.words[start][0] : sentence.words[end - 1][1]] for start, end in pairwise(edges)]


@pytest.mark.parametrize(
    "sentences",
    [
        ["Vane left Orlo.", "She flew to Oslo."],
        ["He said “No!”", "Then Vane left."],
        ["Is it hers?", "It is."],
        ["東京に行った。", "雨だった。"],
    ],
)
def test_sentences_end_where_they_end(sentences):
    assert parts(" ".join(sentences)) == sentences


@pytest.mark.parametrize(
    "text",
    [
        "Mr. Vane met J. R. Quist in St. Louis.",
        "The U.S. and Orlo Inc. signed.",
        "Yahoo! is a firm, e.g. in Orlo.",
        "A line that was\nwrapped in New\nYork.",
        "“No!” she said.",
        "... and so on.",
        "Orlo",
        "",
    ],
)
def test_what_is_in_doubt_ends_nothing(text):
    assert clear_ends(Sentence.from_text(text)) == []


def test_a_blank_line_ends_a_sentence():
    assert parts("A heading\n\nVane left.") == ["A heading", "Vane left."]


def test_a_corpus_of_single_sentences_may_have_slips():
    assert are_single([ONE] * 9 + [TWO])
    assert not are_single([ONE] * 8 + [TWO] * 2)
    assert not are_single([])
