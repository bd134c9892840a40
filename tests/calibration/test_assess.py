from __future__ import annotations

import json

import pytest

from cpner.calibration.assess import assess
from cpner.calibration.fit import fit, plain
from cpner.corpus.sentence import Answer, Sentence
from tests.calibration.support import made_up


def test_an_assessment_compares_raw_and_calibrated_scores():
    calibrator = fit(*made_up(300), plain())
    sentences, answers = made_up(500, seed=1)

    assessment = assess(sentences, [calibrator.apply(*pair) for pair in zip(sentences, answers, strict=True)])

    assert assessment.raw and assessment.calibrated and assessment.sentences
    assert assessment.calibrated.ece < assessment.raw.ece
    assert (assessment.raw.entities, assessment.sentences.entities) == (1000, 500)
    first, *_, last = assessment.curve
    assert first.entities == 1000 and first.recall == 100.0
    assert last.precision > first.precision and last.recall < first.recall
    assert first.f1 == pytest.approx(2 * first.precision * 100 / (first.precision + 100))
    assert json.loads(json.dumps(assessment.to_json()))["curve"][0]["threshold"] == 0.0


def test_nothing_predicted_is_told_as_none():
    assessment = assess([Sentence.from_words(["Rome"])], [Answer()])

    assert (assessment.raw, assessment.calibrated, assessment.sentences) == (None, None, None)
