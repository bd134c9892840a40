"""Whether a card's fields hold what a card may hold, however deep: a stranger may have written them. Needs no torch."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from cpner.errors import StoreError, shorten

DEPTH = 16  # tables and lists inside each other; a real card has 5
LARGEST = 2**63 - 1  # of a whole number
_LETTERLESS = ("Cc", "Cs")  # terminals obey the first; the second are halves of letters, which no file can hold
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # show text in another order than it has
_COUNTS = ("sentences", "entities")


def check_plain(name: str, value: Any, depth: int = 0) -> None:
    """Check that a value is a text, a number, true, false or none, or a table or list of such.

    Args:
        name: of the field, for the message.
        value: what it holds.
        depth: of tables and lists around it.

    Raises:
        StoreError: it holds something else, a text with control characters or halves of surrogate pairs, a number
            that is not finite or has more than 63 bits, or more than `DEPTH` levels.
    """
    if depth > DEPTH:
        raise StoreError(f"{name} has tables and lists nested more than {DEPTH} deep")
    if isinstance(value, str):
        check_text(name, value)
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise StoreError(f"{name} has the key {shorten(repr(key))}, which is no text")
            check_text(name, key)
            check_plain(name, inner, depth + 1)
    elif isinstance(value, list | tuple):
        for inner in value:
            check_plain(name, inner, depth + 1)
    elif not (value is None or isinstance(value, bool) or is_number(value)):
        raise StoreError(f"{name} holds {shorten(repr(value))}; expected texts, finite numbers, tables and lists")


def check_text(name: str, text: str) -> None:
    """Check that a text can be printed on any terminal and written to any file.

    Raises:
        StoreError: it has control characters, signs that turn the order of letters, or halves of surrogate pairs.
    """
    odd = next((sign for sign in text if sign in _TURNING or unicodedata.category(sign) in _LETTERLESS), None)
    if odd is not None:
        raise StoreError(f"{name} holds the character U+{ord(odd):04X}, which no text of a card may have")


def is_number(value: object) -> bool:
    """Whether a value is a finite number of a size that all programs can read."""
    if isinstance(value, bool):
        return False
    if isinstance(value, int):
        return abs(value) <= LARGEST
    return isinstance(value, float) and math.isfinite(value)


def check_texts(name: str, values: Iterable[object]) -> None:
    """Check that a field's values are texts.

    Raises:
        StoreError: one is none.
    """
    if odd := [value for value in values if not isinstance(value, str)]:
        raise StoreError(f"{name} holds {shorten(repr(odd[0]))}; expected texts")


def check_shapes(shapes: Mapping[str, Any]) -> None:
    """Check the shapes of a card's tensors: five whole numbers each.

    Raises:
        StoreError: one is none.
    """
    for kind, shape in shapes.items():
        right = isinstance(shape, list | tuple) and len(shape) == 5
        if not right or any(type(size) is not int or size < 1 for size in shape):
            raise StoreError(f"shapes of {kind} are {shorten(repr(shape))}; expected five whole numbers from 1")


def check_statistics(statistics: Mapping[str, Any]) -> None:
    """Check the counts by split of a corpus, where a card tells them.

    Raises:
        StoreError: a split is no table, or a count no whole number.
    """
    splits = statistics.get("splits", statistics)
    if not isinstance(splits, Mapping):
        raise StoreError(f"statistics has splits {shorten(repr(splits))}; expected a table")
    nested = splits.values() if "splits" in statistics else [splits.get("train", {})]
    for split in nested:
        if not isinstance(split, Mapping):
            raise StoreError(f"statistics has the split {shorten(repr(split))}; expected a table")
        if odd := [split[name] for name in _COUNTS if type(split.get(name, 0)) is not int]:
            raise StoreError(f"statistics counts {shorten(repr(odd[0]))} in a split; expected whole numbers")
