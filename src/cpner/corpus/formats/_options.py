"""How files are read, where their content leaves a choice."""

from __future__ import annotations

from dataclasses import dataclass

from cpner.errors import ConfigError

OVERLAPS = ("error", "longest", "first")


@dataclass(frozen=True)
class Options:
    """Choices of the user.

    Attributes:
        columns: Which columns of a table hold the words and the tags, by number from 1 or by name; None finds out.
        overlaps: What becomes of entities that overlap: "error" refuses them, "longest" keeps the longest,
            "first" the one that the file has first.
        tag_names: The names of tags that a file has as numbers.

    Raises:
        ConfigError: Another number of columns than two, or another word for `overlaps`.
    """

    columns: tuple[str, ...] | None = None
    overlaps: str = "error"
    tag_names: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.overlaps not in OVERLAPS:
            raise ConfigError(f"overlaps={self.overlaps!r}; expected one of {', '.join(OVERLAPS)}")
        if self.columns is not None and len(self.columns) != 2:
            raise ConfigError(f"columns={self.columns!r}; expected two: that of the words and that of the tags")
