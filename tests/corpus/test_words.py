"""The splitter loses nothing but white space."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpner.corpus.words import split_words

TEXTS = st.text(st.characters(exclude_categories=["Cc", "Cs"])) | st.text(
    "aB1.'’-,&·()é\u0301中\u200d👩❤\ufe0f \t\n\u00a0\u2028"
)


def words(text: str, cuts: tuple[int, ...] = ()) -> list[str]:
    return [text[start:end] for start, end in split_words(text, cuts)]


@given(text=TEXTS)
def test_words_ascend_and_hold_all_but_white_space(text):
    position = 0
    for start, end in split_words(text):
        assert start < end
        assert text[position:start].strip() == ""
        assert not text[start].isspace()
        position = end
    assert text[position:].strip() == ""


@given(text=TEXTS, data=st.data())
def test_words_end_at_every_cut(text, data):
    cuts = data.draw(st.lists(st.integers(0, len(text))))
    whole, parts = split_words(text), split_words(text, cuts)

    assert not [(start, end, cut) for start, end in parts for cut in cuts if start < cut < end]
    assert "".join(text[a:b] for a, b in parts) == "".join(text[a:b] for a, b in whole)
    edges = {edge for word in whole for edge in word}
    assert {edge for word in parts for edge in word} <= edges | set(cuts)


@given(text=TEXTS, data=st.data())
def test_words_are_cut_as_one_by_one(text, data):
    cuts = data.draw(st.lists(st.integers(-2, len(text) + 2)))

    parts = []
    for start, end in split_words(text):
        edges = [start, *sorted({cut for cut in cuts if start < cut < end}), end]
        parts += itertools.pairwise(edges)
    assert split_words(text, cuts) == parts


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Spider-Man cost 3.5 or 1,000.", ["Spider-Man", "cost", "3.5", "or", "1,000", "."]),
        ("Cote d'Ivoire's U.S. friends", ["Cote", "d'Ivoire", "'s", "U.S.", "friends"]),
        ("they’re (Bach, J.S.)", ["they", "’re", "(", "Bach", ",", "J.S.", ")"]),
        ("e\u0301te\u0301 नमस्ते שָׁלוֹם", ["e\u0301te\u0301", "नमस्ते", "שָׁלוֹם"]),
        ("👩\u200d👩\u200d👧🇫🇷❤\ufe0f!", ["👩\u200d👩\u200d👧", "🇫🇷", "❤\ufe0f", "!"]),
        ("a\u00a0b\u2028c\r\nd", ["a", "b", "c", "d"]),
        ("", []),
    ],
)
def test_words_of_known_texts(text, expected):
    assert words(text) == expected
