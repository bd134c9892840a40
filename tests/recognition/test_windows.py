"""Windows hold every word, never cut an entity, prefer the ends of sentences, and merge without loss or doubles."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cpner.corpus.sentence import Sentence, Span
from cpner.corpus.words import split_words
from cpner.recognition.windows import Window, choose, cut, part, sentence_ends
from tests.strategies import sentences


def split(text: str) -> Sentence:
    return Sentence(text, split_words(text))


@st.composite
def cases(draw: st.DrawFn, overlapping: bool) -> tuple[Sentence, list[int], int, int]:
    """A sentence, the pieces of its words, the room of a window, and the overlap."""
    words = st.sampled_from(["a", "b", ".", "!", ")"])
    sentence = draw(sentences(["x"], words) | sentences(["x"], words).map(lambda s: s.with_spans(())))
    repeated = Sentence.from_words(
        sentence.word_texts * 5,
        [
            Span(s.start + i * len(sentence.words), s.end + i * len(sentence.words), s.type)
            for i in range(5)
            for s in sentence.spans
        ],
    )
    lengths = draw(st.lists(st.integers(1, 9), min_size=len(repeated.words), max_size=len(repeated.words)))
    room = draw(st.integers(1, 30))
    return repeated, lengths, room, draw(st.integers(0, room // 3)) if overlapping else 0


@settings(max_examples=300)
@given(cases(overlapping=False))
def test_windows_without_overlap_hold_every_word_once_and_cut_no_entity(case):
    sentence, lengths, room, _ = case

    windows = cut(sentence, lengths, room)

    assert [i for w in windows for i in range(*w)] == list(range(len(lengths)))
    assert sum(len(part(sentence, w).spans) for w in windows) == len(sentence.spans)
    for window in windows:  # what is too long is one word or one entity with less than a window before it
        inside = {i for span in sentence.spans for i in range(span.start + 1, span.end)}
        places = [i for i in range(window.start + 1, window.end) if i not in inside]
        assert sum(lengths[slice(*window)]) <= room or not places


@settings(max_examples=300)
@given(cases(overlapping=True))
def test_windows_with_overlap_hold_every_word_move_on_and_fit(case):
    sentence, lengths, room, overlap = case

    windows = cut(sentence.with_spans(()), lengths, room, overlap=overlap)

    assert {i for w in windows for i in range(*w)} == set(range(len(lengths)))
    for before, after in itertools.pairwise(windows):
        assert before.start < after.start <= before.end < after.end
        assert sum(lengths[after.start : before.end]) <= overlap
    for window in windows:
        assert sum(lengths[slice(*window)]) <= room or window.end == window.start + 1


def test_a_window_starts_after_the_one_before_it_even_if_that_is_as_short_as_the_overlap():
    sentence = split("a a a a . a a a")

    windows = cut(sentence, [1, 1, 1, 2, 1, 1, 1, 1], 3, overlap=1)

    assert windows == [Window(0, 3), Window(2, 4), Window(4, 5), Window(5, 8)]


def test_what_fits_is_one_window_and_nothing_is_none():
    sentence = split("Ada met Charles.")

    assert cut(sentence, [1] * 4, 4, overlap=1) == [Window(0, 4)]
    assert cut(Sentence("", ()), [], 4) == []


def test_cuts_lie_at_the_end_of_a_sentence_where_one_is_late_enough():
    sentence = split("a b c . d e f g h i . j k l m n")

    assert cut(sentence, [1] * 16, 12) == [Window(0, 11), Window(11, 16)]
    assert cut(sentence, [1] * 16, 10)[0] == Window(0, 10)  # the only end is in the first half of the window


def test_a_window_after_a_cut_begins_with_a_sentence_where_one_is_near():
    sentence = split("a b c d e . f g h . i j k l m n")

    assert cut(sentence, [1] * 16, 10, overlap=5) == [Window(0, 10), Window(6, 16)]


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("He left. She stayed.", ["."]),
        ('"No!" he said. Then', ['"', "."]),
        ("one\ntwo\n\nthree four", ["one", "two"]),
        ("Wait... what? Yes", [".", "?"]),
        ("in the U.S. Senate", []),
        ("吃了吗？ 吃了。 好", ["？", "。"]),
    ],
)
def test_sentences_end_at_final_signs_and_line_breaks(text, after):
    sentence = split(text)

    assert [sentence.word_texts[i - 1] for i in sentence_ends(sentence)] == after


def test_an_entity_counts_in_the_window_where_it_is_farther_from_a_cut():
    windows = [Window(0, 10), Window(6, 16)]
    seen = [[Span(7, 8, "near the start of 2"), Span(8, 10, "cut off")], [Span(8, 11, "whole"), Span(6, 7, "cut")]]

    kept = choose(seen, windows, 16)

    assert [seen[w][i].type for w, i in kept] == ["near the start of 2", "whole"]


def test_an_entity_that_only_the_farther_window_saw_stays_and_the_nearer_one_alone_does_not_count():
    windows = [Window(0, 10), Window(5, 16)]

    assert choose([[Span(6, 7, "x")], []], windows, 16) == [(0, 0)]
    assert choose([[Span(9, 10, "x")], []], windows, 16) == []


@settings(max_examples=300)
@given(cases(overlapping=True), st.data())
def test_merging_keeps_entities_in_order_without_overlap_and_all_that_every_window_agrees_on(case, data):
    sentence, lengths, room, overlap = case
    windows = cut(sentence.with_spans(()), lengths, room, overlap=overlap)
    everywhere = data.draw(st.booleans())
    seen = [
        [
            s
            for s in sentence.spans
            if w.start <= s.start and s.end <= w.end and (everywhere or data.draw(st.booleans()))
        ]
        for w in windows
    ]

    kept = [seen[w][i] for w, i in choose(seen, windows, len(lengths))]

    assert all(a.end <= b.start for a, b in itertools.pairwise(kept))
    if everywhere:
        assert set(kept) == {span for spans in seen for span in spans} and len(set(kept)) == len(kept)
