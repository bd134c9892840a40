"""Isotonic regression: the rising steps that are nearest to what was seen, by pooling adjacent violators."""

from __future__ import annotations

import numpy as np

from cpner.calibration.logistic import Floats


def fit_isotonic(scores: Floats, right: Floats, most: int = 32) -> list[tuple[float, float]]:
    """Fit a rising function of scores to what is right.

    Args:
        scores: [n] in [0, 1], n from 1.
        right: [n] 1 where right, else 0.
        most: knots that the function may have.

    Returns:
        Knots (score, probability), both rising; between them the function is linear. A block's probability is drawn
        by one observation towards a half, so that no score is quite certain.
    """
    order = np.argsort(scores, kind="stable")
    blocks: list[tuple[float, float, float]] = []  # weight, sum of right, sum of scores
    for score, one in zip(scores[order].tolist(), right[order].tolist(), strict=True):
        block = (1.0, one, score)
        while blocks and blocks[-1][1] * block[0] >= block[1] * blocks[-1][0]:
            before = blocks.pop()
            block = (before[0] + block[0], before[1] + block[1], before[2] + block[2])
        blocks.append(block)
    while len(blocks) > most:
        smallest = min(range(len(blocks) - 1), key=lambda i: blocks[i][0] + blocks[i + 1][0])
        first, second = blocks[smallest : smallest + 2]
        blocks[smallest : smallest + 2] = [(first[0] + second[0], first[1] + second[1], first[2] + second[2])]
    knots = [(total / weight, (hits + 0.5) / (weight + 1)) for weight, hits, total in blocks]
    rising = np.maximum.accumulate([probability for _, probability in knots])
    return [(score, float(probability)) for (score, _), probability in zip(knots, rising, strict=True)]


def interpolate(knots: list[tuple[float, float]], scores: Floats) -> Floats:
    """The function of these knots at some scores."""
    return np.asarray(np.interp(scores, [score for score, _ in knots], [probability for _, probability in knots]))
