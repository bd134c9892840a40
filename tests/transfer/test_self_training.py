"""Self-training: a domain's own answers teach the prefix that takes its place."""

from __future__ import annotations

import pytest

from cpner import Run
from cpner.backbone.prefix import common_start
from cpner.backbone.shape import ATTENTIONS, PrefixConfig
from cpner.corpus import Corpus, Sentence, Span, split_words
from cpner.corpus.sentence import Prediction
from cpner.errors import ConfigError, TrainingError, UnknownDomainError
from cpner.ner import CPNER
from cpner.training import TrainingConfig
from cpner.transfer import pseudo_label
from tests.support import SENTENCES, TYPES

PREFIX = PrefixConfig(3, ATTENTIONS, start_seed=1, start_scale=4.0)  # strong enough that random weights find something
QUICK = TrainingConfig(epochs=2, min_steps=0, lr=0.05, batch_sentences=2, seed=3)
TEXTS = ["Ada Lovelace left for Rome", "Joseph met Johnson in Baltimore.", "the Whigs", "New York replacing Joseph"]
LABELLED = Corpus("c", {"train": SENTENCES[:3], "dev": SENTENCES}, types=TYPES)


@pytest.fixture
def ner(tiny) -> CPNER:
    ner = CPNER(tiny)
    ner.add("d", common_start(tiny.t5.shape, PREFIX), TYPES, config=PREFIX)
    return ner


def test_sentences_with_an_unsure_entity_are_left_out():
    person, place = Span(0, 1, "person"), Span(2, 3, "location")
    found = [[Prediction(person, 0.9), Prediction(place, 0.5)], [Prediction(person, 0.49), Prediction(place, 1.0)], []]

    kept = pseudo_label(SENTENCES[:3], found, 0.5)

    assert [s.text for s in kept] == [SENTENCES[0].text, SENTENCES[2].text]
    assert [s.spans for s in kept] == [(person, place), ()]


def test_the_pupil_learns_what_the_teacher_found_and_the_labels(ner):
    sentences = [Sentence(text, split_words(text)) for text in TEXTS]
    answers = ner.recognise(sentences, "d")
    assert any(answers)
    taught = [s.with_spans(p.span for p in predictions) for s, predictions in zip(sentences, answers, strict=True)]
    both = Corpus("c", {"train": [*LABELLED.train, *taught], "dev": LABELLED.dev}, types=TYPES)
    seen = []

    result = ner.self_train("d", [*TEXTS, "\n"], LABELLED, QUICK, least_score=0, run=Run(progress=seen.append))

    ner.warm_up("expected", both, QUICK, prefix=PREFIX)
    for name, part in ner.prefix("expected").parts.items():
        assert part.equal(ner.prefix("d").parts[name])
    card = ner.card("d")
    assert (card.strategy, card.types, card.seed) == ("self-training", TYPES, 3)
    assert (card.metrics["pseudo_labelled"], card.metrics["dev_f1"]) == (len(TEXTS), result.best_f1)
    assert card.statistics == {**LABELLED.statistics(), "single_sentences": True}
    assert seen[-1].done == seen[-1].total


def test_one_prefix_takes_the_place_of_an_ensemble(ner):
    ner.transfer("d", [], LABELLED, QUICK, strategy="ensemble", members=2)
    assert ner.card("d").prefix["length"] == 6

    ner.self_train("d", TEXTS, LABELLED, QUICK)

    assert (ner.card("d").members, ner.card("d").prefix["length"]) == ([], 3)
    assert len(ner.predict(TEXTS, "d")) == len(TEXTS)


def test_no_labels_are_needed(ner):
    result = ner.self_train("d", (Sentence(text, split_words(text)) for text in TEXTS), config=QUICK, least_score=0)

    assert (ner.card("d").types, result.best_f1) == (TYPES, None)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        (("nowhere", TEXTS), UnknownDomainError, "nowhere"),
        (("d", []), TrainingError, "nothing to learn from: of 0 texts"),
        (("d", TEXTS, Corpus("c", {"train": [Sentence.from_words(["a"], [Span(0, 1, "song")])]})), ConfigError, "song"),
    ],
)
def test_what_can_not_be_learnt_is_refused_and_the_domain_stays(ner, arguments, error, match):
    before = ner.card("d")

    with pytest.raises(error, match=match):
        ner.self_train(*arguments, QUICK) if len(arguments) == 3 else ner.self_train(*arguments, config=QUICK)

    assert ner.card("d") == before


@pytest.mark.parametrize("least", [-0.1, 1.1, float("nan")])
def test_scores_lie_between_0_and_1(ner, least):
    with pytest.raises(ConfigError, match="least_score"):
        ner.self_train("d", TEXTS, LABELLED, QUICK, least_score=least)
