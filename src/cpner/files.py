"""Files: writing all or nothing, UTF-8 with line numbers in errors, and names for content."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from cpner.errors import FileError

SMALL = 16 << 20  # bytes
_WRITABLE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


def check_utf8(data: bytes, path: Path | str, first_line: int = 1) -> str:
    """Decode UTF-8, without the byte order mark that a file may begin with.

    Raises:
        FileError: It is something else. The message names the line; the data's first has the number `first_line`.
    """
    try:
        return data.decode("utf-8-sig" if first_line == 1 else "utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + first_line
        message = f"byte {data[error.start]:#04x} is not UTF-8; save the file as UTF-8"
        raise FileError(message, path=path, line=line) from error


def read_small(path: Path) -> str:
    """The text of a file of settings, in UTF-8 and without a byte order mark.

    Raises:
        OSError: It can't be read. A `FileError`, which is one, says that it is not UTF-8, or too large, as a device
            without end is.
    """
    with path.open("rb") as file:
        data = file.read(SMALL + 1)
    if len(data) > SMALL:
        raise FileError(f"holds more than {SMALL >> 20} MB, which no settings need", path=path)
    return check_utf8(data, path)


def write_text(path: Path, lines: Iterable[str]) -> None:
    """Write lines to a UTF-8 file, all or nothing."""
    with replacing(path) as file:
        file.writelines(f"{line}\n".encode() for line in lines)


@contextlib.contextmanager
def replacing(path: Path, *, sync: bool = False) -> Iterator[BinaryIO]:
    """Open a file that takes the place of `path` when the block ends well, and vanishes when it doesn't.

    A link goes on pointing to its file, which is replaced and keeps its mode; a device or a pipe is written to.

    Args:
        path: The file to replace. Folders above it are made.
        sync: Wait until the disk holds the content, so that a power cut leaves no empty file.

    Raises:
        FileError: The folder or the file can't be written to, or the file is read-only.
    """
    with _writing(path):
        special = _is_special(path)
        target = path if special else Path(os.path.realpath(path))
        temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
        if target.is_dir():
            raise IsADirectoryError(None, "is a folder")
        if target.exists() and not special and not target.stat().st_mode & _WRITABLE:
            raise PermissionError(None, "is read-only")
        target.parent.mkdir(parents=True, exist_ok=True)
        file = open(target, "ab") if special else open(temporary, "xb")  # noqa: SIM115
    try:
        with _writing(path, named=False), file:
            yield file
            if sync:
                file.flush()
                os.fsync(file.fileno())
        if not special:
            with _writing(path):
                if target.exists():
                    os.chmod(temporary, stat.S_IMODE(target.stat().st_mode))
                os.replace(temporary, target)
    finally:
        if not special:
            temporary.unlink(missing_ok=True)


def _is_special(path: Path) -> bool:
    """Whether a path is a device, a pipe or a name of an open file, whose target may have no name of its own."""
    is_open_file = path.is_relative_to("/dev/fd") or str(path) in ("/dev/stdin", "/dev/stdout", "/dev/stderr")
    return is_open_file or (path.exists() and not path.is_file() and not path.is_dir())


@contextlib.contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Make a folder that takes the place of `path` when the block ends well, and vanishes when it doesn't.

    The old folder waits under another name, `old_folder(path)`, while the new one takes its place.

    Raises:
        FileError: The folder can't be written.
    """
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    old = old_folder(path)
    try:
        with _writing(path):
            new.mkdir(parents=True)
        yield new
        with _writing(path):
            if path.is_dir():
                shutil.rmtree(old, ignore_errors=True)
                os.replace(path, old)
            os.replace(new, path)
            shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def old_folder(path: Path) -> Path:
    """Where the content of a folder is if a process was stopped while `replacing_folder` moved it."""
    return path.with_name(f"{path.name}-old")


def digest(parts: Iterable[bytes]) -> str:
    """Twelve hexadecimal digits that name bytes: the start of the SHA-256 of all parts, one after another."""
    total = hashlib.sha256()
    for part in parts:
        total.update(part)
    return total.hexdigest()[:12]


@contextlib.contextmanager
def _writing(path: Path, *, named: bool = True) -> Iterator[None]:
    """Turn errors of the disk into a `FileError` about `path`, but for a pipe that its reader has closed.

    Without `named`, errors that name a file are left as they are: they come from what the caller reads.
    """
    try:
        yield
    except (FileError, BrokenPipeError):
        raise
    except OSError as error:
        if error.filename is not None and not named:
            raise
        raise FileError(f"can't be written: {error.strerror or error}", path=path) from error
