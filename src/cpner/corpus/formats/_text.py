"""How a corpus file is read as text."""

from __future__ import annotations

from pathlib import Path

from cpner.errors import CorpusError, FileError
from cpner.files import check_utf8


def read_text(path: Path) -> str:
    r"""Read a UTF-8 file, without its byte order mark and with `\n` for every kind of line end.

    Raises:
        FileError: The file can't be opened, or is not UTF-8.
        CorpusError: The file is empty.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FileError(f"can't be read: {error.strerror or error}", path=path) from error
    text = check_utf8(data, path)
    if not text.strip():
        raise CorpusError("is empty; expected sentences with entities", path=path)
    return text.replace("\r\n", "\n") if "\n" in text else text.replace("\r", "\n")
