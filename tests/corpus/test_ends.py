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
        ["東京に行った。", "2015年だった。"],
        ["وہ گیا۔", "وہ آیا۔"],
        ["वह गया।", "वह आया।"],
        ["Orlo ‼️", "Then Vane left."],
        ["Vane left!?", "Then she came."],
        ["He said no.", '"Then we left," said Vane.'],
        ["„Nein!“", "Dann ging er."],
        ["»Nein!«", "Dann ging er."],
        ["¿Quién?", "¿Vane?"],
    ],
)
def test_sentences_end_where_they_end(sentences):
    assert parts(" ".join(sentences)) == sentences


@pytest.mark.parametrize(
    "sign",
    [
        "🦆", "😀😀", "🇫🇷", "1️⃣", "❤️", "👨\u200d👩\u200d👧", "™", "→", "•", "*", "#", "@", "|", "¹", "†", "[1]", 
        "[1] [2]", "[citation needed]", "(", "[", "“", "«", "„", "``", "¿", "—", "- -", "🦆 [3] “",
    ],
)  # fmt: skip
def test_a_sign_after_a_full_stop_hides_no_end(sign):
    assert parts(f"Vane left Lake Tarn. {sign} Ospreys came.") == ["Vane left Lake Tarn.", f"{sign} Ospreys came."]


@pytest.mark.parametrize(
    "sign", ["🦆", "🇫🇷🇫🇷", "[1]", "[1][2]", "[citation needed]", "¹", "¹²", "†", "**", ")", "”", "”1", "''", ")[1]"]
)
def test_a_sign_without_a_blank_belongs_to_the_sentence_before(sign):
    assert parts(f"Vane left Lake Tarn.{sign} Ospreys came.") == [f"Vane left Lake Tarn.{sign}", "Ospreys came."]


@pytest.mark.parametrize(
    "text",
    [
        "Mr. Vane met J. R. Quist in St. Louis.",
        "The U.S. and Orlo Inc. signed.",
        "Yahoo! is a firm, e.g. in Orlo.",
        "A line that was\nwrapped in New\nYork.",
        "“No!” she said.",
        "... and so on.",
        "Yahoo! & Quist",
        "Yahoo! – Quist",
        "Yahoo! (the firm)",
        "St. 🦆 Louis",
        "Dr.🦆 Quist",
        "See Fig. 3 and Art. § 5",
        "Vane left. 🦆",
        "Vane left. 🦆 ospreys came",
        "Orlo",
        "",
    ],
)
def test_what_is_in_doubt_ends_nothing(text):
    assert clear_ends(Sentence.from_text(text)) == []


def test_a_word_of_several_full_stops_ends_a_sentence():
    sentence = Sentence.from_words(["Vane", "left", "....", "She", "flew", "."])

    assert clear_ends(sentence) == [3]


def test_a_blank_line_ends_a_sentence():
    assert parts("A heading\n\nVane left.") == ["A heading", "Vane left."]


def test_a_corpus_of_single_sentences_may_have_slips():
    assert are_single([ONE] * 9 + [TWO])
    assert not are_single([ONE] * 8 + [TWO] * 2)
    assert not are_single([])
