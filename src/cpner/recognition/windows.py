"""Windows over sentences that are too long for a backbone: where to cut, and how to put the parts together again.

Lengths are counted in pieces, positions in words.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

from cpner.corpus.ends import clear_ends, sentence_ends
from cpner.corpus.sentence import Sentence, Span


class Window(NamedTuple):
    """The words from `start` up to, not including, `end`."""

    start: int
    end: int


def cut(sentence: Sentence, lengths: Sequence[int], room: int, *, overlap: int = 0) -> list[Window]:
    """Cut a sentence into windows of at most `room` pieces.

    A cut lies at the end of a sentence if one is in the second half of a window, else at any word. A full stop, its
    like or a line break tells the end. A cut is never inside one of the sentence's entities. Only a single word or
    entity that is longer than `room` makes a longer window.

    Args:
        lengths: pieces of each word.
        room: pieces that fit in a window, from 1.
        overlap: pieces that a window repeats of the one before it, about; less than half of `room`.
    """
    at = [0, *accumulate(lengths)]
    words = len(lengths)
    inside = {i for span in sentence.spans for i in range(span.start + 1, span.end)}
    ends = sentence_ends(sentence)
    windows: list[Window] = []
    start = done = 0
    while done < words:
        reach = bisect_right(at, at[start] + room) - 1
        if reach <= done:  # the overlap leaves no room for anything new
            start = done
            reach = max(done + 1, bisect_right(at, at[start] + room) - 1)
        done = reach if reach == words else _choose(range(done + 1, reach + 1), at, at[start] + room // 2, ends, inside)
        while done in inside:
            done += 1
        windows.append(Window(start, done))
        start = max(start + 1, _back(at, done, overlap, ends)) if overlap else done
    return windows


def cut_at_ends(sentence: Sentence, lengths: Sequence[int], room: int, *, overlap: int = 0) -> list[Window]:
    """Cut a text into its sentences, and those that are too long as `cut` does; the arguments are those of `cut`."""
    windows: list[Window] = []
    edges = [0, *clear_ends(sentence), len(lengths)]
    for start, end in pairwise(edges):
        whole = Window(start, end)
        inner = cut(part(sentence, whole), lengths[start:end], room, overlap=overlap)
        windows += [Window(start + window.start, start + window.end) for window in inner]
    return windows


def _choose(places: range, at: Sequence[int], least: int, ends: Sequence[int], inside: set[int]) -> int:
    """The last end of a sentence among the places, if it is late enough, else the last place outside entities."""
    i = bisect_right(ends, places[-1]) - 1
    if i >= 0 and ends[i] >= places[0] and at[ends[i]] >= least and ends[i] not in inside:
        return ends[i]
    return next((place for place in reversed(places) if place not in inside), places[-1])


def _back(at: Sequence[int], end: int, overlap: int, ends: Sequence[int]) -> int:
    """Where the window after a cut at `end` starts: at most `overlap` pieces before, after a sentence if there is."""
    earliest = bisect_left(at, at[end] - overlap)
    i = bisect_left(ends, earliest)
    return ends[i] if i < len(ends) and ends[i] < end else earliest


def part(sentence: Sentence, window: Window) -> Sentence:
    """The words of a window with their entities, as a sentence over the same text."""
    spans = [
        Span(span.start - window.start, span.end - window.start, span.type)
        for span in sentence.spans
        if window.start <= span.start and span.end <= window.end
    ]
    return Sentence(sentence.text, sentence.words[window.start : window.end], spans)


def choose(spans: Sequence[Sequence[Span]], windows: Sequence[Window], words: int) -> list[tuple[int, int]]:
    """Choose among the entities of overlapping windows.

    An entity counts where it is farther from a cut than in any other window that holds its words. Of two that still
    overlap, the one farther from a cut stays.

    Args:
        spans: for each window its entities, in the sentence's words.
        windows: the windows.
        words: words of the sentence; its own start and end are no cuts.

    Returns:
        Window and place in `spans[window]` of each entity that stays, in the order of the sentence.
    """

    def margin(window: Window, span: Span) -> int:
        left = span.start - window.start if window.start else words
        right = window.end - span.end if window.end < words else words
        return min(left, right)

    ranked = []
    for w, window in enumerate(windows):
        for i, span in enumerate(spans[w]):
            distance = margin(window, span)
            others = [other for other in windows if other.start <= span.start and span.end <= other.end]
            if distance == max(margin(other, span) for other in others):
                ranked.append((-distance, w, i, span))
    taken: set[int] = set()
    chosen = []
    for _, w, i, span in sorted(ranked, key=lambda row: row[:3]):
        covered = range(span.start, span.end)
        if taken.isdisjoint(covered):
            taken.update(covered)
            chosen.append((span.start, w, i))
    return [(w, i) for _, w, i in sorted(chosen)]
