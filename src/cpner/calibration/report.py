"""How good scores are: calibration error, Brier, risk against coverage, and a reliability diagram's figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cpner.calibration.logistic import Floats

BINS = 10
COVERAGES = (50, 80, 100)  # per cent of the entities, the surest first
_DRAWS = 300


class Bin(NamedTuple):
    """One bin of a reliability diagram.

    Attributes:
        entities: how many are in it.
        score: their mean score, in [0, 1].
        right: the share of them that is right.
    """

    entities: int
    score: float
    right: float


@dataclass(frozen=True)
class Calibration:
    """How good the scores of predicted entities are; all figures but counts lie in [0, 1].

    Attributes:
        entities: how many were predicted.
        ece: expected calibration error, over ten bins of equal mass.
        low: lower end of its 95 % interval, by drawing sentences with replacement.
        high: upper end of that interval.
        noise: the error that perfect scores would show on as many entities, by chance alone.
        brier: mean squared difference of score and what is right.
        refinement: what of the Brier score stays if each bin's score were its share of right ones.
        aurc: mean share of wrong entities over all coverages, the surest first.
        precision_at: share of right ones among the surest 50, 80 and 100 per cent.
        bins: of the reliability diagram.
    """

    entities: int
    ece: float
    low: float
    high: float
    noise: float
    brier: float
    refinement: float
    aurc: float
    precision_at: dict[int, float]
    bins: list[Bin]

    def to_json(self) -> dict[str, Any]:
        """Plain dicts, lists and numbers."""
        return {**asdict(self), "bins": [bin._asdict() for bin in self.bins]}


def describe(
    scores: Sequence[float], right: Sequence[bool], groups: Sequence[int], seed: int = 0
) -> Calibration | None:
    """Compare scores with what is right.

    Args:
        scores: of predicted entities, in [0, 1].
        right: whether each is right.
        groups: the sentence of each: entities of a sentence are drawn together.
        seed: of the draws.

    Returns:
        None if there are no entities.
    """
    p = np.asarray(scores, dtype=float)
    y = np.asarray(right, dtype=float)
    if not len(p):
        return None
    rng = np.random.default_rng(seed)
    drawn = _draws(np.asarray(groups), rng)
    errors = [ece(p[rows], y[rows]) for rows in drawn]
    low, high = np.percentile(errors, [2.5, 97.5])
    noise = np.mean([ece(p, (rng.random(len(p)) < p).astype(float)) for _ in range(_DRAWS // 3)])
    bins = bins_of(p, y)
    refinement = sum(bin.entities * bin.right * (1 - bin.right) for bin in bins) / len(p)
    order = np.argsort(-p, kind="stable")
    shares = np.cumsum(y[order]) / np.arange(1, len(p) + 1)
    at = {coverage: float(shares[max(0, -(-coverage * len(p) // 100) - 1)]) for coverage in COVERAGES}
    return Calibration(
        entities=len(p),
        ece=ece(p, y),
        low=float(low),
        high=float(high),
        noise=float(noise),
        brier=brier(p, y),
        refinement=float(refinement),
        aurc=aurc(p, y),
        precision_at=at,
        bins=bins,
    )


def bins_of(scores: Floats, right: Floats, bins: int = BINS) -> list[Bin]:
    """The entities in bins of equal mass, by rising score; fewer bins for fewer entities."""
    order = np.argsort(scores, kind="stable")
    parts = np.array_split(order, min(bins, len(order)))
    return [Bin(len(part), float(scores[part].mean()), float(right[part].mean())) for part in parts]


def ece(scores: Floats, right: Floats) -> float:
    """Expected calibration error over ten bins of equal mass, in [0, 1]."""
    bins = bins_of(scores, right)
    return sum(bin.entities * abs(bin.score - bin.right) for bin in bins) / len(scores)


def brier(scores: Floats, right: Floats) -> float:
    """Mean squared difference of score and what is right, in [0, 1]."""
    return float(((scores - right) ** 2).mean())


def aurc(scores: Floats, right: Floats) -> float:
    """Mean share of wrong entities over all coverages, the surest first; equal scores share their places."""
    order = np.argsort(-scores, kind="stable")
    values = scores[order]
    wrong = 1 - right[order]
    _, place, count = np.unique(-values, return_inverse=True, return_counts=True)
    tied = np.bincount(place, weights=wrong) / count  # the mean of those with the same score
    return float((np.cumsum(tied[place]) / np.arange(1, len(values) + 1)).mean())


def _draws(groups: NDArray[np.int64], rng: np.random.Generator) -> list[NDArray[np.int64]]:
    """Rows of as many groups as there are, drawn with replacement, again and again."""
    order = np.argsort(groups, kind="stable")
    rows = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
    return [np.concatenate([rows[i] for i in rng.integers(0, len(rows), len(rows))]) for _ in range(_DRAWS)]
