"""Text files: reading with line numbers in errors, atomic writing, and which file holds which split."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from cpner.errors import CorpusError

SPLITS = ("train", "dev", "test")

_SPLIT_OF = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("dev", "devel", "development", "valid", "validation", "val", "testa"), "dev"),
    **dict.fromkeys(("test", "testb"), "test"),
}
_WORD_IN_NAME = re.compile(r"[a-z]+")
_GLUED = re.compile(r"[a-z](train|dev|valid|testa|testb|test)$")  # engtrain, restauranttest
_ENDINGS = re.compile(r"\.(txt|bio|bioes|bilou|iob[12]?|conllu?|ner|tsv|data|json|jsonl|ndjson)")


def read_text(path: Path) -> str:
    r"""Read a UTF-8 file, without its byte order mark and with `\n` for every kind of line end.

    Raises:
        CorpusError: The file can't be opened, is not UTF-8, or is empty.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CorpusError(f"can't be read: {error.strerror or error}", path=path) from error
    text = check_utf8(data, path)
    if not text.strip():
        raise CorpusError("is empty; expected sentences with entities", path=path)
    return text.replace("\r\n", "\n") if "\n" in text else text.replace("\r", "\n")


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


def split_of(path: Path) -> str | None:
    """The split that a file's name speaks of ("eng.testa": "dev"), or None."""
    return (_split_by_word(path) or (None,))[0]


def is_split_name(stem: str) -> bool:
    """Whether a file's name without its ending says the split and nothing else."""
    return stem.lower() in _SPLIT_OF


def has_known_ending(path: Path) -> bool:
    """Whether a file's ending is one of a corpus (".txt", ".jsonl"), or the name of a split ("eng.testa")."""
    ending = path.suffix.lower()
    return _ENDINGS.fullmatch(ending) is not None or ending[1:] in _SPLIT_OF


def find_splits(folder: Path) -> dict[str, Path]:
    """Find the file of each split in a folder, by their names.

    Raises:
        CorpusError: No file names a split, or two name the same.
    """
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        raise CorpusError(f"can't be read: {error.strerror or error}", path=folder) from error
    found: dict[str, list[tuple[bool, Path]]] = {}
    for path in paths:
        split = _split_by_word(path) if _is_readable(path) else None
        if split:
            found.setdefault(split[0], []).append((split[1], path))
    if not found:
        names = ", ".join(path.name for path in paths[:8]) or "nothing"
        raise CorpusError(f"no file for train, dev or test (as train.txt or dev.jsonl); found {names}", path=folder)
    return {split: _only(found[split], split, folder) for split in SPLITS if split in found}


def _is_readable(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".") and (not path.suffix or has_known_ending(path))


def _split_by_word(path: Path) -> tuple[str, bool] | None:
    """The split and whether it is a word of its own in the name."""
    name = path.name.lower()
    for word in reversed(_WORD_IN_NAME.findall(name)):
        if word in _SPLIT_OF:
            return _SPLIT_OF[word], True
    glued = _GLUED.search(path.stem.lower())
    return (_SPLIT_OF[glued[1]], False) if glued else None


def _only(candidates: list[tuple[bool, Path]], split: str, folder: Path) -> Path:
    best = [path for own_word, path in candidates if own_word] or [path for _, path in candidates]
    if len(best) > 1:
        names = ", ".join(path.name for path in best)
        raise CorpusError(f"more than one file for {split}: {names}; read one of them by its path", path=folder)
    return best[0]
