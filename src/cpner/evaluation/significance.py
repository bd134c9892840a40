"""Is one model better than another, and how far do runs with other seeds scatter?"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from cpner.corpus.sentence import Prediction, Sentence, Span
from cpner.errors import ConfigError
from cpner.evaluation.scores import align, strict_counts

_TIE = 1e-9  # F1 points; differences that are equal but for rounding


class Comparison(NamedTuple):
    """F1 of a less F1 of b in points (-100 to 100), its 95 % confidence interval, and the p-value (two-sided)."""

    difference: float
    low: float
    high: float
    p_value: float


class MeanDeviation(NamedTuple):
    """The mean of some runs and their sample standard deviation; one run alone has none. Prints as `61.2 ± 0.4`."""

    mean: float
    deviation: float | None

    def __str__(self) -> str:
        return f"{self.mean:.1f}" if self.deviation is None else f"{self.mean:.1f} ± {self.deviation:.1f}"


def paired_bootstrap(
    gold: Sequence[Sentence],
    a: Sequence[Sequence[Span | Prediction]],
    b: Sequence[Sequence[Span | Prediction]],
    samples: int = 1000,
    seed: int = 0,
) -> Comparison:
    """Compare the strict micro F1 of two models on the same sentences, by drawing sentences with replacement.

    The interval holds the middle 95 % of the drawn differences. The p-value is the share of draws whose difference lies
    at least as far from the observed one as that lies from zero. It is never below 1 / (samples + 1).

    Args:
        gold: Labelled sentences.
        a: What one model recognised in each sentence, or its spans of words.
        b: What the other model recognised in each sentence, or its spans of words.
        samples: How many times to draw; at least 1.
        seed: Of the random draws; equal seeds give equal results, whatever the order of the sentences.

    Raises:
        ConfigError: `samples` is below 1, or there is no sentence.
        CorpusError: Lengths differ, or a span lies outside its sentence.
    """
    if samples < 1 or not gold:
        raise ConfigError(f"Got {samples} samples of {len(gold)} sentences; the bootstrap needs at least one of both.")
    counts = np.array(  # [sentences, 6] right, predicted, gold of a, then of b
        [strict_counts(x) + strict_counts(y) for x, y in zip(align(gold, a), align(gold, b), strict=True)]
    )
    # Sentences with equal counts are interchangeable: drawing how often each distinct row comes is the same draw.
    rows, frequency = np.unique(counts, axis=0, return_counts=True)
    drawn = np.random.default_rng(seed).multinomial(len(gold), frequency / len(gold), size=samples) @ rows
    difference = float(_f1_difference(counts.sum(axis=0)))
    differences = _f1_difference(drawn)
    low, high = np.percentile(differences, [2.5, 97.5])
    extreme = np.count_nonzero(np.abs(differences - difference) >= abs(difference) - _TIE)
    return Comparison(difference, float(low), float(high), (int(extreme) + 1) / (samples + 1))


def mean_and_deviation(values: Sequence[float]) -> MeanDeviation:
    """Return mean and sample standard deviation (n - 1), as for a table over seeds.

    Raises:
        ConfigError: There are no values.
    """
    if not values:
        raise ConfigError("There is no mean of 0 values. Give the figures of at least one run.")
    return MeanDeviation(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None)


def _f1_difference(counts: np.ndarray) -> np.ndarray:
    right_a, predicted_a, gold, right_b, predicted_b, _ = np.moveaxis(counts, -1, 0)
    f1_a = 200 * right_a / np.maximum(predicted_a + gold, 1)
    return np.asarray(f1_a - 200 * right_b / np.maximum(predicted_b + gold, 1))
