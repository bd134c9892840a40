"""Sets of small numbers as integers: bit i is set where i belongs to the set."""

from __future__ import annotations

from collections.abc import Iterable


def set_of(numbers: Iterable[int]) -> int:
    """The set of these numbers."""
    bits = 0
    for number in numbers:
        bits |= 1 << number
    return bits


def least(bits: int) -> int:
    """The least number of a set that is not empty."""
    return (bits & -bits).bit_length() - 1
