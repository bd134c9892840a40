from __future__ import annotations

from dataclasses import replace

import pytest

from cpner import CPNER, Corpus
from cpner.backbone.prefix import together
from cpner.calibrating import with_calibrator
from cpner.calibration.fit import plain
from cpner.store import StoredDomain
from tests.support import SENTENCES, TYPES, make_card, random_prefix


@pytest.mark.parametrize("members", [1, 2])
def test_a_domain_gets_a_calibrator_and_stays_what_it_is(tiny, members):
    prefixes = [random_prefix(tiny.t5.shape, 3, seed=seed) for seed in range(members)]
    names = [f"seed {i}" for i in range(members)] if members > 1 else []
    card = make_card(types=TYPES, members=names, prefix={**make_card().prefix, "length": 3 * members})
    domain = StoredDomain(card, prefixes[0] if members == 1 else together(prefixes))

    made = with_calibrator(tiny, domain, SENTENCES, plain())

    assert made.prefix is domain.prefix
    assert replace(made.card, calibration={}, metrics=card.metrics) == card
    assert made.card.calibrator is not None and made.card.calibrator.sentences == len(SENTENCES)


def test_without_sentences_an_old_calibrator_is_none_any_more(tiny):
    card = make_card(calibration=plain().to_json())
    domain = StoredDomain(card, random_prefix(tiny.t5.shape, 4))

    assert with_calibrator(tiny, domain, [], plain()).card.calibration == {}


def test_a_card_has_the_f1_by_type_that_evaluation_gives(tiny):
    ner = CPNER(tiny)
    ner.add("music", random_prefix(tiny.t5.shape, 3), TYPES)
    held_out = ner.calibrate("music", SENTENCES).metrics["held_out"]
    result = ner.evaluate(Corpus.from_sentences(test=SENTENCES), "music")

    assert held_out["sentences"] == len(SENTENCES)
    assert held_out["f1"] == round(result.f1, 2)
    assert held_out["f1_by_type"] == {name: round(one.f1, 2) for name, one in result.per_type.items() if one.support}
    assert len(held_out["f1_by_type"]) > 1
