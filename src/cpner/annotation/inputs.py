"""The texts of a file, of all files of a folder, or of standard input: as a stream, however many there are."""

from __future__ import annotations

import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any, Protocol

from cpner.annotation.parquet import ParquetTexts, same_columns
from cpner.annotation.texts import ENDINGS, KINDS, Keys, Text, Texts, ending
from cpner.corpus.formats import LONGEST_LINE
from cpner.errors import CorpusError, FileError

ALL_KINDS = (*KINDS, "parquet")
_ENDINGS = {".txt": "lines", ".text": "lines", ".parquet": "parquet", **ENDINGS}
_OPENERS: dict[str, Callable[[Any], Any]] = {".gz": gzip.open, ".xz": lzma.open}


class _Part(Protocol):
    """Texts of one file."""

    count: int
    skipped: int
    error: BaseException | None

    def __iter__(self) -> Iterator[Text]: ...


class Inputs:
    """The texts of all files of an input, in the order of their names, read once.

    Attributes:
        files: The files; None for standard input.
        size: Bytes of all files as they lie on the disk; 0 if that is not known.
        error: What ended the reading before its time; whoever reads raises it when all before is written.

    Args:
        path: A file or a folder.
        stream: Standard input, in place of a path.
        kind: One of `ALL_KINDS`; None finds out for each file.
        keys: Of the text in a record, and of its entities.
        skip: Whether bad lines are left out, and told; else the first ends the reading.
        tell: Called with a sentence for each of the first lines left out, and for files that are passed over.

    Raises:
        FileError: There is no such file or folder.
        CorpusError: No file of the folder has an ending that is known.
    """

    def __init__(
        self,
        path: Path,
        stream: IO[bytes] | None = None,
        *,
        kind: str | None = None,
        keys: Keys | None = None,
        skip: bool = False,
        tell: Callable[[str], object] = lambda message: None,
    ) -> None:
        self._stream = stream
        self._kind = kind
        self._keys = keys or Keys()
        self._skip = skip
        self._tell = tell
        self.files = [] if stream is not None else _files(path, kind, tell)
        self.size = sum(file.stat().st_size for file in self.files)
        self.error: BaseException | None = None
        self._before = 0  # bytes of the files that are done
        self._position: Callable[[], int] = int
        self._ended: list[_Part] = []

    @property
    def position(self) -> int:
        """Bytes that were read so far, of `size`."""
        return self._before + self._position()

    @property
    def count(self) -> int:
        """Lines and rows that were read so far."""
        return sum(part.count for part in self._ended)

    @property
    def skipped(self) -> int:
        """Lines and rows that were left out so far."""
        return sum(part.skipped for part in self._ended)

    def all_parquet(self) -> bool:
        """Whether all files are parquet files; their columns can then be kept as they are."""
        return bool(self.files) and all(self._kind_of(file) == "parquet" for file in self.files)

    def texts(self, *, arrow: bool = False) -> Iterator[Text]:
        """The texts with their records.

        Args:
            arrow: Give records of parquet files as rows of Arrow; all files must have the same columns.

        Raises:
            CorpusError: Files that must have the same columns have not.
            MissingExtraError: A file is parquet, and pyarrow is not installed.
        """
        if arrow:
            same_columns(self.files)
        if self._stream is not None:
            lines = read_lines(self._stream, "standard input")
            yield from self._all_of(self._of_lines("standard input", lines), int)
        for file in self.files:
            size = file.stat().st_size
            if self._kind_of(file) == "parquet":
                table = ParquetTexts(file, self._keys, arrow=arrow, skip=self._skip, tell=self._tell)
                yield from self._all_of(table, partial(table.position, size))
            else:
                yield from self._of_file(file)
            if self.error is not None:
                return
            self._position = int
            self._before += size

    def _of_file(self, file: Path) -> Iterator[Text]:
        try:
            raw = file.open("rb")
        except OSError as error:
            self.error = FileError(f"can't be read: {error.strerror or error}", path=file)
            return
        with raw:
            lines = read_lines(_unpacked(raw, file), str(file))
            yield from self._all_of(self._of_lines(str(file), lines), raw.tell if raw.seekable() else int)

    def _of_lines(self, name: str, lines: Iterator[bytes]) -> Texts:
        return Texts(name, lines, self._kind, keys=self._keys, skip=self._skip, tell=self._tell)

    def _all_of(self, part: _Part, position: Callable[[], int]) -> Iterator[Text]:
        self._position = position
        self._ended.append(part)
        yield from part
        self.error = part.error

    def _kind_of(self, file: Path) -> str | None:
        return self._kind or _ENDINGS.get(ending(file.name))


def open_input(file: Path) -> Iterator[bytes]:
    """The lines of a file, packed or plain; the file is closed at their end.

    Raises:
        FileError: It can't be read or unpacked.
    """
    with file.open("rb") as raw:
        yield from read_lines(_unpacked(raw, file), str(file))


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


def _unpacked(raw: IO[bytes], file: Path) -> Any:
    opener = _OPENERS.get(file.suffix.lower())
    return opener(raw) if opener else raw


def _files(path: Path, kind: str | None, tell: Callable[[str], object]) -> list[Path]:
    """The files of an input; of a folder those whose endings are known, unless the kind is told."""
    if not path.exists():
        raise FileError("no such file or folder", path=path)
    if not path.is_dir():
        return [path]
    present = sorted(file for file in path.rglob("*") if file.is_file() and not _is_hidden(file.relative_to(path)))
    files = [file for file in present if kind or ending(file.name) in _ENDINGS]
    if not files:
        endings = ", ".join(sorted(_ENDINGS))
        raise CorpusError(f"no file here ends in one of {endings} (or these and .gz or .xz)", path=path)
    if others := [file for file in present if file not in set(files)]:
        tell(f"passed over, for their endings: {len(others)} of {len(present)} files, such as {others[0]}")
    return files


def _is_hidden(path: Path) -> bool:
    return any(part.startswith((".", "_")) for part in path.parts)
