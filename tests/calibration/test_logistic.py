from __future__ import annotations

import numpy as np
import pytest

from cpner.calibration.logistic import fit_logistic, sigmoid


def draw(rows: int, weights: list[float]) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = np.column_stack([np.ones(rows), rng.normal(size=(rows, len(weights) - 1))])
    return x, (rng.random(rows) < sigmoid(x @ np.array(weights))).astype(float)


def test_weights_that_made_the_data_are_found():
    x, y = draw(20_000, [-1.0, 0.5, 2.0])

    assert fit_logistic(x, y, np.zeros(3), np.full(3, 0.01)) == pytest.approx([-1.0, 0.5, 2.0], abs=0.1)


def test_the_gradient_vanishes_where_no_bound_is():
    x, y = draw(500, [-1.0, 0.5, 2.0])
    prior, strength = np.array([0.0, 1.0, 1.0]), np.array([0.1, 5.0, 5.0])
    weights = fit_logistic(x, y, prior, strength)

    assert x.T @ (sigmoid(x @ weights) - y) + strength * (weights - prior) == pytest.approx([0, 0, 0], abs=1e-4)


def test_a_slope_is_never_negative():
    x, y = draw(2000, [0.5, -2.0, 1.0])
    weights = fit_logistic(x, y, np.zeros(3), np.full(3, 0.01))

    assert weights[1] == 0.0 and weights[2] > 0.5


def test_no_rows_leave_what_was_known():
    prior = np.array([-1.0, 0.5])

    assert fit_logistic(np.zeros((0, 2)), np.zeros(0), prior, np.ones(2)) == pytest.approx(prior)


def test_a_row_that_counts_twice_is_as_two():
    x, y = draw(50, [0.3, 1.0])
    twice = fit_logistic(np.concatenate([x, x]), np.concatenate([y, y]), np.zeros(2), np.ones(2))

    assert fit_logistic(x, y, np.zeros(2), np.ones(2), np.full(50, 2.0)) == pytest.approx(twice, abs=1e-6)


def test_all_right_and_all_wrong_stay_finite():
    x, _ = draw(40, [0.3, 1.0])
    for same in (np.zeros(40), np.ones(40)):
        assert np.isfinite(fit_logistic(x, same, np.zeros(2), np.full(2, 0.1))).all()
