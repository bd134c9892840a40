from __future__ import annotations

import math

import pytest

from cpner.calibration.features import ENTITY, SENTENCE, entity_features, logit, sentence_features
from cpner.corpus.sentence import Answer, Prediction, Span
from tests.calibration.support import evidence


def test_a_logit_is_bounded_where_float32_tells_nothing():
    assert logit(math.log(0.8)) == pytest.approx(math.log(4))
    assert logit(0.0) == logit(1e-7) == 9.0
    assert logit(-50.0) == -9.0


@pytest.mark.parametrize("part", ["open", "type", "mention", "agreement", "mass"])
def test_no_feature_falls_when_an_entity_is_surer(part):
    sure = entity_features(evidence())
    less = entity_features(evidence(**{part: 0.5 if part in ("agreement", "mass") else -2.0}))

    assert len(sure) == len(ENTITY)
    assert all(a >= b for a, b in zip(sure, less, strict=True)) and sure != less


def test_a_sentence_is_less_sure_with_an_entity_more_or_a_doubtful_end():
    one = Prediction(Span(0, 1, "city"), 0.5)
    first, more, open_end = (
        sentence_features(answer, 9) for answer in (Answer([one], -0.1), Answer([one, one], -0.1), Answer([one], -2.0))
    )

    assert len(first) == len(SENTENCE)
    assert first[1] > more[1] and first[2] > open_end[2]
    assert sentence_features(Answer(), 5)[1] == 0.0
