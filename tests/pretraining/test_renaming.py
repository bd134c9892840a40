"""Names of types: groups and synonyms."""

from __future__ import annotations

import numpy as np
import pytest

from cpner.pretraining.renaming import GROUP_OF, SYNONYMS, coarsen, plural, rename

FINE = ["actor", "athlete", "city", "gene"]
GROUPS = {"actor": "person", "athlete": "person", "city": "location"}


def test_coarsen_keeps_all_or_merges_all() -> None:
    rng = np.random.default_rng(0)

    assert coarsen(FINE, GROUPS, rng, merged=0.0, mixed=0.0) == {t: t for t in FINE}
    assert coarsen(FINE, GROUPS, rng, merged=1.0, mixed=0.0) == {t: GROUPS.get(t, t) for t in FINE}


def test_a_group_is_merged_as_a_whole_unless_mixed() -> None:
    rng = np.random.default_rng(0)
    drawn = [coarsen(FINE, GROUPS, rng, merged=0.5, mixed=0.0) for _ in range(200)]

    assert all((names["actor"] == "person") == (names["athlete"] == "person") for names in drawn)
    assert 70 < sum(names["actor"] == "person" for names in drawn) < 130
    assert any(names["actor"] == "person" and names["city"] == "city" for names in drawn)  # groups on their own


def test_mixed_merges_some_types_of_a_group() -> None:
    rng = np.random.default_rng(0)
    drawn = [coarsen(FINE, GROUPS, rng, merged=0.0, mixed=1.0) for _ in range(200)]

    assert any((names["actor"] == "person") != (names["athlete"] == "person") for names in drawn)


def test_renaming_never_makes_two_of_one() -> None:
    rng = np.random.default_rng(0)
    known = sorted({*SYNONYMS, *GROUP_OF, *(word for words in SYNONYMS.values() for word in words)})
    for _ in range(300):
        names = rng.choice(known, size=20, replace=False).tolist()
        renamed = rename(names, rng, 1.0)
        assert list(renamed) == names
        assert len(set(renamed.values())) == len(names)
        assert all(new == old or new in SYNONYMS[old] for old, new in renamed.items())


def test_a_rate_of_zero_renames_nothing() -> None:
    assert rename(list(SYNONYMS), np.random.default_rng(0), 0.0) == {name: name for name in SYNONYMS}


@pytest.mark.parametrize(
    ("name", "several"),
    [("city", "cities"), ("day", "days"), ("fictional character", "fictional characters"), ("church", "churches"),
     ("news", "news"), ("tax", "taxes"), ("GENE", "GENEs")],
)  # fmt: skip
def test_plurals(name: str, several: str) -> None:
    assert plural(name) == several


def test_plurals_never_make_two_of_one() -> None:
    names = ["city", "cities", "band", "bands", "gene"]
    for seed in range(100):
        renamed = rename(names, np.random.default_rng(seed), 0.0, 0.5)
        assert len(set(renamed.values())) == len(names)
    assert rename(["gene"], np.random.default_rng(0), 0.0, 1.0) == {"gene": "genes"}


def test_a_type_has_one_group_and_no_synonym_of_its_own_name() -> None:
    assert all(name not in words for name, words in SYNONYMS.items())
    assert all(word == word.lower() for words in SYNONYMS.values() for word in words)
