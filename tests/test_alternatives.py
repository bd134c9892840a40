"""Other readings of a text, other types of its entities, and entities that overlap."""

from __future__ import annotations

import itertools

import pytest

from cpner.backbone.prefix import common_start
from cpner.backbone.shape import ATTENTIONS, PrefixConfig
from cpner.errors import ConfigError
from cpner.ner import CPNER

TEXTS = ["Johnson joined the Whigs in Baltimore.", "Ada Lovelace left  for\nRome", ""]


@pytest.fixture(scope="module")
def ner(tiny) -> CPNER:
    ner = CPNER(tiny)
    config = PrefixConfig(5, ATTENTIONS, start_scale=3.0)
    ner.add("d", common_start(tiny.t5.shape, config), ["song", "band", "city"], config=config)
    return ner


@pytest.mark.parametrize("calibrated", [True, False])
def test_readings_differ_and_are_ever_less_likely(ner, calibrated):
    found = ner.readings(TEXTS, "d", best=3, calibrated=calibrated)

    assert [len(readings) for readings in found] == [3, 3, 1]
    for text, readings in zip(TEXTS, found, strict=True):
        probabilities = [reading.probability for reading in readings]
        assert probabilities == sorted(probabilities, reverse=True) and 0 < sum(probabilities) <= 1
        assert all(text[one.start : one.end] == one.text for reading in readings for one in reading.entities)
        assert all(a.entities != b.entities for a, b in itertools.combinations(readings, 2))


def test_the_types_of_a_set_are_the_fewest_that_reach_so_far(ner):
    sets = ner.type_sets(TEXTS, "d", reach=0.6)
    certain = ner.type_sets(TEXTS, "d", reach=0.999999)

    assert [[one.entity for one in row] for row in sets] == ner.predict(TEXTS, "d")
    assert any(row for row in sets)
    for one in itertools.chain(*sets):
        shares = list(one.shares.values())
        assert sum(shares) >= 0.6 > sum(shares[:-1]) and shares == sorted(shares, reverse=True)
    assert all(len(one.shares) == 3 for one in itertools.chain(*certain))


def test_passes_have_what_each_part_of_the_types_finds(ner):
    rows = ner.overlapping(TEXTS, "d", passes=2)
    parts = [ner.predict(TEXTS, "d", types=types) for types in (["song", "city"], ["band"])]

    assert [sorted(row) for row in rows] == [sorted([*a, *b]) for a, b in zip(*parts, strict=True)]
    assert any(rows) and all(row == sorted(row, key=lambda one: (one.start, -one.end)) for row in rows)
    alone = ner.overlapping(TEXTS, "d", passes=9)
    assert sum(map(len, alone)) == sum(
        len(ner.predict(text, "d", types=[t])) for text in TEXTS for t in ("song", "band", "city")
    )


def test_both_work_zero_shot(ner):
    assert all(ner.readings(TEXTS[:1], types=["song", "city"]))
    assert {name for one in ner.type_sets(TEXTS[:1], types=["song", "city"])[0] for name in one.shares} <= {
        "song",
        "city",
    }


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda ner: ner.readings("Ada left.", "d"), "expected a list of texts"),
        (lambda ner: ner.overlapping("Ada left.", "d"), "expected a list of texts"),
        (lambda ner: ner.overlapping(TEXTS), "neither a domain nor types"),
        (lambda ner: ner.readings(TEXTS, "d", best=0), "best"),
        (lambda ner: ner.type_sets(TEXTS, "d", reach=1.0), "reach is 1.0"),
        (lambda ner: ner.type_sets(TEXTS), "neither a domain nor types"),
        (lambda ner: ner.readings(TEXTS, ["d"]), "1 domains for 3 texts"),
    ],
)
def test_mistakes_are_told(ner, ask, message):
    with pytest.raises(ConfigError, match=message):
        ask(ner)
