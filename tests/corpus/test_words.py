"""The splitter loses nothing but white space."""

from __future__ import annotations

import itertools
import time

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from cpner.corpus.words import split_words

INK = regex.compile(r"[^\s\x1c-\x1f\u200b\u2060\ufeff]+")
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
        assert not INK.search(text, position, start)
        assert INK.fullmatch(text, start, end)
        position = end
    assert not INK.search(text, position)


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
        ("Spider-Man cost 3.5 or 1,000.", ["Spider", "-", "Man", "cost", "3.5", "or", "1,000", "."]),
        ("Cote d'Ivoire's U.S. friends", ["Cote", "d'", "Ivoire", "'s", "U.S.", "friends"]),
        ("they’re (Bach, J.S.)", ["they", "’re", "(", "Bach", ",", "J.S.", ")"]),
        ("e\u0301te\u0301 नमस्ते שָׁלוֹם", ["e\u0301te\u0301", "नमस्ते", "שָׁלוֹם"]),
        ("👩\u200d👩\u200d👧🇫🇷❤\ufe0f!", ["👩\u200d👩\u200d👧", "🇫🇷", "❤\ufe0f", "!"]),
        ("a\u00a0b\u2028c\r\nd", ["a", "b", "c", "d"]),
        ("non-U.S. Paris.London Paris·Rome", ["non", "-", "U.S.", "Paris", ".", "London", "Paris", "·", "Rome"]),
        ("O'Brien don't Ankara'da", ["O'Brien", "don't", "Ankara", "'da"]),
        ("19th 1960s 5km 10GB 3D v1.2", ["19th", "1960", "s", "5", "km", "10", "GB", "3D", "v1.2"]),
        ("2024年iPhone手机", ["2024", "年", "iPhone", "手", "机"]),
        ("カナー 서울에서 น้ำ ភ្នំ", ["カ", "ナ", "ー", "서", "울", "에", "서", "น้ำ", "ភ្នំ"]),
        ("\u1109\u1165\u110b\u116e\u11af", ["\u1109\u1165", "\u110b\u116e\u11af"]),
        ("\u0600 1\u200b\u2060\ufeffa", ["\u0600", "1", "a"]),
        ("", []),
    ],
)
def test_words_of_known_texts(text, expected):
    assert words(text) == expected


@pytest.mark.parametrize("text", ["🇫" * 100_001, "👩\u200d" * 50_000, "a." * 50_000, "l'" * 50_000, "Aaa'b" * 20_000])
def test_time_is_linear(text):
    start = time.process_time()

    split_words(text)

    assert time.process_time() - start < 5
