"""The n best readings of a sentence: other outputs of beam search, told apart by their entities."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Sequence

from cpner.corpus.sentence import Answer


def ranked(readings: Iterable[Answer], best: int) -> Answer:
    """The likeliest reading, and the next ones as its `others`.

    Args:
        readings: at least one. Those with the same entities, written in another order, are one: their probabilities
            add up.
        best: how many to keep.
    """
    by_spans: dict[tuple[object, ...], Answer] = {}
    for reading in readings:
        known = by_spans.setdefault(tuple(one.span for one in reading), reading)
        if known is not reading:
            least, most = sorted([known.log, reading.log])
            known.log = min(0.0, most + math.log1p(math.exp(least - most)))
    first, *others = heapq.nlargest(best, by_spans.values(), key=lambda reading: reading.log)
    first.others = tuple(others)
    return first


def combined(answers: Sequence[Answer], best: int) -> list[tuple[float, tuple[Answer, ...]]]:
    """The likeliest ways to read all windows of a text: the log-probability of each, and a reading for each window."""
    paths: list[tuple[float, tuple[Answer, ...]]] = [(0.0, ())]
    for answer in answers:
        longer = ((log + one.log, (*path, one)) for log, path in paths for one in (answer, *answer.others))
        paths = heapq.nlargest(best, longer, key=lambda path: path[0])
    return paths
