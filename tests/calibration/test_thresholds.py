from __future__ import annotations

import numpy as np
import pytest

from cpner.calibration.thresholds import Cut, Thresholds, best_threshold, choose, promised_threshold
from cpner.errors import ConfigError


def draw(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores that are the chances of being right."""
    rng = np.random.default_rng(seed)
    scores = rng.beta(2, 1, rows)
    return scores, (rng.random(rows) < scores).astype(float)


def test_the_best_threshold_is_best():
    scores, right = draw(300, 0)
    gold = 250

    def f1(threshold: float) -> float:
        stay = scores >= threshold
        return 2 * right[stay].sum() / (stay.sum() + gold)

    best = best_threshold(scores, right, gold)
    assert f1(best) == pytest.approx(max(f1(threshold) for threshold in (0.0, *scores)))
    assert best_threshold(scores, right, gold, beta=3.0) <= best < best_threshold(scores, right, gold, beta=0.3)
    assert best_threshold(np.zeros(0), np.zeros(0), 5) == 0.0


@pytest.mark.parametrize("precision", [0.8, 0.9])
def test_the_promise_is_kept_on_average(precision):
    shares = []
    for seed in range(200):
        threshold = promised_threshold(*draw(200, seed), precision)
        scores, right = draw(2000, 1000 + seed)
        if threshold is not None:
            shares.append(right[scores >= threshold].mean())

    assert len(shares) > 190
    assert np.mean(shares) >= precision - 0.005


def test_few_entities_promise_little():
    assert promised_threshold(np.linspace(0, 1, 8), np.ones(8), 0.9) is None
    assert promised_threshold(np.linspace(0, 1, 9), np.ones(9), 0.9) == 0.0
    assert promised_threshold(np.full(40, 0.5), np.array([1.0, 0.0] * 20), 0.9) is None


def test_a_type_with_few_entities_has_nearly_the_threshold_of_all():
    scores, right = draw(400, 1)
    types = ["rare" if i < 3 else "frequent" for i in range(400)]
    thresholds = choose(scores, right, types, {"rare": 3, "frequent": 300})

    assert abs(thresholds.by_type["rare"] - thresholds.best) < 0.1
    assert set(thresholds.precision) >= {"0.5", "0.8"}
    assert list(thresholds.precision.values()) == sorted(thresholds.precision.values())


def test_a_promise_is_that_of_the_next_level():
    thresholds = Thresholds(precision={"0.8": 0.6, "0.9": 0.8})

    assert thresholds.promising(0.8, 100) == thresholds.promising(0.79, 100) == 0.6
    assert thresholds.promising(0.81, 100) == 0.8
    with pytest.raises(ConfigError, match=r"0\.95 can't be promised by 100 held-out entities: at most 0\.9 can"):
        thresholds.promising(0.95, 100)
    with pytest.raises(ConfigError, match="none can"):
        Thresholds().promising(0.5, 0)


def test_a_cut_says_what_stays():
    stored = Thresholds(0.3, {"person": 0.4}, {"0.9": 0.7})

    assert Cut().least(stored, 10) == (0.0, {})
    assert Cut(0.5, {"city": 0.2}).least(stored, 10) == (0.5, {"city": 0.2})
    assert Cut(best=True, by_type={"city": 0.2}).least(stored, 10) == (0.3, {"person": 0.4, "city": 0.2})
    assert Cut(precision=0.85).least(stored, 10) == (0.7, {})
    with pytest.raises(ConfigError, match="no threshold is stored"):
        Cut(best=True).least(Thresholds(), 0)
    with pytest.raises(ConfigError, match="exclude each other"):
        Cut(0.5, precision=0.9)
    with pytest.raises(ConfigError, match="0 to 1"):
        Cut(1.5)
