from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpner.calibration.isotonic import fit_isotonic, interpolate


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=80), st.integers(2, 12))
def test_knots_rise_and_are_few(pairs, most):
    scores, right = (np.array(column, dtype=float) for column in zip(*pairs, strict=True))
    knots = fit_isotonic(scores, right, most)

    assert 1 <= len(knots) <= most
    for column in zip(*knots, strict=True):
        assert list(column) == sorted(column)
    assert all(0 < probability < 1 for _, probability in knots)
    assert (np.diff(interpolate(knots, np.linspace(0, 1, 50))) >= -1e-12).all()


def test_blocks_are_pooled_until_they_rise():
    scores = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    right = np.array([0.0, 1, 0, 1, 1, 1])

    [low, middle, high] = fit_isotonic(scores, right)
    assert low == (pytest.approx(0.1), pytest.approx(0.25))
    assert middle == (pytest.approx(0.25), pytest.approx(0.5))
    assert high == (pytest.approx(0.5), pytest.approx(3.5 / 4))
