"""How the library reports what it is doing: it calls a function, it never prints."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Progress(NamedTuple):
    """A step of a longer task: `done` of `total` parts, and what to say about it."""

    done: int
    total: int
    message: str = ""


Report = Callable[[Progress], None]


def ignore(progress: Progress) -> None:
    """The `Report` that reports to nobody."""
