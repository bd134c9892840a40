"""Laws of the strategies: where each begins, what it keeps, and that nothing else is touched."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cpner.backbone.load import digest
from cpner.backbone.prefix import Prefix, apart, common_start, fingerprint, mix
from cpner.backbone.shape import ATTENTIONS, PrefixConfig
from cpner.backbone.start import quiet_start
from cpner.corpus import Corpus
from cpner.errors import ConfigError, PrefixMismatchError
from cpner.ner import CPNER
from cpner.store import Store
from cpner.training import TrainingConfig
from cpner.transfer import STRATEGIES, Mixing, combine
from tests.support import QUICK, SENTENCES, SMALL, copy_of, corpus

STILL = TrainingConfig(epochs=1, min_steps=0, lr=1e-30)  # trains nothing: shows where training begins
TEXTS = ["Johnson joined the Whigs in Baltimore.", "Ada Lovelace left for Rome", "Joseph met Joseph"]
SOURCES = ["first", "second", "third"]
HALF = Mixing(share=0.5)


def prefix(ner: CPNER, name: str) -> Prefix:
    return ner.prefix(name)


def close(first: Prefix, second: Prefix, atol: float = 4e-3) -> None:
    for name, part in first.parts.items():
        torch.testing.assert_close(part.float(), second.parts[name].float(), atol=atol, rtol=1e-2)  # bfloat16 is kept


@pytest.fixture(scope="module")
def warmed_up(tiny) -> CPNER:
    """Three sources that differ, a target warmed up, and one domain that has nothing to do with them."""
    ner = CPNER(tiny)
    types = [["song"], ["person", "location"], ["party"]]
    for i, name in enumerate(SOURCES):
        start = common_start(tiny.t5.shape, PrefixConfig(3, ATTENTIONS, start_seed=i, start_scale=2.0))
        ner.add(name, start, types[i], config=SMALL)
    ner.add(
        "bystander", common_start(tiny.t5.shape, PrefixConfig(5, ATTENTIONS, start_seed=9, start_scale=3.0)), ["band"]
    )
    ner.warm_up("target", corpus(), QUICK, prefix=SMALL)
    return ner


@pytest.fixture
def ner(warmed_up: CPNER) -> CPNER:
    """A copy to play with."""
    return copy_of(warmed_up)


def transfer(ner: CPNER, strategy: str, config: TrainingConfig = QUICK, mixing: Mixing = HALF, **settings):
    sources = [] if strategy == "none" else SOURCES
    return ner.transfer(
        "target",
        sources,
        corpus(),
        config,
        strategy=strategy,
        mixing=mixing,
        corpora={n: corpus(first=1) for n in SOURCES},
        **settings,
    )


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_no_strategy_changes_an_output_of_another_domain(ner, strategy, tmp_path: Path):
    """No forgetting: to the bit, scores included, in memory and in the store."""
    ner.save(tmp_path)
    others = [*SOURCES, "bystander"]
    before = {name: ner.predict(TEXTS, name) for name in others}
    files = {name: (tmp_path / name / "prefix.safetensors").read_bytes() for name in others}
    weights = digest(ner.backbone.t5)

    transfer(ner, strategy)
    ner.save(tmp_path)

    assert {name: ner.predict(TEXTS, name) for name in others} == before
    assert {name: (tmp_path / name / "prefix.safetensors").read_bytes() for name in others} == files
    assert digest(ner.backbone.t5) == weights
    names = ["target", "bystander", "first", "second", "target", "third"]
    mixed = ner.predict(TEXTS * 2, names)
    for i, name in enumerate(names):
        if name in before:  # other rows of a batch change the rounding of scores alone
            assert [entity[:4] for entity in mixed[i]] == [entity[:4] for entity in before[name][i % 3]]
    assert {name: CPNER(ner.backbone, tmp_path).predict(TEXTS, name) for name in others} == before


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_result_is_a_domain_that_needs_no_source(ner, tiny, strategy, tmp_path: Path):
    result = transfer(ner, strategy)

    card = ner.card("target")
    assert card.strategy == strategy
    assert set(card.sources) <= set(SOURCES) and (not card.sources) == (strategy == "none")
    assert fingerprint(result.prefix.to(torch.bfloat16)) == fingerprint(prefix(ner, "target"))
    answer = ner.predict(TEXTS, "target")
    ner.save(tmp_path, domains=["target"])
    assert CPNER(tiny, tmp_path).predict(TEXTS, "target") == answer


def test_none_goes_on_from_the_target(ner):
    warm = prefix(ner, "target")
    transfer(ner, "none", STILL)

    close(prefix(ner, "target"), warm)


def test_what_goes_on_from_a_warm_up_keeps_more_of_it(ner):
    few = corpus().with_splits(dev=[])
    ner.warm_up("direct", few, QUICK, prefix=PrefixConfig(3))
    warm = prefix(ner, "direct")

    whole, less = (
        copy_of(ner).transfer("direct", [], few, replace(QUICK, prior_sentences=count), strategy="none").prefix
        for count in (0.0, 5.0)
    )

    kept = len(few.train) / (len(few.train) + 3 * 5)
    close(less, mix([warm, whole], [1 - kept, kept]), atol=1e-4)


def test_single_takes_the_source_with_most_weight(ner):
    weights = ner.select("target", SOURCES).weights
    best = SOURCES[weights.index(max(weights))]
    expected = combine(prefix(ner, "target"), [prefix(ner, best)], [1.0])

    transfer(ner, "single", STILL)

    assert ner.card("target").sources == {best: 1.0}
    close(prefix(ner, "target"), expected)


def test_uniform_weighs_all_sources_alike(ner):
    expected = combine(prefix(ner, "target"), [prefix(ner, name) for name in SOURCES], [1 / 3] * 3)

    transfer(ner, "uniform", STILL, mixing=Mixing(temperature=0.01, share=0.5))

    assert ner.card("target").sources == pytest.approx(dict.fromkeys(SOURCES, 1 / 3))
    close(prefix(ner, "target"), expected)


def test_a_chain_begins_at_the_first_source_and_carries_one_prefix_on(ner):
    first = prefix(ner, "first")
    still = ner.transfer("new", SOURCES, corpus(), STILL, strategy="chain", corpora={n: corpus() for n in SOURCES})
    close(still.prefix, first)

    link = ner.transfer("link", ["first"], corpus(first=2), QUICK, strategy="chain")
    parts = ner.transfer("new", ["link"], corpus(), QUICK, strategy="chain")
    whole = ner.transfer(
        "new", ["first", "second"], corpus(), QUICK, strategy="chain", corpora={"second": corpus(first=2)}
    )

    assert fingerprint(link.prefix) != fingerprint(first)
    close(whole.prefix, parts.prefix, atol=0.03)  # training spreads what bfloat16 rounded between the links


def test_zero_label_weighs_by_type_names_and_takes_no_sentence(ner):
    types = ["person", "song"]
    mixing = Mixing(temperature=0.05, share=1.0)
    result = ner.transfer("new", SOURCES, Corpus("new", {}, types=types), strategy="zero-label", mixing=mixing)

    card = ner.card("new")
    assert (result.steps, card.types, card.statistics) == (0, types, {"splits": {}, "single_sentences": False})
    ner.add("likeness", prefix(ner, "first"), types, config=SMALL)
    weights = ner.select("likeness", SOURCES, mixing=replace(mixing, alpha=1.0)).weights
    assert list(card.sources.values()) == pytest.approx(list(weights))
    close(prefix(ner, "new"), mix([prefix(ner, name) for name in SOURCES], weights))


@pytest.mark.parametrize("vote_on", ["probabilities", "predictions"])
def test_an_ensemble_holds_a_collaboration_with_each_source(ner, vote_on):
    warm = copy_of(ner)
    transfer(ner, "ensemble", vote=vote_on)

    card, members = ner.card("target"), apart(prefix(ner, "target"), 3)
    assert (card.members, card.vote, card.prefix["length"]) == (SOURCES, vote_on, 9)
    for name, member in zip(SOURCES, members, strict=True):
        alone = copy_of(warm).transfer("target", [name], corpus(), QUICK, mixing=HALF)
        close(member, alone.prefix)


def test_an_ensemble_without_sources_holds_a_training_for_each_seed(ner):
    warm = copy_of(ner)
    ner.transfer("target", [], corpus(), replace(QUICK, seed=2), strategy="ensemble", members=3)

    card, members = ner.card("target"), apart(prefix(ner, "target"), 3)
    assert (card.members, card.sources, card.seed) == (["seed 6", "seed 7", "seed 8"], {}, 2)
    assert len({fingerprint(member) for member in members}) == 3
    for seed, member in zip((6, 7, 8), members, strict=True):
        alone = copy_of(warm).transfer("target", [], corpus(), replace(QUICK, seed=seed), strategy="none")
        close(member, alone.prefix)


def test_an_ensemble_can_not_be_a_source_of_single_prefixes(ner):
    transfer(ner, "ensemble")

    for use in (
        lambda: ner.select("first", ["target"]),
        lambda: ner.transfer("target", [], corpus(), QUICK, strategy="ensemble", members=2),
        lambda: ner.transfer("target", [], corpus(), QUICK, strategy="none"),
        lambda: ner.transfer("new", ["target"], corpus(), QUICK, strategy="chain"),
        lambda: ner.transfer("new", ["target"], corpus(), strategy="zero-label"),
    ):
        with pytest.raises(PrefixMismatchError, match="is an ensemble of 3 prefixes"):
            use()


@pytest.mark.parametrize("strategy", ["single", "ensemble", "collaborate"])
def test_settings_of_sources_serve_every_strategy(ner, strategy):
    transfer(ner, strategy, mixing=Mixing(dict(zip(SOURCES, (0.1, 0.5, 0.9), strict=True)), top_k=2, share=0.5))

    used = {"single": 1, "ensemble": 3, "collaborate": 2}[strategy]
    assert sum(weight > 0 for weight in ner.card("target").sources.values()) == used


@pytest.mark.parametrize("strategy", ["none", "collaborate", "zero-label", "chain"])
def test_a_start_that_knows_no_options_is_asked_without_them(ner, strategy):
    for name in ("target", *SOURCES):
        card = ner.card(name)
        ner.add(name, ner.prefix(name), card.types, config=card.config, options=False)

    transfer(ner, strategy)

    assert not ner.card("target").options


def test_zero_label_takes_a_weighting(ner, tmp_path: Path):
    transfer(ner, "zero-label", mixing=Mixing(weighting="uniform"))
    ner.save(tmp_path, reparameterisation=True)

    assert list(ner.card("target").sources.values()) == pytest.approx([1 / 3] * 3)
    assert Store(tmp_path).load("target", reparameterisation=True).reparameterisation is None


def test_zero_label_is_a_quarter_of_the_way_from_no_training_to_the_sources(ner, tiny):
    result = ner.transfer("new", ["first"], Corpus("new", {}, types=["song"]), strategy="zero-label")

    close(result.prefix, mix([quiet_start(tiny, SMALL), prefix(ner, "first")], [0.75, 0.25]))
    assert ner.card("new").metrics["source_share"] == 0.25


def test_an_ensemble_by_probabilities_does_not_generate_freely(ner):
    transfer(ner, "ensemble")
    with pytest.raises(ConfigError, match="can't generate without the grammar"):
        ner.recognise(SENTENCES, "target", free=True)


def test_sums_and_equal_weights_are_choices_of_the_selector(ner):
    summed = ner.select("target", SOURCES[:2], mixing=Mixing(weighting="sum"))
    equal = ner.select("target", SOURCES, mixing=Mixing(weighting="uniform", top_k=2))

    assert min(summed.total) > 0
    assert summed.weights == pytest.approx([t / sum(summed.total) for t in summed.total])
    assert sum(summed.weights) == pytest.approx(1)
    assert sorted(equal.weights) == [0, 0.5, 0.5]


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"strategy": "colaborate"}, "Did you mean 'collaborate'"),
        ({"strategy": "none"}, "none has no source"),
        ({"sources": []}, "none has no source"),
        ({"strategy": "chain"}, "trains on the sentences of 'second' too"),
        ({"strategy": "ensemble", "sources": [], "members": 1}, "ensemble of 1 members"),
        ({"strategy": "ensemble", "vote": "hands"}, "no vote on 'hands'"),
        ({"sources": ["target"]}, "list of other domains"),
    ],
)
def test_what_makes_no_sense_is_refused(ner, settings, match):
    settings = {"sources": SOURCES, **settings}
    with pytest.raises(ConfigError, match=match):
        ner.transfer("target", settings.pop("sources"), corpus(), QUICK, **settings)
