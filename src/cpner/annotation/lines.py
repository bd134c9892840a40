"""Texts of files that are read line by line: lines, or records of JSON or of a table with commas."""

from __future__ import annotations

import csv
import gzip
import json
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import IO, Any

from cpner.annotation.texts import TEXT, Text, Texts
from cpner.corpus.formats import LONGEST_LINE
from cpner.errors import CpnerError, FileError
from cpner.files import check_utf8

KINDS = ("lines", "jsonl", "csv")
ENDINGS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".csv": "csv", ".tsv": "csv"}
_OPENERS: dict[str, Callable[[Any], Any]] = {".gz": gzip.open, ".xz": lzma.open}
_SIGNS = ",;\t"  # between the cells of a table


class Lines(Texts):
    """The texts of lines.

    Args:
        name: Of the input, for messages; its ending may tell what it holds.
        lines: The lines; one longer than `LONGEST_LINE` is a bad one.
        kind: One of `KINDS`; None finds out by the ending, then by the first line that is not blank.
        settings: Those of `Texts`.
    """

    def __init__(self, name: str, lines: Iterable[bytes], kind: str | None = None, **settings: Any) -> None:
        super().__init__(name, **settings)
        self._lines = lines
        self._kind = kind or ENDINGS.get(ending(name))

    def _read(self) -> Iterator[Text]:
        lines = map(self._decode, self._unbroken())  # goes on after a line that can't be decoded
        rows = _Table(lines, self) if self._kind == "csv" else map(self._text, lines)
        while True:
            try:
                text = next(rows)
            except StopIteration:
                return
            except CpnerError as error:
                self.leave_out(error)
            else:
                if text is not None:
                    yield text

    def _unbroken(self) -> Iterator[bytes]:
        """The lines up to the end, or to where the file can't be read; that is no bad line, which could be left out."""
        try:
            yield from self._lines
        except CpnerError as error:
            self.error = error

    def _decode(self, data: bytes) -> str:
        self.count += 1
        if len(data) > LONGEST_LINE:
            raise self.wrong(f"is longer than {LONGEST_LINE >> 20} MB; break it up")
        return check_utf8(data, self.name, self.count)

    def _text(self, line: str) -> Text | None:
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
        return isinstance(record, dict) and (self.keys.text != TEXT or isinstance(record.get(TEXT), str))

    def _parse(self, line: str) -> Text:
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise self.wrong(f"not JSON: {error}; expected one object a line") from error
        if not isinstance(record, dict):
            raise self.wrong(f"no object; expected one a line, as {json.dumps({self.keys.text: '...'})}")
        return self.checked(record)


class FileLines(Lines):
    """The texts of the lines of a file, packed or plain, which is open while they are read.

    Args:
        path: The file.
        kind: As for `Lines`.
        settings: Those of `Texts`.
    """

    def __init__(self, path: Path, kind: str | None = None, **settings: Any) -> None:
        super().__init__(str(path), self._open(path), kind, **settings)
        self._raw: IO[bytes] | None = None

    def position(self, size: int) -> int:
        """Bytes that were read so far."""
        return self._raw.tell() if self._raw is not None and self._raw.seekable() else 0

    def _open(self, path: Path) -> Iterator[bytes]:
        try:
            self._raw = path.open("rb")
        except OSError as error:
            raise FileError(f"can't be read: {error.strerror or error}", path=path) from error
        with self._raw as raw:
            opener = _OPENERS.get(path.suffix.lower())
            yield from read_lines(opener(raw) if opener else raw, self.name)
        self._raw = None


class _Table:
    """The rows of a table whose first one names its columns; goes on after a bad row.

    Raises:
        CorpusError: There is no first row, or one without the column of texts.
    """

    def __init__(self, rows: Iterator[str], texts: Lines) -> None:
        csv.field_size_limit(LONGEST_LINE)
        self._texts = texts
        first = next((row for row in rows if row.strip()), "")
        sign = max(_SIGNS, key=first.count)
        self._rows = csv.reader(chain([first], rows), delimiter=sign, strict=True)  # goes on after an error
        self._names = self._cells()
        if fault := texts.keys.fault(self._names):
            raise texts.wrong(fault)

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


def read_lines(file: IO[bytes], name: str) -> Iterator[bytes]:
    """The lines of a stream; of one longer than `LONGEST_LINE` the start, one byte longer than that.

    Raises:
        FileError: It can't be read or unpacked.
    """
    number = 0
    is_cut = False  # the line before, whose rest belongs to no line
    while True:
        try:
            line = file.readline(LONGEST_LINE + 1)
        except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
            reason = getattr(error, "strerror", None) or error
            raise FileError(f"can't be read behind line {number}: {reason}", path=name) from error
        if not line:
            return
        if not is_cut:
            number += 1
            yield line
        is_cut = len(line) > LONGEST_LINE and not line.endswith(b"\n")


def ending(name: str) -> str:
    """The last ending of a name in lower case, but for `.gz` and `.xz`."""
    name = name.lower()
    for packed in (".gz", ".xz"):
        name = name.removesuffix(packed)
    return name[name.rfind(".") :] if "." in name else ""
