"""Where to cut: least scores for the best F-beta, for a wanted precision, and for one that is promised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from cpner.calibration.logistic import Floats
from cpner.errors import ConfigError, StoreError, shorten

LEVELS = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99)  # precisions whose thresholds a card holds
_SHRINK = 30  # entities of a type that count as much as the whole domain
_DIGITS = 4


@dataclass(frozen=True)
class Thresholds:
    """Least scores that a domain's card holds; all lie in [0, 1].

    Attributes:
        best: for the best F1 of the domain.
        by_type: the same for each type, drawn to the domain's where it has few entities.
        precision: for each of `LEVELS`, as a text, the least score that promises it; it lacks what can't be promised.
    """

    best: float = 0.0
    by_type: Mapping[str, float] = field(default_factory=dict)
    precision: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """A table that a card can hold."""
        return {
            "best": round(self.best, _DIGITS),
            "by_type": {name: round(value, _DIGITS) for name, value in self.by_type.items()},
            "precision": {name: round(value, _DIGITS) for name, value in self.precision.items()},
        }

    @classmethod
    def from_json(cls, table: Any) -> Self:
        """The inverse of `to_json`.

        Raises:
            StoreError: it holds anything but scores.
        """
        inner = ("by_type", "precision")
        if not isinstance(table, Mapping) or not all(isinstance(table.get(name, {}), Mapping) for name in inner):
            raise StoreError(f"calibration has thresholds {shorten(repr(table))}; expected tables")
        by_type = table.get("by_type", {})
        precision = table.get("precision", {})
        for score in (table.get("best", 0.0), *by_type.values(), *precision.values()):
            if type(score) not in (int, float) or not 0 <= score <= 1:
                raise StoreError(f"calibration has the threshold {shorten(repr(score))}; expected a number from 0 to 1")
        if odd := set(precision) - {str(level) for level in LEVELS}:
            raise StoreError(f"calibration promises the precision {shorten(repr(min(odd)))}; expected one of {LEVELS}")
        return cls(float(table.get("best", 0.0)), dict(by_type), dict(precision))

    def promising(self, precision: float, entities: int) -> float:
        """The least score that promises a precision: that of the next level that was stored.

        Args:
            precision: wanted, above 0 and below 1.
            entities: that the promise would rest on, for the message.

        Raises:
            ConfigError: it can't be promised.
        """
        if not 0 < precision < 1:
            raise ConfigError(f"precision is {precision!r}; expected a number above 0 and below 1")
        for level in LEVELS:
            if level >= precision - 1e-9 and str(level) in self.precision:
                return self.precision[str(level)]
        possible = f"at most {max(self.precision, key=float)} can" if self.precision else "none can"
        raise ConfigError(
            f"precision {precision:g} can't be promised by {entities:,} held-out entities: {possible}; "
            "calibrate on more sentences"
        )


def best_threshold(scores: Floats, right: Floats, gold: int, beta: float = 1.0) -> float:
    """The least score that makes F-beta best on these predictions.

    Args:
        scores: [n] calibrated.
        right: [n] 1 where right, else 0.
        gold: labelled entities in the same sentences.
        beta: how much more recall counts than precision.
    """
    if not len(scores):
        return 0.0
    order = np.argsort(-scores, kind="stable")
    values = scores[order]
    hits = np.cumsum(right[order])
    taken = np.arange(1, len(values) + 1)
    f = (1 + beta**2) * hits / (taken + beta**2 * gold)
    last = np.append(values[1:] < values[:-1], True)  # all of the same score are taken or none
    best = int(np.argmax(np.where(last, f, -1.0)))
    below = values[best + 1] if best + 1 < len(values) else 0.0
    return float((values[best] + below) / 2)


def promised_threshold(scores: Floats, right: Floats, precision: float) -> float | None:
    """The least score above which precision is promised, by conformal risk control.

    The loss of an entity is 1 - precision if it is wrong and above the threshold, -precision's rest if it is right
    and above. A new entity may be the worst that can be: (wrong + 1) / (taken + 1) must not exceed 1 - precision.

    Args:
        scores: [n] of held-out entities, by a calibrator that has not seen them.
        right: [n] 1 where right, else 0.
        precision: to be promised, as a share.

    Returns:
        None if no threshold does.
    """
    order = np.argsort(-scores, kind="stable")
    values = scores[order]
    wrong = np.cumsum(1 - right[order])
    taken = np.arange(1, len(values) + 1)
    holds = (wrong + 1) / (taken + 1) <= 1 - precision + 1e-12
    last = np.append(values[1:] < values[:-1], True) if len(values) else np.zeros(0, dtype=bool)
    places = np.flatnonzero(holds & last)
    return float(values[places[-1]]) if len(places) else None


def choose(scores: Floats, right: Floats, types: Sequence[str], gold: Mapping[str, int]) -> Thresholds:
    """All thresholds of a domain.

    Args:
        scores: [n] of held-out entities, by a calibrator that has not seen them.
        right: [n] 1 where right, else 0.
        types: [n] of the entities.
        gold: how many labelled entities of each type the sentences have.
    """
    best = best_threshold(scores, right, sum(gold.values()))
    by_type: dict[str, float] = {}
    names = np.asarray(types)
    for name in dict.fromkeys(types):
        rows = names == name
        count = int(rows.sum())
        alone = best_threshold(scores[rows], right[rows], gold.get(name, 0))
        by_type[name] = (count * alone + _SHRINK * best) / (count + _SHRINK)
    promised = {str(level): promised_threshold(scores, right, level) for level in LEVELS}
    return Thresholds(best, by_type, {level: score for level, score in promised.items() if score is not None})


@dataclass(frozen=True)
class Cut:
    """Which entities a caller wants.

    Attributes:
        threshold: least calibrated score of an entity.
        by_type: least score of an entity of a type, where it differs.
        best: take the thresholds that the card holds for the best F1, where neither of the others says so.
        precision: the share of right entities that the domain is to promise; None for no promise.
    """

    threshold: float | None = None
    by_type: Mapping[str, float] = field(default_factory=dict)
    best: bool = False
    precision: float | None = None

    def __post_init__(self) -> None:
        for score in (self.threshold, *self.by_type.values()):
            if score is not None and not 0 <= score <= 1:
                raise ConfigError(f"threshold is {score!r}; expected a number from 0 to 1")
        if self.precision is not None and (self.best or self.threshold is not None):
            raise ConfigError("a precision and a threshold exclude each other: give one of them")

    def least(self, thresholds: Thresholds, entities: int) -> tuple[float, Mapping[str, float]]:
        """The least score of an entity, and of those types where it differs.

        Args:
            thresholds: of the domain.
            entities: that they were chosen on.

        Raises:
            ConfigError: the precision can't be promised, or no thresholds are stored.
        """
        if self.precision is not None:
            return thresholds.promising(self.precision, entities), self.by_type
        if self.best:
            if not entities:
                raise ConfigError("no threshold is stored: calibrate the domain on labelled sentences first")
            return thresholds.best, {**thresholds.by_type, **self.by_type}
        return self.threshold or 0.0, self.by_type
