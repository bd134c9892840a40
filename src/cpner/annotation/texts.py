"""Texts as users have them, each with the record that it came in. A bad one need not lose the rest."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from cpner.errors import ConfigError, CorpusError, CpnerError
from cpner.show.entities import READINGS

TEXT = "text"  # the key of texts, if no other is named
_ADDED = ("domain", "entities")
_SHOWN = 20  # records left out that are told one by one


@dataclass(frozen=True)
class Keys:
    """Where in a record the text stands, and where its entities go.

    Attributes:
        text: The key of the text; of a table the name of its column.
        into: The key that gets the entities; None adds the keys domain and entities.
        readings: Whether the key readings is added too.

    Raises:
        ConfigError: The entities would take the place of the text.
    """

    text: str = TEXT
    into: str | None = None
    readings: bool = False

    def __post_init__(self) -> None:
        if self.text in self.added:
            raise ConfigError(
                f"the entities can't go to {self.text!r}, where the text stands: name another key (--into)"
            )

    @property
    def added(self) -> tuple[str, ...]:
        """The keys that a record gets."""
        entities = _ADDED if self.into is None else (self.into,)
        return (*entities, READINGS) if self.readings else entities

    def clash(self, names: Iterable[str]) -> str | None:
        """What is wrong with a record that has these keys already; None if nothing is."""
        taken = [name for name in names if name in self.added]
        if not taken:
            return None
        keys = " and ".join(map(repr, taken))
        way_out = "leave out --best" if READINGS in taken else "name a new key for the entities with --into KEY"
        return f"has {keys} already, which the result would replace: {way_out}"

    def fault(self, columns: Sequence[str]) -> str | None:
        """What is wrong with a table that has these columns; None if nothing is."""
        if self.text not in columns:
            return self.missing(columns)
        twice = next((name for name in columns if columns.count(name) > 1), None)
        return f"column {twice!r} is there twice" if twice is not None else self.clash(columns)

    def missing(self, names: Iterable[str]) -> str:
        """What is wrong with a record without the text."""
        known = [name for name in names if isinstance(name, str)]
        listed = ", ".join(map(repr, known[:8])) + (", ..." if len(known) > 8 else "")
        return f"no text under {self.text!r}" + (f"; it has {listed}: name the text's with --text" if known else "")


class Text(NamedTuple):
    """A text, and the record that it came in (empty for a line)."""

    text: str
    record: Any


class Texts(ABC):
    """The texts of a file or a stream, read once.

    Attributes:
        count: Lines, rows or tasks that were read.
        skipped: Those of them that were left out.
        error: What ended the reading before its time; whoever reads raises it when all before is written.

    Args:
        name: Of the input, for messages.
        keys: Of the text in a record, and of its entities.
        skip: Whether bad records are left out, and told; else the first ends the reading.
        tell: Called with a sentence for each of the first records left out.
    """

    def __init__(
        self,
        name: str,
        keys: Keys | None = None,
        *,
        skip: bool = False,
        tell: Callable[[str], object] = lambda message: None,
    ) -> None:
        self.name = name
        self.keys = keys or Keys()
        self._skip = skip
        self._tell = tell
        self.count = 0
        self.skipped = 0
        self.error: BaseException | None = None

    def __iter__(self) -> Iterator[Text]:
        try:
            yield from self._read()
        except CpnerError as error:
            self.error = self.error or error

    @abstractmethod
    def _read(self) -> Iterator[Text]:
        """Read the texts; an error ends the reading, and bad records go to `leave_out`."""

    def checked(self, record: dict[str, Any], data: dict[str, Any] | None = None) -> Text:
        """A record with the text that stands in it, or in its part `data`.

        Raises:
            CorpusError: There is no text, a key that the result would replace, or what JSON can't hold.
        """
        data = record if data is None else data
        text = data.get(self.keys.text)
        if not isinstance(text, str):
            raise self.wrong(self.keys.missing(data))
        if clash := self.keys.clash(record):
            raise self.wrong(clash)
        try:
            json.dumps(record, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise self.wrong("half of a surrogate pair, which is no letter") from error
        except RecursionError as error:
            raise self.wrong("nests too deeply") from error
        return Text(text, record)

    def wrong(self, message: str) -> CorpusError:
        """An error about what was read last."""
        return CorpusError(message, path=self.name, line=self.count)

    def leave_out(self, error: CpnerError) -> None:
        """Pass over the record that was read last, for what is wrong with it.

        Raises:
            CpnerError: That is not wanted, or nothing can be read any more.
        """
        if not self._skip or self.error is not None:
            raise error
        self.skipped += 1
        if self.skipped <= _SHOWN:
            self._tell(f"left out: {error}")

    def position(self, size: int) -> int:
        """Bytes that were read so far of a file of `size`; 0 where that is not known."""
        return 0
