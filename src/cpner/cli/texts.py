"""The texts that `cpner predict` reads: lines, or records of JSON lines. A bad one need not lose the rest."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

import click

from cpner.corpus.formats import LONGEST_LINE
from cpner.errors import CorpusError, CpnerError
from cpner.files import check_utf8

KINDS = ("lines", "jsonl")
_RECORDS = (".jsonl", ".ndjson", ".json")  # endings of files of records
_SHOWN = 20  # lines left out that are told one by one


class Text(NamedTuple):
    """A text, and the record that it came in (empty for a line)."""

    text: str
    record: dict[str, Any]


class Texts:
    """The texts of an input, read once.

    Attributes:
        count: Lines that were read.
        skipped: Lines that were left out.
        error: What ended the reading before its time; whoever reads raises it when all before is written.

    Args:
        name: Of the input, for messages; its ending may tell what it holds.
        source: A file, of which no line longer than `LONGEST_LINE` is held, or a list of lines.
        kind: "lines" or "jsonl"; None finds out by the ending, then by the first line that is not blank.
        skip: Whether bad lines are left out, and told; else the first ends the reading.
    """

    def __init__(
        self, name: str, source: BinaryIO | list[bytes], kind: str | None = None, *, skip: bool = False
    ) -> None:
        self._name = name
        self._lines = source if isinstance(source, list) else _bounded(source)
        self._kind = kind or ("jsonl" if name.lower().endswith(_RECORDS) else None)
        self._skip = skip
        self.count = 0
        self.skipped = 0
        self.error: BaseException | None = None

    def __iter__(self) -> Iterator[Text]:
        for line in self._lines:
            self.count += 1
            try:
                text = self._read(line)
            except CpnerError as error:
                if not self._skip:
                    self.error = error
                    return
                self._leave_out(error)
            else:
                if text is not None:
                    yield text

    def _leave_out(self, error: CpnerError) -> None:
        self.skipped += 1
        if self.skipped <= _SHOWN:
            click.echo(f"left out: {error}", err=True)

    def _read(self, data: bytes) -> Text | None:
        """The text of a line; None of a blank one among records."""
        if len(data) > LONGEST_LINE:
            raise self._wrong(f"is longer than {LONGEST_LINE >> 20} MB; break it up")
        line = check_utf8(data, self._name, self.count).rstrip("\r\n")
        if self._kind is None and line.strip():
            self._kind = "jsonl" if _is_record(line) else "lines"
        if self._kind != "jsonl":
            return Text(line, {})
        return self._parse(line) if line.strip() else None

    def _parse(self, line: str) -> Text:
        try:
            record = json.loads(line)
            json.dumps(record, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise self._wrong("half of a surrogate pair, which is no letter") from error
        except (ValueError, RecursionError) as error:
            raise self._wrong(f"not JSON: {error}; expected one object a line") from error
        if not isinstance(record, dict) or not isinstance(record.get("text"), str):
            raise self._wrong("no object with a 'text'; expected one a line, as {\"text\": ...}")
        return Text(record["text"], record)

    def _wrong(self, message: str) -> CorpusError:
        return CorpusError(message, path=self._name, line=self.count)


def _bounded(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a file; of one that is too long the start, one byte longer than is allowed."""
    while line := file.readline(LONGEST_LINE + 1):
        yield line
        if len(line) > LONGEST_LINE:
            while line and not line.endswith(b"\n"):
                line = file.readline(LONGEST_LINE)


def _is_record(line: str) -> bool:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(record, dict) and isinstance(record.get("text"), str)
