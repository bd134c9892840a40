"""CPNER: training, transfer and prediction as a user sees them."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import pytest

import cpner
from cpner import Mixing, Run
from cpner.backbone.load import digest
from cpner.backbone.prefix import common_start, fingerprint, start_fingerprint
from cpner.backbone.shape import ATTENTIONS, PrefixConfig, config_dict
from cpner.corpus import Corpus, Sentence
from cpner.errors import ConfigError, CorpusError, PrefixMismatchError, StoreError, TrainingError, UnknownDomainError
from cpner.ner import CPNER
from cpner.training import TrainingConfig
from tests.support import QUICK, SENTENCES, SMALL, TYPES, copy_of, corpus, long_sentence, make_backbone

HALF = Mixing(share=0.5)
TEXTS = ["Johnson joined the Whigs in Baltimore.", "Ada Lovelace left  for\nRome", "", "Joseph met Joseph", " \n\t"]


def warmed_up(tiny) -> CPNER:
    """Two domains of three positions, with what they were trained by."""
    ner = CPNER(tiny)
    ner.warm_up("news", corpus(), QUICK, prefix=SMALL)
    ner.warm_up("music", corpus(first=2), QUICK, prefix=SMALL)
    return ner


@pytest.fixture(scope="module")
def trained(tiny) -> CPNER:
    """Three domains in memory: two of three positions, one of five. Shared: tests must not change it."""
    ner = warmed_up(tiny)
    ner.add("longer", common_start(tiny.t5.shape, PrefixConfig(5, ATTENTIONS, start_scale=3.0)), ["song", "band"])
    return ner


@pytest.fixture
def ner(trained: CPNER) -> CPNER:
    """A copy to play with."""
    return copy_of(trained)


def test_the_public_names_lead_here():
    assert cpner.CPNER is CPNER


def test_entities_have_offsets_of_characters_and_scores(trained):
    found = trained.predict(TEXTS * 3, "longer")

    assert any(found)
    for text, entities in zip(TEXTS * 3, found, strict=True):
        for entity in entities:
            assert text[entity.start : entity.end] == entity.text
            assert entity.type in ("song", "band") and 0 <= entity.score <= 1
        assert all(a.end <= b.start for a, b in itertools.pairwise(entities))
    assert found[2] == found[4] == []
    for first, second in zip(found[:5], found[5:10], strict=True):  # other rows of a batch change rounding alone
        assert [e[:4] for e in first] == [e[:4] for e in second]
        assert [e.score for e in first] == pytest.approx([e.score for e in second], abs=1e-4)


def test_one_text_gives_one_list(trained):
    assert trained.predict(TEXTS[0], "longer") == trained.predict([TEXTS[0]], "longer")[0]
    assert trained.predict("", "longer") == []
    assert trained.predict([], "longer") == []


def test_long_texts_have_global_offsets(trained):
    text = "\n".join(long_sentence(40).text.split(". "))

    entities = trained.predict(text, "longer")

    assert all(text[e.start : e.end] == e.text for e in entities)


def test_a_call_may_mix_domains_and_none(trained):
    domains = ["news", "longer", None, "music", "longer"]

    mixed = trained.predict(TEXTS, domains, types=["person"])

    for text, domain, entities in zip(TEXTS, domains, mixed, strict=True):
        alone = trained.predict(text, domain, types=["person"])
        assert [e[:4] for e in entities] == [e[:4] for e in alone]
        assert [e.score for e in entities] == pytest.approx([e.score for e in alone], abs=1e-5)


def test_types_alone_ask_the_backbone_zero_shot(trained, tiny):
    found = trained.predict(TEXTS, types=["person", "song"])

    assert {e.type for entities in found for e in entities} <= {"person", "song"}
    assert found == CPNER(tiny).predict(TEXTS, None, types=["person", "song"])


def test_adding_a_domain_changes_no_output_of_another(ner, tiny, tmp_path: Path):
    ner.save(tmp_path)
    fresh = CPNER(tiny, tmp_path)
    before = {name: ner.predict(TEXTS * 3, name) for name in ner.domains}

    ner.add("other", common_start(tiny.t5.shape, PrefixConfig(9, ATTENTIONS, start_scale=5.0)), ["person"])
    ner.add("partial", common_start(tiny.t5.shape, PrefixConfig(2, ("encoder",))), ["person"])
    ner.warm_up("third", corpus(), QUICK, prefix=PrefixConfig(7, ATTENTIONS, "mlp", hidden=8))
    ner.predict(TEXTS, ["other", "partial", "third", "news", "music"])
    ner.save(tmp_path)

    assert {name: ner.predict(TEXTS * 3, name) for name in before} == before  # to the bit, scores included
    assert {name: fresh.predict(TEXTS * 3, name) for name in before} == before
    assert {name: CPNER(tiny, tmp_path).predict(TEXTS * 3, name) for name in before} == before


def test_a_stored_domain_predicts_what_it_did_in_memory(ner, tiny_folder: Path, tmp_path: Path):
    ner.save(tmp_path / "store", domains=["news", "longer"])
    again = CPNER.load(str(tiny_folder), store=tmp_path / "store", device="cpu", precision="float32")

    assert again.domains == ["longer", "news"]
    assert again.card("news").types == TYPES
    for name in again.domains:
        assert again.predict(TEXTS, name) == ner.predict(TEXTS, name)


def test_saving_stores_what_is_new_and_only_that(ner, tiny, tmp_path: Path):
    ner.save(tmp_path)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("domain.json")}
    other = CPNER(tiny, tmp_path)
    other.predict(TEXTS, "news")
    other.add("new", common_start(tiny.t5.shape, SMALL), ["person"])

    other.save()

    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert CPNER(tiny, tmp_path).domains == ["longer", "music", "new", "news"]


def test_reload_sees_what_others_have_stored(ner, tiny, tmp_path: Path):
    ner.save(tmp_path)
    reader = CPNER(tiny, tmp_path)
    before = reader.predict(TEXTS, "news")
    ner.add("news", common_start(tiny.t5.shape, SMALL), ["song"])
    ner.save(tmp_path)

    assert reader.card("news").types == TYPES
    assert reader.predict(TEXTS, "news") == before
    reader.reload()
    assert reader.card("news").types == ["song"]
    assert reader.predict(TEXTS, "news") == ner.predict(TEXTS, "news")


def test_warm_up_leaves_a_card_and_the_backbone_as_it_was(tiny, trained):
    card = trained.card("news")

    assert (card.types, card.strategy, card.sources, card.seed) == (TYPES, "warm-up", {}, 0)
    assert card.backbone_fingerprint == tiny.fingerprint == digest(tiny.t5)
    assert card.statistics["splits"]["train"]["sentences"] == 5
    assert card.start_fingerprint == start_fingerprint(tiny.t5.shape, SMALL)
    assert 0 <= card.metrics["dev_f1"] <= 100 and card.metrics["epochs"] == 2
    assert card.versions["cpner"] == cpner.__version__


def test_dev_f1_of_training_is_what_evaluation_gives(tiny):
    ner = CPNER(tiny)
    result = ner.warm_up("a", corpus(), TrainingConfig(epochs=6, min_steps=0, lr=0.3, eval_every=2), prefix=SMALL)

    assert result.best_f1 == ner.evaluate(corpus(), "a", "dev").f1


def test_evaluation_covers_zero_shot_and_free_generation(trained):
    for domain in ("news", None):
        for free in (False, True):
            evaluation = trained.evaluate(corpus(), domain, free=free)
            assert 0 <= evaluation.f1 <= 100 and evaluation.support == 9
    assert list(trained.evaluate(corpus(), "news").per_type) == TYPES


def test_selection_weighs_stored_and_unstored_domains(ner, tiny, tmp_path: Path):
    ner.save(tmp_path, domains=["music"])
    other = CPNER(tiny, tmp_path)
    other.add("news", ner.prefix("news"), TYPES, config=SMALL)

    selection = other.select("news", ["music"])

    assert (selection.target, selection.sources, selection.weights) == ("news", ("music",), (1.0,))
    assert selection.entity_similarity == pytest.approx([1.0])  # both have the same types


@pytest.mark.parametrize("space", ["prefix", "parameters"])
def test_collaboration_replaces_the_target_and_needs_no_source_afterwards(tiny, tmp_path: Path, space):
    ner = warmed_up(tiny)
    ner.add("third", common_start(tiny.t5.shape, SMALL), ["song"])
    sources = ["music", "third"] if space == "prefix" else ["music"]
    before = fingerprint(ner.prefix("news"))
    ner.predict(TEXTS, "news")

    ner.transfer("news", sources, corpus(), QUICK, mixing=Mixing(space=space, share=0.5))

    card = ner.card("news")
    assert card.strategy == "collaborate" and list(card.sources) == sources
    assert sum(card.sources.values()) == pytest.approx(1)
    assert fingerprint(ner.prefix("news")) != before
    answer = ner.predict(TEXTS, "news")
    ner.save(tmp_path, domains=["news"])
    assert CPNER(tiny, tmp_path).predict(TEXTS, "news") == answer


def test_parameters_survive_the_store_where_asked_for(tiny, tmp_path: Path):
    ner = warmed_up(tiny)
    mixing = Mixing(space="parameters", share=0.5)
    ner.save(tmp_path / "with", domains=["news", "music"], reparameterisation=True)
    ner.save(tmp_path / "without", domains=["news", "music"])

    kept = CPNER(tiny, tmp_path / "with").transfer("news", ["music"], corpus(), QUICK, mixing=mixing)
    assert fingerprint(kept.prefix) == fingerprint(
        ner.transfer("news", ["music"], corpus(), QUICK, mixing=mixing).prefix
    )
    with pytest.raises(PrefixMismatchError, match="without its reparameterisation"):
        CPNER(tiny, tmp_path / "without").transfer("news", ["music"], corpus(), QUICK, mixing=mixing)


def test_fit_is_warm_up_selection_and_collaboration(trained, tiny, tmp_path: Path):
    whole, parts = copy_of(trained), copy_of(trained)

    fitted = whole.fit("new", corpus(first=1), ["news", "music"], QUICK, prefix=SMALL, mixing=HALF, run=Run(tmp_path))
    parts.warm_up("new", corpus(first=1), QUICK, prefix=SMALL)
    apart = parts.transfer("new", ["news", "music"], corpus(first=1), QUICK, mixing=HALF)

    assert fingerprint(fitted.prefix) == fingerprint(apart.prefix)
    assert whole.card("new").sources == parts.card("new").sources
    assert {path.name for path in tmp_path.iterdir()} == {"warm-up", "collaborate"}
    again = whole.fit(
        "new", corpus(first=1), ["news", "music"], QUICK, prefix=SMALL, mixing=HALF, run=Run(tmp_path, resume=True)
    )
    assert fingerprint(again.prefix) == fingerprint(fitted.prefix)


def test_fit_takes_the_shape_of_the_first_source_that_is_named(ner):
    ner.fit("new", corpus(), ["news", "music"], QUICK, mixing=HALF)
    ner.fit("alone", corpus(), (), QUICK)

    assert ner.card("new").prefix == config_dict(SMALL)
    assert ner.card("alone").prefix == config_dict(PrefixConfig())


@pytest.mark.parametrize("sources", [["new", "news"], ["news", "news"]])
def test_fit_refuses_sources_that_make_no_sense_before_it_asks_for_their_shape(ner, sources):
    with pytest.raises(ConfigError, match="must be a list of other domains, each named once"):
        ner.fit("new", corpus(), sources, QUICK)


def test_fit_with_auto_takes_all_others_that_fit(ner):
    ner.fit("new", corpus(), "auto", QUICK, prefix=SMALL, mixing=HALF)

    assert list(ner.card("new").sources) == ["music", "news"]  # "longer" has five positions


def test_fit_with_auto_tells_of_domains_that_all_have_another_shape(ner):
    with pytest.warns(UserWarning, match="3 stored domains can't be a source.*'longer'"):
        ner.fit("new", corpus(), "auto", QUICK)


def test_auto_names_the_sources_of_a_selection_and_of_every_strategy(ner):
    assert ner.select("news", "auto").sources == ("music",)  # "longer" has five positions

    ner.transfer("news", "auto", corpus(), QUICK, mixing=HALF)

    assert list(ner.card("news").sources) == ["music"]


def test_fit_without_sources_is_a_warm_up(tiny):
    ner = CPNER(tiny)

    ner.fit("new", corpus(), "auto", QUICK, prefix=SMALL)

    assert (ner.card("new").strategy, ner.card("new").sources) == ("warm-up", {})


def test_a_run_goes_on_where_it_was_stopped(tiny, tmp_path: Path):
    class Stop(Exception):
        pass

    def stop(progress) -> None:
        if progress.done == 4:
            raise Stop

    config = TrainingConfig(epochs=3, min_steps=0, lr=0.05, batch_sentences=2, save_seconds=0)
    whole = CPNER(tiny).warm_up("a", corpus(), config, prefix=SMALL)
    with pytest.raises(Stop):
        CPNER(tiny).warm_up("a", corpus(), config, prefix=SMALL, run=Run(tmp_path, progress=stop))

    resumed = CPNER(tiny).warm_up("a", corpus(), config, prefix=SMALL, run=Run(tmp_path, resume=True))

    assert fingerprint(resumed.prefix) == fingerprint(whole.prefix)


def test_an_unknown_domain_is_named_with_the_one_meant(trained, tiny, tmp_path: Path):
    with pytest.raises(
        UnknownDomainError, match=r"no domain 'musik'; known are: longer, music, news\. Did you mean 'music'\?"
    ):
        trained.predict("x", "musik")
    with pytest.raises(UnknownDomainError, match=r"no domain 'a' in .*nowhere; known are: none\."):
        CPNER(tiny, tmp_path / "nowhere").predict("x", "a")
    for call in (
        lambda: trained.select("news", ["musik"]),
        lambda: trained.transfer("musik", ["news"], corpus()),
        lambda: trained.fit("new", corpus(), ["musik"]),
        lambda: trained.card("musik"),
        lambda: trained.predict(TEXTS, ["news", "musik", "news", "news", "news"]),
    ):
        with pytest.raises(UnknownDomainError, match="Did you mean 'music'"):
            call()


def test_domains_of_another_backbone_are_refused(ner, tmp_path: Path):
    from cpner.backbone.load import load

    ner.save(tmp_path / "store", domains=["news"])
    other = CPNER(
        load(str(make_backbone(tmp_path / "other", seed=1)), device="cpu", precision="float32"), tmp_path / "store"
    )

    with pytest.raises(PrefixMismatchError, match="domain 'news' was made for the backbone"):
        other.predict("x", "news")
    with pytest.warns(UserWarning, match="1 stored domain can't be a source"):
        other.fit("new", corpus(), "auto", QUICK, prefix=SMALL)  # leaves out what does not fit
    assert other.card("new").sources == {}


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda ner: ner.predict("x"), ConfigError, "neither a domain nor types"),
        (lambda ner: ner.predict(["x", "y"], ["news"]), ConfigError, "1 domains for 2 texts"),
        (lambda ner: ner.predict("x", ["news"]), ConfigError, "takes a text and a domain"),
        (lambda ner: ner.predict([1], "news"), ConfigError, "takes a text and a domain"),
        (lambda ner: ner.predict("x", "news", batch_size=0), ConfigError, "batch_size is 0; expected"),
        (lambda ner: ner.predict("x", "news", batch_size=1.5), ConfigError, "batch_size is 1.5; expected a whole"),
        (lambda ner: ner.predict("x", "news", beams=2.5), ConfigError, "beams is 2.5; expected a whole number"),
        (lambda ner: ner.predict("x", "news", beams=10**23), ConfigError, "expected a whole number from 1 to 1,000"),
        (lambda ner: ner.predict(None, "news"), ConfigError, "a text or a list of texts; got None"),
        (lambda ner: ner.predict([None], "news"), ConfigError, "a text and a domain, or lists of them; got None"),
        (lambda ner: ner.predict("x", "news", types=[1]), ConfigError, r"types \[1\] must be a list"),
        (lambda ner: ner.predict("x", "news", types=5), ConfigError, "types 5 must be a list"),
        (lambda ner: ner.predict("x", "news", beams=0), ConfigError, "beams is 0; expected"),
        (lambda ner: ner.recognise([Sentence("", [])], "news", beams=2, free=True), ConfigError, "free=True"),
        (lambda ner: ner.predict("x", types=[]), ConfigError, "at least one type"),
        (lambda ner: ner.predict("x", types=["a:b"]), CorpusError, "can't name a type"),
        (lambda ner: ner.select("news", ["news"]), ConfigError, "list of other domains"),
        (lambda ner: ner.select("news", ["music", "music"]), ConfigError, "each named once"),
        (lambda ner: ner.select("news", "music"), ConfigError, "must be a list"),
        (lambda ner: ner.select("news", []), ConfigError, "among 0 sources"),
        (lambda ner: ner.select("longer", "auto"), ConfigError, "2 stored domains can't be a source.*'music'"),
        (lambda ner: CPNER(ner.backbone).transfer("a", "auto", corpus()), ConfigError, "'a' is alone"),
        (lambda ner: ner.transfer("news", "auto", corpus(), strategy="none"), ConfigError, "none has no source"),
        (lambda ner: ner.transfer("news", "auto", corpus(), strategy="chain"), ConfigError, "name them in order"),
        (lambda ner: ner.select("news", ["longer"]), PrefixMismatchError, "has shapes"),
        (lambda ner: ner.fit("new", corpus(), ["longer"], prefix=SMALL), PrefixMismatchError, "prefix settings give"),
        (lambda ner: ner.warm_up("a/b", corpus()), StoreError, "can't name a domain"),
        (lambda ner: ner.warm_up("a", Corpus("c", {}, types=TYPES)), TrainingError, "'c' has no sentence to train on"),
        (lambda ner: ner.fit("a", corpus(), "news"), ConfigError, "must be a list of other domains"),
        (lambda ner: ner.self_train("news", "a text"), ConfigError, "must be a list of texts"),
        (lambda ner: ner.predict("a \ud800", "news"), CorpusError, "half of a surrogate pair"),
        (lambda ner: ner.evaluate(Corpus("c", {"dev": SENTENCES}), "news"), CorpusError, "no split 'test'; it has dev"),
        (lambda ner: ner.save(), ConfigError, "name a folder"),
        (lambda ner: ner.add("a", common_start(ner.backbone.t5.shape, SMALL), []), ConfigError, "at least one type"),
    ],
)
def test_mistakes_are_told(trained, call, error, match):
    with pytest.raises(error, match=match):
        call(trained)


def test_a_prefix_of_another_backbone_can_not_be_added(trained, tmp_path: Path):
    wrong = common_start(trained.backbone.t5.shape, SMALL)

    with pytest.raises(PrefixMismatchError, match="the prefix of 'a' has shapes"):
        trained.add("a", wrong._replace(encoder=wrong.encoder[:1]), TYPES)


def test_a_store_that_is_gone_leaves_domains_in_memory(ner, tmp_path: Path):
    before = ner.predict(TEXTS, "longer")
    ner.save(tmp_path / "store")
    shutil.rmtree(tmp_path / "store")

    assert ner.domains == ["longer", "music", "news"]
    assert ner.predict(TEXTS, "longer") == before


@pytest.mark.parametrize(
    "words",
    [["(", ")", ":", ",", "\u200b", "▁", "</s>", "👩‍👧", "é"], ["Ada", "x" * 50_000, "met", "Rome", "."]],
    ids=["signs", "a word beyond the window"],
)
def test_entities_stand_inside_a_sentence_of_odd_words(trained, words):
    [entities] = trained.recognise([Sentence.from_words(words)], "longer")

    assert all(0 <= e.span.start < e.span.end <= len(words) and e.span.type in ("song", "band") for e in entities)
    assert all(first.span.end <= second.span.start for first, second in itertools.pairwise(entities))
