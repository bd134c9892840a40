"""The baselines learn, leave the given backbone alone, and train what they say they train."""

from __future__ import annotations

import warnings
from dataclasses import replace

import pytest
import torch

from cpner.backbone.load import digest
from cpner.backbone.prefix import common_start, fingerprint
from cpner.backbone.shape import PrefixConfig
from cpner.backbone.start import fresh
from cpner.corpus import Corpus
from cpner.errors import ConfigError
from cpner.evaluation import evaluate
from cpner.experiments.paper.baselines import METHODS, BaselineConfig, tune
from cpner.progress import Progress
from cpner.training import TrainingConfig, train_prefix
from tests.support import SENTENCES, TYPES

CORPUS = Corpus("c", {"train": SENTENCES, "dev": SENTENCES}, types=TYPES)
QUICK = TrainingConfig(epochs=2, min_steps=0, batch_sentences=2)
STILL = BaselineConfig(*[1e-30] * 5)


@pytest.fixture(autouse=True)
def quiet():
    """PEFT imports what warns of its own age."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize(
    "method", [name if name in ("prefix", "lora") else pytest.param(name, marks=pytest.mark.slow) for name in METHODS]
)
def test_a_method_changes_what_it_finds_and_not_the_backbone(tiny, method):
    pytest.importorskip("peft")
    before, threads = digest(tiny.t5), torch.get_num_threads()
    seen = []

    tuned = tune(tiny, method, CORPUS, TrainingConfig(epochs=30, min_steps=0, batch_sentences=2), progress=seen.append)

    assert digest(tiny.t5) == before and torch.get_num_threads() == threads
    assert loss_told(seen[-1]) < loss_told(seen[0])
    found = tuned.recognise(SENTENCES)
    assert evaluate(SENTENCES, found, TYPES).f1 == tuned.best_f1
    assert not any(p.requires_grad for p in tuned.backbone.t5.parameters())
    assert (tuned.backbone.fingerprint == tiny.fingerprint) == (method in ("prefix", "peft-prefix"))


def test_each_method_counts_what_it_trains(tiny):
    pytest.importorskip("peft")
    shape, settings = tiny.t5.shape, BaselineConfig(rank=2, positions=5, prompt=7)
    tuned = {method: tune(tiny, method, CORPUS, QUICK, settings) for method in METHODS}
    weights = sum(p.numel() for p in tiny.t5.parameters())
    inner = shape.heads * shape.d_kv
    prefix = sum(part.numel() for part in common_start(shape, PrefixConfig()).parts.values())

    assert tuned["full"].parameters == weights and tuned["full"].size_bytes == 2 * weights
    assert tuned["prompt"].parameters == 7 * shape.d_model
    assert tuned["peft-prefix"].parameters == 5 * 2 * shape.decoder_layers * inner
    own = 2 * (shape.d_model + 3 * inner) + 2 * (inner + shape.d_model)  # rank 2, on qkv and o
    cross = 2 * (shape.d_model + inner) + 2 * (shape.d_model + 2 * inner) + 2 * (inner + shape.d_model)
    assert (
        tuned["lora"].parameters == (shape.encoder_layers + shape.decoder_layers) * own + shape.decoder_layers * cross
    )
    assert tuned["prefix"].size_bytes == 2 * prefix
    assert tuned["prefix-embedding"].size_bytes == 2 * (prefix + shape.vocab_size * shape.d_model)


@pytest.mark.parametrize("dev", [[], SENTENCES])
def test_a_share_of_what_training_changed_is_taken_back(tiny, dev):
    """With one look at the dev split, at the end."""
    corpus = Corpus("c", {"train": SENTENCES, "dev": dev}, types=TYPES)
    config = TrainingConfig(epochs=1, min_steps=0, batch_sentences=8, lr_ramp_steps=0)

    whole, less = (
        tune(tiny, "full", corpus, replace(config, prior_sentences=prior_sentences)).backbone.t5.embedding.weight
        for prior_sentences in (0.0, 4.0)
    )

    changed = whole - tiny.t5.embedding.weight
    assert changed.any()
    kept = 1 - TrainingConfig(prior_sentences=4.0).shrink_share_of(len(SENTENCES))
    torch.testing.assert_close(less - tiny.t5.embedding.weight, kept * changed, atol=1e-6, rtol=1e-3)


def test_lora_begins_at_the_backbone_and_merges_into_it(tiny):
    pytest.importorskip("peft")
    tuned = tune(tiny, "lora", CORPUS, QUICK, STILL)

    assert tuned.backbone.t5.state_dict().keys() == tiny.t5.state_dict().keys()
    assert tuned.backbone.fingerprint == tiny.fingerprint


def test_a_prompt_stands_before_the_source(tiny):
    tuned = tune(tiny, "prompt", CORPUS, QUICK, STILL)
    source = tuned.prompt.source(SENTENCES[0])

    assert source.ids[:20] == list(range(1024, 1044))
    assert source.ids[source.sentence_start : -1] == source.pieces
    assert tuned.backbone.t5.embedding.weight.shape[0] == 1044


def test_a_prefix_may_begin_at_an_average_of_sources(tiny):
    start = common_start(tiny.t5.shape, PrefixConfig(start_seed=3, start_scale=1.0))
    tuned = tune(tiny, "prefix", CORPUS, TrainingConfig(epochs=1, min_steps=0, lr=1e-30), start=start)

    for name, part in start.parts.items():
        torch.testing.assert_close(tuned.prefix.parts[name], part.to(torch.bfloat16))


def test_a_prefix_among_baselines_is_that_of_a_warm_up(tiny):
    """Dropout, shrinkage, looks at the dev split and its thinning: nothing differs but what is trained."""
    config = TrainingConfig(epochs=3, min_steps=0, batch_sentences=2, eval_every=2, eval_limit=3, dropout=0.3)
    warm = train_prefix(tiny, fresh(tiny), SENTENCES, SENTENCES, TYPES, config)

    tuned = tune(tiny, "prefix", CORPUS, config)

    assert tuned.best_f1 == warm.best_f1
    assert fingerprint(tuned.prefix) == fingerprint(warm.prefix.to(torch.bfloat16))


def test_an_unknown_method_is_refused(tiny):
    with pytest.raises(ConfigError, match="Did you mean 'lora'"):
        tune(tiny, "loar", CORPUS)


def loss_told(progress: Progress) -> float:
    """The loss in a message such as "epoch 1 of 2, loss 3.210, best dev F1 4.0"."""
    return float(progress.message.partition("loss ")[2].partition(",")[0])
