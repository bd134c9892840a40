"""Rank correlation."""

from __future__ import annotations

import pytest

from cpner.experiments.paper.statistics import spearman


def test_rank_correlation():
    assert spearman([1, 2, 3], [10, 20, 30]) == pytest.approx(1)
    assert spearman([1, 2, 3], [9, 5, 1]) == pytest.approx(-1)
    assert spearman([1, 2, 2, 3], [1, 3, 2, 4]) == pytest.approx(0.9486833)  # as scipy.stats.spearmanr gives it
    assert spearman([1, 1], [1, 2]) == 0
