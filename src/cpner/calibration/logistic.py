"""Logistic regression that begins at what is known already, and whose slopes are never negative."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_STEPS = 60  # of Newton's method at most; it takes less than ten where there is no bound to go along
_SMALL = 1e-9


def sigmoid(x: Floats) -> Floats:
    """Probabilities of logits, of any size."""
    half = 0.5 * x
    return np.asarray(0.5 * (1.0 + np.tanh(half)))


def loss(weights: Floats, x: Floats, y: Floats, share: Floats, prior: Floats, strength: Floats) -> float:
    """Negative log-likelihood in nats, with that of the prior."""
    z = x @ weights
    nats = share * (np.logaddexp(0.0, z) - y * z)
    return float(nats.sum() + 0.5 * (strength * (weights - prior) ** 2).sum())


def fit_logistic(x: Floats, y: Floats, prior: Floats, strength: Floats, share: Floats | None = None) -> Floats:
    """The likeliest weights of a logistic regression under a normal prior, by Newton's method along the bounds.

    Args:
        x: [n, k] features; the first is 1 in all rows, and its weight, the intercept, may be negative.
        y: [n] 1 where right, else 0.
        prior: [k] weights where nothing else is known.
        strength: [k] how sure that is: one over the variance of each weight. All above 0.
        share: [n] how much each row counts; None: 1.

    Returns:
        [k] weights; those of `prior` if there are no rows.
    """
    lowest = np.zeros(len(prior))
    lowest[0] = -np.inf
    share = np.ones(len(y)) if share is None else share
    weights = np.maximum(prior, lowest).astype(float)
    current = loss(weights, x, y, share, prior, strength)
    for _ in range(_STEPS):
        p = sigmoid(x @ weights)
        gradient = x.T @ (share * (p - y)) + strength * (weights - prior)
        hessian = (x * (share * p * (1 - p))[:, None]).T @ x + np.diag(strength)
        free = (weights > lowest) | (gradient < 0)
        if not free.any() or np.abs(gradient[free]).max() < _SMALL:
            break
        step = np.zeros_like(weights)
        step[free] = np.linalg.solve(hessian[np.ix_(free, free)], gradient[free])
        size = 1.0
        while size > _SMALL:
            moved = np.maximum(weights - size * step, lowest)
            after = loss(moved, x, y, share, prior, strength)
            if after < current:
                break
            size /= 2
        else:
            break
        gain = current - after
        weights = moved
        current = after
        if gain < _SMALL:
            break
    return weights
