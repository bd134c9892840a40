"""Text files: writing all or nothing, and UTF-8 with line numbers in errors."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from cpner.errors import CorpusError


def check_utf8(data: bytes, path: Path | str, first_line: int = 1) -> str:
    """Decode UTF-8, without the byte order mark that a file may begin with.

    Raises:
        CorpusError: It is something else; the line is told, of which the data's first has the number `first_line`.
    """
    try:
        return data.decode("utf-8-sig" if first_line == 1 else "utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + first_line
        message = f"byte {data[error.start]:#04x} is not UTF-8; save the file as UTF-8"
        raise CorpusError(message, path=path, line=line) from error


def write_text(path: Path, lines: Iterable[str]) -> None:
    """Write lines to a UTF-8 file, all or nothing."""
    with replacing(path) as file:
        file.writelines(f"{line}\n".encode() for line in lines)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file that takes the place of `path` when the block ends well, and vanishes when it doesn't.

    A link goes on pointing to its file, which is replaced and keeps its mode; a device or a pipe is written to.

    Raises:
        CorpusError: The folder or the file can't be written to.
    """
    target = path.resolve()
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        if target.is_dir():
            raise IsADirectoryError(None, "is a folder")
        target.parent.mkdir(parents=True, exist_ok=True)
        special = target.exists() and not target.is_file()
        file = open(target, "wb") if special else open(temporary, "xb")  # noqa: SIM115
    except OSError as error:
        raise CorpusError(f"can't be written: {error.strerror or error}", path=path) from error
    try:
        with file:
            yield file
        if not special:
            if target.exists():
                os.chmod(temporary, stat.S_IMODE(target.stat().st_mode))
            os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
