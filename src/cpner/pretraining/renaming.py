"""Names of entity types while pretraining: coarse groups and other words, so that a backbone reads options.

A corpus calls a type by one name; users call it as they like. So types are renamed by a synonym or put into the plural
now and then. Or they are merged into their coarse group, wholly or in part: all athletes and actors of a sentence
become "person".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

_NAMES = json.loads(Path(__file__).with_name("names.json").read_text("utf-8"))
# Coarse group of fine types; used where a file has no group of its own and lists the types of the group completely.
GROUPS: dict[str, list[str]] = _NAMES["groups"]
GROUP_OF = {fine: group for group, names in GROUPS.items() for fine in names}
SYNONYMS: dict[str, list[str]] = _NAMES["synonyms"]
_HISSING = re.compile(r"(s|x|z|ch|sh)$", re.IGNORECASE)
_CONSONANT_Y = re.compile(r"(?<=[^aeiou])y$", re.IGNORECASE)


def coarsen(
    fine: Iterable[str], groups: dict[str, str], rng: np.random.Generator, *, merged: float, mixed: float
) -> dict[str, str]:
    """Choose for each group whether its types stay fine, become the group, or some of both.

    Args:
        fine: a file's types.
        groups: the group of each type that has one.
        merged: probability that a group's types all take the group's name.
        mixed: probability that some do, so that "person" means any person that is none of the named kinds.

    Returns:
        What each type is called.
    """
    drawn: dict[str, float] = {}
    names = {}
    for type_ in fine:
        group = groups.get(type_)
        share = drawn.setdefault(group, rng.random()) if group else 1.0
        merge = share < merged or (share < merged + mixed and rng.random() < 0.6)
        names[type_] = group if group and merge else type_
    return names


def rename(names: Iterable[str], rng: np.random.Generator, rate: float, plurals: float = 0.0) -> dict[str, str]:
    """Call some types by a synonym, or put them into the plural; no two types ever get the same name.

    Args:
        names: the types.
        rng: draws.
        rate: probability of a synonym, where there is one.
        plurals: probability of the plural.
    """
    names = list(names)
    taken = set(names)
    result = {}
    for name in names:
        other = name
        if name in SYNONYMS and rng.random() < rate:
            other = SYNONYMS[name][rng.integers(len(SYNONYMS[name]))]
        if plurals and rng.random() < plurals:
            other = plural(other)
        result[name] = name if other in taken else other
        taken.add(other)
    return result


def plural(name: str) -> str:
    """The regular plural of a name; a name that ends in "s" stays as it is."""
    if name[-1:] in "sS":
        return name
    if _CONSONANT_Y.search(name):
        return _CONSONANT_Y.sub("ies", name)
    return name + ("es" if _HISSING.search(name) else "s")


def names_of(types: Iterable[str], groups: Iterable[str]) -> set[str]:
    """All that some types may be called, in lower case: themselves, their synonyms and their coarse groups."""
    types = list(types)
    synonyms = (other for type_ in types for other in SYNONYMS.get(type_, ()))
    return {name.lower() for name in (*types, *synonyms, *groups)}
