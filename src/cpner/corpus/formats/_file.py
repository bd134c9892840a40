"""What a reader gets of a file: its bytes, text and first record, within bounds of memory."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import lzma
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import IO, Any, BinaryIO

from cpner.errors import CorpusError, FileError
from cpner.files import check_utf8

LONGEST_LINE = 16 << 20  # bytes
LARGEST_FILE = 1 << 30  # bytes, after unpacking
_CHUNK = 1 << 20
_PACKED = {".gz": gzip.open, ".xz": lzma.open}
_MARK = "\ufeff"  # byte order mark


class File:
    """A file of a corpus, read once.

    Attributes:
        path: Where it lies.
        name: Its name in lower case, without the ending of a packed file.
        data: Its bytes, unpacked.

    Raises:
        FileError: It can't be opened or unpacked, or is a device.
        CorpusError: It is too large.
    """

    def __init__(self, path: Path, data: bytes | None = None) -> None:
        self.path = path
        self.name = unpacked_name(path)
        self.data = b"".join(_chunks(path, LARGEST_FILE)) if data is None else data  # given: of a file in an archive
        self.marks = 0  # byte order marks left out behind the start

    @property
    def ending(self) -> str:
        """The last ending of its name, as ".jsonl"."""
        return Path(self.name).suffix

    @cached_property
    def text(self) -> str:
        r"""The text, without byte order marks at the start of lines and with `\n` for every kind of line end.

        Raises:
            FileError: It is not UTF-8.
            CorpusError: It is empty, or has a line beyond all bounds.
        """
        text = check_utf8(self.data, self.path)
        text = text.replace("\r\n", "\n") if "\n" in text else text.replace("\r", "\n")
        if f"\n{_MARK}" in text:
            self.marks = text.count(f"\n{_MARK}")
            text = text.replace(f"\n{_MARK}", "\n")
        if not text.strip():
            raise CorpusError("is empty; expected sentences with entities", path=self.path)
        if text.lstrip()[0] != "[":  # a list in JSON may be one line
            _check_lines(text, self.path)
        return text

    @cached_property
    def first(self) -> Any:
        """The first value that a JSON file holds, alone, in a line or in a list; None for a file of another kind."""
        start = self.text.lstrip()
        if start[0] not in "[{":
            return None
        line = start.partition("\n")[0]
        listed = start[0] == "[" and not is_pair(line)
        begin = start[1:].lstrip() if listed else start
        try:
            value, end = json.JSONDecoder().raw_decode(begin)
        except (ValueError, RecursionError):
            return None
        rest = begin[end:].partition("\n")[0].strip()
        if listed:
            rest = rest.removeprefix("]").removeprefix(",").strip()
        over = not rest or (listed and rest[0] in "{[")  # or the next record of the list
        return value if isinstance(value, (dict, list)) and over else None

    @property
    def record(self) -> dict[str, Any]:
        """The first value if it is an object; else an empty one."""
        return self.first if isinstance(self.first, dict) else {}


def is_pair(line: str) -> bool:
    """Whether a line is the list of a text and an object, as spaCy's users write them."""
    if not line.startswith('["'):
        return False
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, list) and list(map(type, value)) == [str, dict]


def unpacked_name(path: Path) -> str:
    """The name in lower case without `.gz` and `.xz`."""
    name = path.name.lower()
    return name[:-3] if name.endswith(tuple(_PACKED)) else name


def packing(path: Path, file: BinaryIO) -> AbstractContextManager[Any]:
    """What packs the bytes of a file that is being written, as its ending says."""
    ending = path.suffix.lower()
    if ending == ".gz":
        return gzip.GzipFile(fileobj=file, mode="wb", mtime=0, filename="")
    return lzma.open(file, "wb") if ending == ".xz" else contextlib.nullcontext(file)


def open_lines(path: Path) -> Iterator[str]:
    r"""The lines of a text file, packed or plain, each with `\n` at its end if the file has one there.

    Raises:
        FileError: It can't be read, is a device, or is not UTF-8.
        CorpusError: It has a line beyond all bounds.
    """
    rest = b""
    number = 1
    for chunk in _chunks(path):
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            if len(line) > LONGEST_LINE:
                raise _too_long(path, number)
            yield from _decoded(line + b"\n", path, number)
            number += 1
        if len(rest) > LONGEST_LINE:
            raise _too_long(path, number)
    if rest:
        yield from _decoded(rest, path, number)


def _decoded(line: bytes, path: Path, number: int) -> list[str]:
    text = check_utf8(line, path, number)
    return list(io.StringIO(text, newline=None)) if "\r" in text else [text]


def _chunks(path: Path, limit: int | None = None) -> Iterator[bytes]:
    """The bytes of a file, unpacked."""
    total = 0
    if path.is_char_device():
        raise FileError("is a device, which may never end; expected a file", path=path)
    try:
        opener: Any = _PACKED.get(path.suffix.lower(), open)
        source: IO[bytes]
        with opener(path, "rb") as source:
            while chunk := source.read(_CHUNK):
                total += len(chunk)
                if limit is not None and total > limit:
                    raise CorpusError(f"holds more than {limit >> 20} MB; split it", path=path)
                yield chunk
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise FileError(f"can't be read: {reason}", path=path) from error


def _check_lines(text: str, path: Path) -> None:
    start = 0
    number = 1
    while (end := text.find("\n", start)) >= 0 or start < len(text):
        end = len(text) if end < 0 else end
        if end - start > LONGEST_LINE:
            raise _too_long(path, number)
        start = end + 1
        number += 1


def _too_long(path: Path, line: int) -> CorpusError:
    return CorpusError(f"is longer than {LONGEST_LINE >> 20} MB; break it up", path=path, line=line)
