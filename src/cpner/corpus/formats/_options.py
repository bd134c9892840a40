"""How files are read, where their content leaves a choice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from cpner.errors import ConfigError
from cpner.progress import Report, counted, ignore

OVERLAPS = ("error", "longest", "first")
_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Options:
    """Choices of the user, and to whom the reading is reported.

    Attributes:
        columns: Which columns of a table hold the words and the tags, by number from 1 or by name; None finds out.
        overlaps: What becomes of entities that overlap: "error" refuses them, "longest" keeps the longest,
            "first" the one that the file has first.
        tag_names: The names of tags that a file has as numbers.
        progress: Called now and then with how much of a file is read, and at the end of each pass through it.

    Raises:
        ConfigError: Another number of columns than two, or another word for `overlaps`.
    """

    columns: tuple[str, ...] | None = None
    overlaps: str = "error"
    tag_names: tuple[str, ...] | None = None
    progress: Report = ignore

    def __post_init__(self) -> None:
        if self.overlaps not in OVERLAPS:
            raise ConfigError(f"overlaps={self.overlaps!r}; expected one of {', '.join(OVERLAPS)}")
        if self.columns is not None and len(self.columns) != 2:
            raise ConfigError(f"columns={self.columns!r}; expected two: that of the words and that of the tags")

    def counted(self, items: Iterable[_Item], path: Path, unit: str) -> Iterator[_Item]:
        """What a file at this path has, as it is; how much of it is taken is reported, see `progress.counted`."""
        return counted(items, self.progress, f"reading {path.name}", unit)
