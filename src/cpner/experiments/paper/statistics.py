"""Rank correlation, for the question whether the selector knows which source helps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def spearman(a: Sequence[float], b: Sequence[float]) -> float:
    """Spearman's rank correlation of two lists, -1 to 1; equal values share their rank; 0 where a list is constant."""
    ranks = [_ranks(np.asarray(values, float)) for values in (a, b)]
    if any(np.ptp(rank) == 0 for rank in ranks):
        return 0.0
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """[n] ranks from 1, the mean rank for equal values."""
    smaller = (values[:, None] > values[None, :]).sum(1)
    equal = (values[:, None] == values[None, :]).sum(1)
    return np.asarray(smaller + (equal + 1) / 2)
