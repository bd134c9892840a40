from __future__ import annotations

import numpy as np
import pytest

from cpner.calibration.fit import fit, fit_default, plain
from cpner.calibration.report import brier, ece
from cpner.corpus.sentence import Answer, Sentence
from tests.calibration.support import made_up


def rows(sentences: list[Sentence], answers: list[Answer]) -> tuple[np.ndarray, np.ndarray]:
    scores = [one.score for answer in answers for one in answer]
    right = [one.span in sentence.spans for sentence, answer in zip(sentences, answers, strict=True) for one in answer]
    return np.array(scores), np.array(right, dtype=float)


@pytest.mark.parametrize(
    ("count", "kinds"), [(10, {"temperature"}), (60, {"logistic"}), (400, {"logistic", "isotonic"})]
)
def test_fitted_scores_are_nearer_to_what_is_right(count, kinds):
    calibrator = fit(*made_up(count), plain())
    sentences, answers = made_up(1500, seed=1)
    raw, right = rows(sentences, answers)
    scores, _ = rows(sentences, [calibrator.apply(*pair) for pair in zip(sentences, answers, strict=True)])

    assert calibrator.kind in kinds
    assert (calibrator.entities, calibrator.sentences) == (2 * count, count)
    assert ece(scores, right) < (0.2 if count == 10 else 0.1) < ece(raw, right)
    assert brier(scores, right) < brier(raw, right)


def test_scores_of_sentences_are_probabilities_too():
    calibrator = fit(*made_up(300), plain())
    sentences, answers = made_up(1500, seed=1)
    scores = [calibrator.apply(*pair).score for pair in zip(sentences, answers, strict=True)]
    right = [
        {*sentence.spans} == {one.span for one in answer} for sentence, answer in zip(sentences, answers, strict=True)
    ]

    assert ece(np.array(scores), np.array(right, dtype=float)) < 0.06


def test_nothing_predicted_leaves_the_default():
    sentence = Sentence.from_words(["Rome"])

    calibrator = fit([sentence], [Answer()], plain())

    assert (calibrator.kind, calibrator.weights, calibrator.entities) == ("default", plain().weights, 0)


def test_a_default_serves_a_domain_between_those_that_it_was_fitted_on():
    default = fit_default([made_up(200, shift=-0.5), made_up(20, seed=3, shift=0.5)])
    sentences, answers = made_up(1500, seed=5)
    scores, right = rows(sentences, [default.apply(*pair) for pair in zip(sentences, answers, strict=True)])

    assert ece(scores, right) < 0.06
    assert default.kind == "default"


def test_fitting_twice_gives_the_same():
    assert fit(*made_up(100), plain()) == fit(*made_up(100), plain())
