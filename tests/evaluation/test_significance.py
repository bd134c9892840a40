import random
import statistics

import numpy as np
import pytest

from cpner.corpus.sentence import Sentence, Span
from cpner.errors import ConfigError, CorpusError
from cpner.evaluation import evaluate, mean_and_deviation, paired_bootstrap

ENTITIES = tuple(Span(i, i + 1, "person") for i in range(4))
SENTENCE = Sentence.from_words(["w"] * 4, ENTITIES)


def model(sentences, recall, seed):
    """Predictions that find each entity with this probability and never anything else."""
    draw = random.Random(seed)
    return [[span for span in ENTITIES if draw.random() < recall] for _ in range(sentences)]


def test_difference_is_that_of_the_scores():
    gold, a, b = [SENTENCE] * 50, model(50, 0.8, 1), model(50, 0.6, 2)

    difference = evaluate(gold, a).f1 - evaluate(gold, b).f1
    assert paired_bootstrap(gold, a, b).difference == pytest.approx(difference)


def test_better_model_is_found():
    result = paired_bootstrap([SENTENCE] * 200, model(200, 0.8, 1), model(200, 0.5, 2))

    assert result.p_value == 1 / 1001
    assert 0 < result.low < result.difference < result.high


def test_exchanged_models_change_only_the_sign():
    gold, a, b = [SENTENCE] * 60, model(60, 0.7, 1), model(60, 0.6, 2)
    there, back = paired_bootstrap(gold, a, b, samples=20_000), paired_bootstrap(gold, b, a, samples=20_000)

    assert back.difference == pytest.approx(-there.difference)
    assert (back.low, back.high) == pytest.approx((-there.high, -there.low), abs=0.3)
    assert back.p_value == pytest.approx(there.p_value, abs=0.02)


def test_equal_models_do_not_differ():
    a = model(50, 0.7, 1)

    assert paired_bootstrap([SENTENCE] * 50, a, a) == (0, 0, 0, 1)


def test_order_of_sentences_does_not_matter():
    gold, a, b = [SENTENCE] * 60, model(60, 0.7, 1), model(60, 0.6, 2)

    assert paired_bootstrap(gold, a, b, seed=3) == paired_bootstrap(gold, a[::-1], b[::-1], seed=3)
    assert paired_bootstrap(gold, a, b, seed=3) != paired_bootstrap(gold, a, b, seed=4)


def test_interval_equals_a_plain_bootstrap():
    gold, a, b = [SENTENCE] * 40, model(40, 0.7, 1), model(40, 0.6, 2)
    chosen = np.random.default_rng(1).integers(40, size=(20_000, 40))  # each draw sentence by sentence
    found_a, found_b = (np.array([len(spans) for spans in model])[chosen].sum(axis=1) for model in (a, b))
    differences = 200 * found_a / (found_a + 160) - 200 * found_b / (found_b + 160)

    result = paired_bootstrap(gold, a, b, samples=20_000)
    assert [result.low, result.high] == pytest.approx(np.percentile(differences, [2.5, 97.5]), abs=0.3)


def test_false_alarms_are_as_rare_as_promised():
    gold = [SENTENCE] * 80
    results = [paired_bootstrap(gold, model(80, 0.7, i), model(80, 0.7, 10_000 + i)) for i in range(300)]

    assert 0.02 <= statistics.fmean(result.p_value <= 0.05 for result in results) <= 0.09
    assert 0.91 <= statistics.fmean(result.low <= 0 <= result.high for result in results) <= 0.98


def test_bootstrap_refuses_nothing():
    with pytest.raises(ConfigError, match="0 samples of 1 sentences"):
        paired_bootstrap([SENTENCE], [[]], [[]], samples=0)
    with pytest.raises(ConfigError, match="1000 samples of 0 sentences"):
        paired_bootstrap([], [], [])
    with pytest.raises(CorpusError, match="1 sentences are labelled and 0"):
        paired_bootstrap([SENTENCE], [[]], [])


def test_mean_and_sample_deviation():
    assert mean_and_deviation([60.0, 62.0, 64.0]) == (62.0, 2.0)
    assert str(mean_and_deviation([60.0, 62.0, 64.0])) == "62.0 ± 2.0"


def test_one_run_has_no_deviation():
    assert mean_and_deviation([61.25]) == (61.25, None)
    assert str(mean_and_deviation([61.25])) == "61.2"


def test_mean_of_nothing_is_refused():
    with pytest.raises(ConfigError, match="no mean of 0 values"):
        mean_and_deviation([])
