"""Which files of a corpus hold which split, by their names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from cpner.corpus.formats import Options, unpacked_name
from cpner.corpus.repairs import Repairs
from cpner.errors import CorpusError
from cpner.progress import within

SPLITS = ("train", "dev", "test")
_SPLIT_OF = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("dev", "devel", "development", "valid", "validation", "val", "testa"), "dev"),
    **dict.fromkeys(("test", "testb"), "test"),
}
_WORD_IN_NAME = re.compile(r"[a-z]+")
_GLUED = re.compile(r"[a-z](train|dev|valid|testa|testb|test)$")  # engtrain, restauranttest
_ENDINGS = re.compile(r"\.(txt|bio|bioes|bilou|iob[12]?|conllu?|ner|tsv|data|json|jsonl|ndjson)")
_OTHER_ENDINGS = re.compile(r"\.(csv|spacy|parquet|arrow)")  # of corpora too, where no file has one of the first
_NO_CORPUS = re.compile(
    r"\.(md|py|sh|ipynb|toml|ya?ml|cfg|ini|log|html?|pdf|png|svg|zip|tar|pt|pth|bin|safetensors|ann)"
)
_SHARD = re.compile(r"-(\d+)-of-\d+$")  # train-00000-of-00002.parquet


class _Candidate(NamedTuple):
    """A file that may hold a split."""

    split: str
    whole_word: bool  # whether the split is a word of its own in the name
    rank: int  # of the ending: 0 known, 1 of other corpora, 2 unknown
    path: Path


def split_of(path: Path) -> str | None:
    """The split that a file's name speaks of ("eng.testa": "dev"), or None."""
    return (_split_by_word(path) or (None,))[0]


def is_split_name(path: Path) -> bool:
    """Whether a file's name without its endings says the split and nothing else."""
    return Path(unpacked_name(path)).stem in _SPLIT_OF


def has_known_ending(path: Path) -> bool:
    """Whether a file's ending is one of a corpus (".txt", ".jsonl"), or the name of a split ("eng.testa")."""
    return _rank(path) < 2 and bool(path.suffix)


def find_splits(folder: Path, repairs: Repairs) -> dict[str, list[Path]]:
    """Find the files of each split in a folder, by their names; several where they are numbered parts of one.

    Args:
        folder: Where to look; if it has no such file, in its folder `data`, or in a folder for each split.
        repairs: Gains a count for each file that speaks of a split and is left out.

    Raises:
        CorpusError: No file names a split, or two name the same.
    """
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        raise CorpusError(f"can't be read: {error.strerror or error}", path=folder) from error
    candidates: dict[str, list[_Candidate]] = {}
    for path in paths:
        split = _split_by_word(path) if path.is_file() and not path.name.startswith(".") else None
        if split and not _NO_CORPUS.fullmatch(path.suffix.lower()):
            candidates.setdefault(split[0], []).append(_Candidate(*split, _rank(path), path))
    inner = _inner_files(folder, paths) if not candidates else {}
    if not candidates and not inner and (folder / "data").is_dir():
        return find_splits(folder / "data", repairs)
    if not candidates and not inner:
        names = ", ".join(path.name for path in paths[:8]) or "nothing"
        raise CorpusError(f"no file for train, dev or test (as train.txt or dev.jsonl); found {names}", path=folder)
    return inner or {split: _best(candidates[split], split, folder, repairs) for split in SPLITS if split in candidates}


def by_share(files: Mapping[str, list[Path]], options: Options) -> dict[Path, Options]:
    """The options to read each file with: what it reports is of its share of all bytes."""
    sizes = {path: path.stat().st_size if path.is_file() else 0 for paths in files.values() for path in paths}
    total = sum(sizes.values())
    ends = accumulate(sizes.values())
    return {
        path: replace(options, progress=within(options.progress, end - size, size, total))
        for (path, size), end in zip(sizes.items(), ends, strict=True)
    }


def _rank(path: Path) -> int:
    ending = Path(unpacked_name(path)).suffix
    if not ending or _ENDINGS.fullmatch(ending) or ending[1:] in _SPLIT_OF:
        return 0
    return 1 if _OTHER_ENDINGS.fullmatch(ending) else 2


def _split_by_word(path: Path) -> tuple[str, bool] | None:
    """The split and whether it is a word of its own in the name."""
    name = unpacked_name(path)
    for word in reversed(_WORD_IN_NAME.findall(name)):
        if word in _SPLIT_OF:
            return _SPLIT_OF[word], True
    glued = _GLUED.search(Path(name).stem)
    return (_SPLIT_OF[glued[1]], False) if glued else None


def _best(candidates: list[_Candidate], split: str, folder: Path, repairs: Repairs) -> list[Path]:
    rank = min(candidate.rank for candidate in candidates)
    usual = [candidate for candidate in candidates if candidate.rank == rank]
    best = [c.path for c in usual if c.whole_word] or [c.path for c in usual]
    for candidate in candidates:
        if candidate.rank > rank:
            repairs.note(f"file {candidate.path.name!r} left out: {best[0].name!r} is the {split} split")
    if len(best) > 1 and not all(_SHARD.search(Path(unpacked_name(path)).stem) for path in best):
        names = ", ".join(path.name for path in best)
        raise CorpusError(f"more than one file for {split}: {names}; read one of them by its path", path=folder)
    return best


def _inner_files(folder: Path, paths: list[Path]) -> dict[str, list[Path]]:
    """Files that speak of no split: brat's are the train split, or a folder for each split has brat's or tables."""
    here = [path for path in paths if path.suffix == ".ann"]
    if here:
        return {"train": here}
    files: dict[str, list[Path]] = {}
    for path in paths:
        if path.is_dir() and path.name.lower() in _SPLIT_OF:
            inside = [file for file in sorted(path.iterdir()) if file.suffix in (".ann", ".arrow", ".parquet")]
            files.setdefault(_SPLIT_OF[path.name.lower()], []).extend(inside)
    return {split: files[split] for split in SPLITS if files.get(split)}
