"""Which file of a corpus holds which split, by its name."""

from __future__ import annotations

import re
from pathlib import Path

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
