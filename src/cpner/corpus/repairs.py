"""What readers mended, left out or can't put right: how often, and where first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from cpner.errors import CorpusError


class Place(NamedTuple):
    """Where a record or a line stands, for errors."""

    path: Path
    line: int

    def error(self, message: str) -> CorpusError:
        return CorpusError(message, path=self.path, line=self.line)


class Repairs(Counter[str]):
    """Counts by what was done, in words.

    Attributes:
        places: Where something was done first, of what stands in a line of its own.
        notes: What was not mended, since no reader can, and only told.
        words: The words that a file of cpner's own gives for types of it.
    """

    def __init__(self, counts: Mapping[str, int] | None = None) -> None:
        super().__init__({what: times for what, times in (counts or {}).items() if times})
        self.places: dict[str, Place] = dict(getattr(counts, "places", {}))
        self.notes: set[str] = set(getattr(counts, "notes", ()))
        self.words: dict[str, str] = dict(getattr(counts, "words", {}))

    def mend(self, what: str, place: Place | None = None, times: int = 1) -> None:
        """Count what was mended or left out."""
        if times:
            self[what] += times
            if place is not None:
                self.places.setdefault(what, place)

    def note(self, what: str, place: Place | None = None, times: int = 1) -> None:
        """Count what stays as it is and should be known."""
        self.mend(what, place, times)
        self.notes.add(what)

    def lines(self) -> list[str]:
        """A line for each kind, for people."""
        return [self._line(what, times) for what, times in self.items() if times]

    def _line(self, what: str, times: int) -> str:
        place = self.places.get(what)
        where = f" (first: {place.path}, line {place.line})" if place else ""
        return f"{'Note' if what in self.notes else 'Mended'} {times:,} x: {what}{where}"
