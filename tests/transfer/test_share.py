"""Laws of the share of sources: those that make the target's sentences likelier join in, others change nothing."""

from __future__ import annotations

import pytest

from cpner.backbone.load import Backbone
from cpner.backbone.prefix import Prefix, fingerprint, mix
from cpner.backbone.shape import PrefixConfig
from cpner.backbone.start import quiet_start
from cpner.ner import CPNER
from cpner.training import TrainingConfig
from cpner.transfer import Mixing
from cpner.transfer.share import choose_share
from tests.support import QUICK, corpus

SHORT = PrefixConfig(length=3)
LEARNS = TrainingConfig(epochs=30, min_steps=0, lr=0.2, prior_sentences=0.0)


@pytest.fixture(scope="module")
def good(tiny: Backbone) -> Prefix:
    """A source that has learnt these very sentences."""
    return CPNER(tiny).warm_up("good", corpus(), LEARNS, prefix=SHORT).prefix


@pytest.fixture(scope="module")
def bad(tiny: Backbone, good: Prefix) -> Prefix:
    """A source that lies as far on the other side of the start."""
    return mix([quiet_start(tiny, SHORT), good], [2.0, -1.0])


def share(tiny: Backbone, source: Prefix, sentences: int = 5) -> float:
    few = corpus().with_splits(train=corpus().train[:sentences])
    return choose_share(tiny, quiet_start(tiny, SHORT), [source], [1.0], few, QUICK)


def test_a_source_that_makes_the_sentences_likelier_has_the_papers_share(tiny, good):
    assert share(tiny, good) == 0.5


def test_a_source_that_makes_them_less_likely_has_none(tiny, bad):
    assert share(tiny, bad) == 0.0


def test_one_sentence_decides_nothing(tiny, good):
    assert share(tiny, good, sentences=1) == 0.0


def test_a_source_that_changes_nothing_has_none(tiny):
    assert share(tiny, quiet_start(tiny, SHORT)) == 0.0


@pytest.fixture
def ner(tiny: Backbone, good: Prefix, bad: Prefix) -> CPNER:
    ner = CPNER(tiny)
    for name, prefix in {"good": good, "bad": bad}.items():
        ner.add(name, prefix, ["person"], config=SHORT)
    return ner


def test_a_source_without_a_share_leaves_the_warm_up_as_it_was(ner):
    alone = ner.warm_up("alone", corpus(), QUICK, prefix=SHORT)
    with pytest.warns(UserWarning, match="with bad the sentences of 'new' are no likelier than without"):
        fitted = ner.fit("new", corpus(), ["bad"], QUICK)
    ner.warm_up("again", corpus(), QUICK, prefix=SHORT)
    with pytest.warns(UserWarning, match="it stays as it is, unless"):
        result = ner.transfer("again", ["bad"], corpus(), QUICK)

    assert fingerprint(fitted.prefix) == fingerprint(alone.prefix)
    assert fingerprint(ner.prefix("new")) == fingerprint(ner.prefix("again")) == fingerprint(ner.prefix("alone"))
    assert (ner.card("new").strategy, ner.card("new").sources) == ("warm-up", {})
    assert (result.steps, ner.card("again").sources, ner.card("again").metrics["source_share"]) == (
        0,
        {"bad": 1.0},
        0.0,
    )


def test_a_share_is_noted_and_a_given_one_is_taken(ner):
    ner.fit("new", corpus(), ["good"], QUICK)
    assert ner.card("new").metrics["source_share"] == 0.5
    assert ner.card("new").sources == {"good": 1.0}

    ner.fit("new", corpus(), ["bad"], QUICK, mixing=Mixing(share=0.3))
    assert ner.card("new").metrics["source_share"] == 0.3


def test_members_of_an_ensemble_have_the_papers_share(ner):
    ner.warm_up("new", corpus(), QUICK, prefix=SHORT)
    ner.transfer("new", ["good", "bad"], corpus(), QUICK, strategy="ensemble")

    assert ner.card("new").metrics["source_share"] == 0.5
    assert set(ner.card("new").sources.values()) == {0.5}
