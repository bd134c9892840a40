"""Texts as users have them: lines, or records of JSON or of a table with commas. A bad one need not lose the rest."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

from cpner.corpus.formats import LONGEST_LINE
from cpner.errors import ConfigError, CorpusError, CpnerError
from cpner.files import check_utf8

KINDS = ("lines", "jsonl", "csv")
ENDINGS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".csv": "csv", ".tsv": "csv"}
_TEXT = "text"
_ADDED = ("domain", "entities")
_SIGNS = ",;\t"  # between the cells of a table
_SHOWN = 20  # lines left out that are told one by one


@dataclass(frozen=True)
class Keys:
    """Where in a record the text stands, and where its entities go.

    Attributes:
        text: The key of the text; of a table the name of its column.
        into: The key that gets the entities; None adds the keys domain and entities.

    Raises:
        ConfigError: The entities would take the place of the text.
    """

    text: str = _TEXT
    into: str | None = None

    def __post_init__(self) -> None:
        if self.text in self.added:
            raise ConfigError(
                f"the entities can't go to {self.text!r}, where the text stands: name another key (--into)"
            )

    @property
    def added(self) -> tuple[str, ...]:
        """The keys that a record gets."""
        return _ADDED if self.into is None else (self.into,)

    def clash(self, names: Iterable[str]) -> str | None:
        """What is wrong with a record that has these keys already; None if nothing is."""
        taken = [name for name in names if name in self.added]
        if not taken:
            return None
        keys = " and ".join(map(repr, taken))
        return f"has {keys} already, which the result would replace: name a new key for the entities with --into KEY"

    def missing(self, names: Iterable[str]) -> str:
        """What is wrong with a record without the text."""
        known = [name for name in names if isinstance(name, str)]
        listed = ", ".join(map(repr, known[:8])) + (", ..." if len(known) > 8 else "")
        return f"no text under {self.text!r}" + (f"; it has {listed}: name the text's with --text" if known else "")


class Text(NamedTuple):
    """A text, and the record that it came in (empty for a line)."""

    text: str
    record: Any


class Texts:
    """The texts of an input, read once.

    Attributes:
        count: Lines that were read.
        skipped: Lines that were left out.
        error: What ended the reading before its time; whoever reads raises it when all before is written.

    Args:
        name: Of the input, for messages; its ending may tell what it holds.
        lines: The lines; one longer than `LONGEST_LINE` is a bad one.
        kind: One of `KINDS`; None finds out by the ending, then by the first line that is not blank.
        keys: Of the text in a record, and of its entities.
        skip: Whether bad lines are left out, and told; else the first ends the reading.
        tell: Called with a sentence for each of the first lines left out.
    """

    def __init__(
        self,
        name: str,
        lines: Iterable[bytes],
        kind: str | None = None,
        *,
        keys: Keys | None = None,
        skip: bool = False,
        tell: Callable[[str], object] = lambda message: None,
    ) -> None:
        self._name = name
        self._lines = lines
        self._kind = kind or ENDINGS.get(ending(name))
        self._keys = keys or Keys()
        self._skip = skip
        self._tell = tell
        self.count = 0
        self.skipped = 0
        self.error: BaseException | None = None

    def __iter__(self) -> Iterator[Text]:
        lines = map(self._decode, self._unbroken())  # goes on after a line that can't be decoded
        try:
            rows = _Table(lines, self) if self._kind == "csv" else map(self._read, lines)
        except CpnerError as error:
            self.error = self.error or error
            return
        while True:
            try:
                text = next(rows)
            except StopIteration:
                return
            except CpnerError as error:
                if self.error is not None:
                    return
                if not self._skip:
                    self.error = error
                    return
                self._leave_out(error)
            else:
                if text is not None:
                    yield text

    def _unbroken(self) -> Iterator[bytes]:
        """The lines up to the end, or to where the file can't be read; that is no bad line, which could be left out."""
        try:
            yield from self._lines
        except CpnerError as error:
            self.error = error

    def _leave_out(self, error: CpnerError) -> None:
        self.skipped += 1
        if self.skipped <= _SHOWN:
            self._tell(f"left out: {error}")

    def _decode(self, data: bytes) -> str:
        self.count += 1
        if len(data) > LONGEST_LINE:
            raise self.wrong(f"is longer than {LONGEST_LINE >> 20} MB; break it up")
        return check_utf8(data, self._name, self.count)

    def _read(self, line: str) -> Text | None:
        """The text of a line; None of a blank one among records."""
        line = line.rstrip("\r\n")
        if self._kind is None and line.strip():
            self._kind = "jsonl" if self._is_record(line) else "lines"
        if self._kind != "jsonl":
            return Text(line, {})
        return self._parse(line) if line.strip() else None

    def _is_record(self, line: str) -> bool:
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            return False
        return isinstance(record, dict) and (self._keys.text != _TEXT or isinstance(record.get(_TEXT), str))

    def _parse(self, line: str) -> Text:
        try:
            record = json.loads(line)
            json.dumps(record, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise self.wrong("half of a surrogate pair, which is no letter") from error
        except (ValueError, RecursionError) as error:
            raise self.wrong(f"not JSON: {error}; expected one object a line") from error
        if not isinstance(record, dict):
            raise self.wrong(f"no object; expected one a line, as {json.dumps({self._keys.text: '...'})}")
        return self.checked(record)

    def checked(self, record: dict[str, Any]) -> Text:
        """A record with its text.

        Raises:
            CorpusError: It has no text, or a key that the result would replace.
        """
        text = record.get(self._keys.text)
        if not isinstance(text, str):
            raise self.wrong(self._keys.missing(record))
        if clash := self._keys.clash(record):
            raise self.wrong(clash)
        return Text(text, record)

    def wrong(self, message: str) -> CorpusError:
        """An error about the line that was read last."""
        return CorpusError(message, path=self._name, line=self.count)

    def check_columns(self, names: list[str]) -> None:
        """Check the first row of a table.

        Raises:
            CorpusError: It names no column of texts, a column twice, or one that the result would replace.
        """
        if self._keys.text not in names:
            raise self.wrong(self._keys.missing(names))
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise self.wrong(f"column {twice!r} is there twice")
        if clash := self._keys.clash(names):
            raise self.wrong(clash)


class _Table:
    """The rows of a table whose first one names its columns; goes on after a bad row.

    Raises:
        CorpusError: There is no first row, or one without the column of texts.
    """

    def __init__(self, lines: Iterator[str], texts: Texts) -> None:
        csv.field_size_limit(LONGEST_LINE)
        self._texts = texts
        first = next((line for line in lines if line.strip()), "")
        sign = max(_SIGNS, key=first.count)
        self._rows = csv.reader(chain([first], lines), delimiter=sign, strict=True)  # goes on after an error
        self._names = self._cells()
        texts.check_columns(self._names)

    def __iter__(self) -> Iterator[Text | None]:
        return self

    def __next__(self) -> Text | None:
        cells = self._cells()
        if not cells:
            return None
        if len(cells) != len(self._names):
            raise self._texts.wrong(f"{len(cells)} cells; the first row names {len(self._names)} columns")
        return self._texts.checked(dict(zip(self._names, cells, strict=True)))

    def _cells(self) -> list[str]:
        try:
            return next(self._rows)
        except csv.Error as error:
            raise self._texts.wrong(f"no row of a table: {error}") from error


def ending(name: str) -> str:
    """The last ending of a name in lower case, but for `.gz` and `.xz`."""
    name = name.lower()
    for packed in (".gz", ".xz"):
        name = name.removesuffix(packed)
    return name[name.rfind(".") :] if "." in name else ""
