from __future__ import annotations

import json
import math

import pytest

from cpner.calibration.calibrator import Calibrator
from cpner.calibration.features import ENTITY
from cpner.calibration.fit import fit, plain
from cpner.calibration.thresholds import Thresholds
from cpner.corpus.sentence import Answer, Prediction, Sentence, Span
from cpner.errors import StoreError
from tests.calibration.support import evidence, made_up


def test_a_table_gives_the_same_calibrator_again():
    calibrator = fit(*made_up(400), plain())
    table = json.loads(json.dumps(calibrator.to_json()))
    again = Calibrator.from_json(table)

    assert again is not None and again.to_json() == table
    assert sum(count for count, _, _ in again.bins) == again.entities == 800
    assert len(json.dumps(table)) < 2500
    assert again.probability(evidence()) == pytest.approx(calibrator.probability(evidence()), abs=1e-3)


def test_scores_rise_with_what_was_seen():
    calibrator = fit(*made_up(400), plain())
    scores = [calibrator.probability(evidence(mention=-0.2 * i)) for i in range(20)]

    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)


def test_spans_stay_and_raw_scores_stay_reachable():
    sentence = Sentence.from_words(["Ada", "slept"])
    seen = evidence()
    answer = Answer([Prediction(Span(0, 1, "person"), seen.raw, seen)], end=-0.1)

    scored = plain().apply(sentence, answer)

    assert [one.span for one in scored] == [one.span for one in answer]
    assert scored[0].raw == seen.raw != scored[0].score
    assert scored.score is not None and 0 < scored.score <= scored[0].score


@pytest.mark.parametrize("end", [-3.0, -0.01])
def test_further_readings_are_less_likely_and_all_sum_to_one_at_most(end):
    sentence = Sentence.from_words(["Ada", "slept"])
    seen = evidence(0.0, 0.0, -0.001)
    first = Answer([Prediction(Span(0, 1, "person"), seen.raw, seen)], end, log=math.log(0.5))
    first.others = (Answer(log=math.log(0.3)), Answer(first, end, log=math.log(0.15)))

    scored = plain().apply(sentence, first)

    scores = [scored.score, *(other.score for other in scored.others)]
    assert scores == sorted(scores, reverse=True) and sum(scores) <= 1
    assert scores[0] == plain().apply(sentence, Answer(first, end)).score
    assert scores[1] / scores[2] == pytest.approx(2)
    assert scored.others[1][0].score == scored[0].score != scored[0].raw


def test_what_nothing_was_seen_of_keeps_its_score():
    answer = Answer([Prediction(Span(0, 1, "person"), 1.0)])

    assert plain().apply(Sentence.from_words(["Ada"]), answer)[0].score == 1.0


def test_no_table_and_one_of_a_later_version_are_no_calibrator():
    assert Calibrator.from_json({}) is None
    assert Calibrator.from_json({"version": 2, "weights": "of another kind"}) is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": "1"}, "version"),
        ({"kind": "magic"}, "kind 'magic'"),
        ({"weights": [0.0]}, f"expected {len(ENTITY)} numbers"),
        ({"weights": [0.0, -1.0, *[0.0] * (len(ENTITY) - 2)]}, "not below 0"),
        ({"weights": [float("nan"), *[0.0] * (len(ENTITY) - 1)]}, "numbers"),
        ({"sentence": None}, "sentence None"),
        ({"knots": [[0.1, 0.5], [0.2, 0.4]]}, "do not rise"),
        ({"knots": [[0.1]]}, "pairs"),
        ({"entities": -1}, "whole numbers"),
        ({"bins": [[1, 0.5]]}, "bins"),
        ({"bins": [[1, -0.5, 1]]}, "bins"),
        ({"bins": 3}, "bins"),
        ({"thresholds": {"best": 2}}, "threshold 2"),
        ({"thresholds": {"precision": {"0.123": 0.5}}}, "precision '0.123'"),
        ({"thresholds": []}, "thresholds"),
    ],
)
def test_a_damaged_table_is_refused(changes, message):
    with pytest.raises(StoreError, match=message):
        Calibrator.from_json({**plain().to_json(), **changes})


def test_an_isotonic_step_is_linear_between_its_knots_and_flat_beyond():
    base = plain()
    p = base.probability(evidence())
    stepped = Calibrator("isotonic", base.weights, base.sentence, ((p - 0.1, 0.2), (p + 0.1, 0.6)), 9, 3, Thresholds())

    assert stepped.probability(evidence()) == pytest.approx(0.4)
    assert stepped.probability(evidence(mention=-9.0)) == 0.2
    assert stepped.probability(evidence(open=0.0, type=0.0, mention=0.0)) == 0.6
