"""The texts of a file, of all files of a folder, or of standard input: as a stream, however many there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from cpner.annotation.lines import ENDINGS, KINDS, FileLines, Lines, ending, read_lines
from cpner.annotation.parquet import ParquetTexts, same_columns
from cpner.annotation.tasks import KIND as LABEL_STUDIO
from cpner.annotation.tasks import Tasks
from cpner.annotation.texts import Keys, Text, Texts
from cpner.errors import ConfigError, CorpusError, FileError

ALL_KINDS = (*KINDS, "parquet", LABEL_STUDIO)
_ENDINGS = {".txt": "lines", ".text": "lines", ".parquet": "parquet", **ENDINGS}


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
        ConfigError: Standard input can't be of this kind.
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
        if stream is not None and kind not in (None, *KINDS):
            raise ConfigError(f"{kind} is read from a file, not from standard input")
        self._stream = stream
        self._kind = kind
        self._settings: dict[str, Any] = {"keys": keys, "skip": skip, "tell": tell}
        self.files = [] if stream is not None else _files(path, kind, tell)
        self.size = sum(file.stat().st_size for file in self.files)
        self.error: BaseException | None = None
        self._parts: list[Texts] = []  # of the files that were begun
        self._before = 0  # bytes of the files that are done
        self._size = 0  # bytes of the file that is read

    @property
    def position(self) -> int:
        """Bytes that were read so far, of `size`."""
        return self._before + (self._parts[-1].position(self._size) if self._size else 0)

    @property
    def count(self) -> int:
        """Lines, rows and tasks that were read so far."""
        return sum(part.count for part in self._parts)

    @property
    def skipped(self) -> int:
        """Lines, rows and tasks that were left out so far."""
        return sum(part.skipped for part in self._parts)

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
            name = "standard input"
            yield from self._all_of(Lines(name, read_lines(self._stream, name), self._kind, **self._settings))
        for file in self.files:
            size = file.stat().st_size
            yield from self._all_of(self._of_file(file, arrow=arrow), size)
            if self.error is not None:
                return
            self._before += size

    def _of_file(self, file: Path, *, arrow: bool) -> Texts:
        kind = self._kind_of(file)
        if kind == "parquet":
            return ParquetTexts(file, arrow=arrow, **self._settings)
        if kind == LABEL_STUDIO:
            return Tasks(file, **self._settings)
        return FileLines(file, self._kind, **self._settings)

    def _all_of(self, part: Texts, size: int = 0) -> Iterator[Text]:
        self._parts.append(part)
        self._size = size
        yield from part
        self._size = 0
        self.error = part.error

    def _kind_of(self, file: Path) -> str | None:
        return self._kind or _ENDINGS.get(ending(file.name))


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
