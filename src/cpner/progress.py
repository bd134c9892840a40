"""How the library reports what it is doing: it calls a function, it never prints."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import NamedTuple, TypeVar

_SECONDS = 0.1  # between two reports of `counted`
_Item = TypeVar("_Item")


class Progress(NamedTuple):
    """A step of a longer task: `done` of `total` parts, and what to say about it. A total of 0 is not known."""

    done: int
    total: int
    message: str = ""


Report = Callable[[Progress], None]


def ignore(progress: Progress) -> None:
    """The `Report` that reports to nobody."""


def within(progress: Report, before: int, size: int, total: int) -> Report:
    """What reports of a part as of the whole: `size` of its `total`, with `before` done already."""

    def report(part: Progress) -> None:
        if part.total:
            progress(Progress(before + size * part.done // part.total, total, part.message))
        else:
            progress(part)

    return report


def counted(
    items: Iterable[_Item], progress: Report, task: str, unit: str, *, size: Callable[[_Item], int] | None = None
) -> Iterator[_Item]:
    """The items as they are; while they are taken, how many were is reported ten times a second, and at the end.

    Args:
        items: what is worked through; where they have a length, it is the total.
        progress: called with "TASK: 1,200 of 14,041 UNIT".
        task: what is done, in a few words.
        unit: what is counted, in the plural.
        size: how many of them an item is; None counts each as one.
    """
    total = len(items) if isinstance(items, Sized) and size is None else 0
    of_total = f" of {total:,}" if total else ""
    done = 0
    reported_at = time.monotonic()
    for item in items:
        if time.monotonic() - reported_at >= _SECONDS:
            progress(Progress(done, total, f"{task}: {done:,}{of_total} {unit}"))
            reported_at = time.monotonic()
        yield item
        done += 1 if size is None else size(item)
    progress(Progress(done, total, f"{task}: {done:,}{of_total} {unit}"))
