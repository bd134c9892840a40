from __future__ import annotations

import itertools
import math

import pytest

from cpner.corpus.sentence import Answer, Prediction, Span
from cpner.recognition.readings import combined, ranked


def reading(probability: float, *words: int) -> Answer:
    predictions = [Prediction(Span(word, word + 1, "person"), 0.5) for word in words]
    return Answer(predictions, log=math.log(probability))


def test_readings_with_the_same_entities_are_one_whose_probability_is_their_sum():
    best = ranked([reading(0.4, 0), reading(0.3, 1), reading(0.2, 1), reading(0.05)], 5)

    readings = [best, *best.others]
    assert [[one.span.start for one in answer] for answer in readings] == [[1], [0], []]
    assert [math.exp(answer.log) for answer in readings] == pytest.approx([0.5, 0.4, 0.05])


def test_only_the_best_are_kept():
    assert len(ranked([reading(0.1, i) for i in range(5)], 3).others) == 2
    assert ranked([reading(0.1, 0), reading(0.2, 1)], 1).others == ()


def test_the_best_ways_through_all_windows_are_those_of_all_combinations():
    windows = [
        ranked([reading(p, i) for i, p in enumerate(row)], 9) for row in [(0.5, 0.3), (0.6, 0.3, 0.1), (0.9, 0.05)]
    ]

    ways = combined(windows, 4)

    every = itertools.product(*([window, *window.others] for window in windows))
    expected = sorted((sum(answer.log for answer in way) for way in every), reverse=True)[:4]
    assert [log for log, _ in ways] == pytest.approx(expected)
    assert all(log == pytest.approx(sum(answer.log for answer in way)) for log, way in ways)


def test_no_window_has_one_empty_way():
    assert combined([], 3) == [(0.0, ())]
