from __future__ import annotations

import numpy as np
import pytest

from cpner.calibration.report import aurc, brier, describe, ece


def test_perfect_scores_have_no_error_but_chance():
    rng = np.random.default_rng(0)
    p = rng.random(2000)
    y = rng.random(2000) < p
    part = describe(p.tolist(), y.tolist(), list(range(2000)))

    assert part is not None
    assert part.low <= part.ece <= part.high < 0.06
    assert part.ece == pytest.approx(part.noise, abs=0.02)
    assert part.brier == pytest.approx(1 / 6, abs=0.01) and part.refinement == pytest.approx(part.brier, abs=0.01)
    assert part.precision_at[50] > part.precision_at[80] > part.precision_at[100] == pytest.approx(y.mean())
    assert sum(bin.entities for bin in part.bins) == 2000 and len(part.bins) == 10


def test_scores_that_are_too_high_are_seen():
    assert ece(np.full(100, 0.9), np.array([1.0, 0.0] * 50)) == pytest.approx(0.4, abs=0.2)
    assert ece(np.array([0.75] * 4), np.array([1.0, 1, 1, 0])) >= 0.0
    assert brier(np.array([1.0, 0.0]), np.array([0.0, 0.0])) == 0.5


def test_risk_over_coverages_is_least_with_the_right_ones_first():
    y = np.array([1.0, 1, 0, 0])

    assert aurc(np.array([0.9, 0.8, 0.2, 0.1]), y) == pytest.approx((0 + 0 + 1 / 3 + 1 / 2) / 4)
    assert aurc(np.array([0.1, 0.2, 0.8, 0.9]), y) == pytest.approx((1 + 1 + 2 / 3 + 1 / 2) / 4)
    assert aurc(np.full(4, 0.5), y) == pytest.approx(0.5)


def test_nothing_predicted_is_no_figure():
    assert describe([], [], []) is None


def test_one_entity_is_enough_for_figures():
    part = describe([0.7], [True], [0])

    assert part is not None and part.ece == pytest.approx(0.3)
    assert part.to_json()["bins"] == [{"entities": 1, "score": 0.7, "right": 1.0}]
