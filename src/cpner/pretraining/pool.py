"""Labelled sentences of several files as flat arrays."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from cpner.corpus.formats import Options, open_lines
from cpner.corpus.formats._records import check_inside, in_order
from cpner.corpus.repairs import Place, Repairs
from cpner.corpus.sentence import Mark, Sentence
from cpner.errors import CorpusError
from cpner.files import replacing
from cpner.pretraining.renaming import GROUP_OF, names_of
from cpner.pretraining.text import Array
from cpner.progress import Report, counted, ignore

_LEAST_MENTIONS = 10  # of a type until its name counts as known
_COMPLETE = ("few-nerd-66types", "multiconer2-en")  # files that list every type of the groups in `renaming.GROUPS`


@dataclass(frozen=True)
class Pool:
    """Labelled sentences of several files as flat arrays; words are numbers of a shared list."""

    words: list[str]
    types: list[str]
    files: list[str]
    groups: list[dict[str, str]]  # for each file, the coarse group of its types
    file_types: list[list[str]]  # for each file, its complete list of types
    text: Array  # word numbers of all sentences
    bounds: Array  # [sentences + 1] where each begins in `text`
    origin: Array  # [sentences] file number
    spans: Array  # [entities, 3] start word, end word, type number
    span_bounds: Array  # [sentences + 1] where each begins in `spans`

    def __len__(self) -> int:
        return len(self.origin)

    def names(self) -> set[str]:
        """What a backbone knows types by that has read these sentences, in lower case; rare types are left out."""
        counts = np.bincount(self.spans[:, 2], minlength=len(self.types))
        read = {type_ for type_, count in zip(self.types, counts, strict=True) if count >= _LEAST_MENTIONS}
        groups = {group for of_file in self.groups for type_, group in of_file.items() if type_ in read}
        return names_of(read, groups)

    def sentence(self, i: int, change: Callable[[str], str] = str) -> tuple[list[str], list[tuple[int, int, str]]]:
        """Words and typed word spans of sentence i; `change` is applied to each word."""
        words = [change(self.words[w]) for w in self.text[self.bounds[i] : self.bounds[i + 1]]]
        spans = self.spans[self.span_bounds[i] : self.span_bounds[i + 1]]
        return words, [(int(a), int(b), self.types[t]) for a, b, t in spans]

    def part(self, chosen: Array) -> Pool:
        """The pool with these sentences only; at least one."""
        text = [self.text[self.bounds[i] : self.bounds[i + 1]] for i in chosen]
        spans = [self.spans[self.span_bounds[i] : self.span_bounds[i + 1]] for i in chosen]
        return replace(self, origin=self.origin[chosen], **_flat(text, spans))

    def split(self, held_out: int, seed: int) -> tuple[Pool, Pool]:
        """Two pools: for training, and `held_out` sentences drawn at random, at most a tenth of all.

        Raises:
            CorpusError: there are fewer than ten sentences.
        """
        if len(self) < 10:
            raise CorpusError(f"{len(self)} labelled sentences are too few to train and measure on: 10 are the least")
        order = np.random.default_rng(seed).permutation(len(self))
        count = min(held_out, len(self) // 10)
        return self.part(np.sort(order[count:])), self.part(np.sort(order[:count]))

    def save(self, folder: Path) -> None:
        """Write `labelled.npz` and, last, `labelled.json`."""
        with replacing(folder / "labelled.npz") as file:
            arrays: dict[str, Any] = {k: v for k, v in vars(self).items() if isinstance(v, np.ndarray)}
            np.savez_compressed(file, **arrays)
        lists = {k: v for k, v in vars(self).items() if isinstance(v, list)}
        with replacing(folder / "labelled.json") as file:
            file.write(json.dumps(lists).encode())

    @classmethod
    def load(cls, folder: Path) -> Pool:
        """Read what `save` wrote."""
        return cls(**json.loads((folder / "labelled.json").read_text("utf-8")), **np.load(folder / "labelled.npz"))

    @staticmethod
    def saved(folder: Path) -> bool:
        """Whether a folder holds a pool."""
        return (folder / "labelled.json").is_file()


class Mentions:
    """The mentions of a pool by file and type."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.numbers = {name: i for i, name in enumerate(pool.types)}
        self.sentence = sentence = np.repeat(np.arange(len(pool)), np.diff(pool.span_bounds))  # [entities]
        self.places = pool.bounds[sentence, None] + pool.spans[:, :2]  # [entities, 2] start and end in `pool.text`
        kind = pool.origin[sentence].astype(np.int64) * len(pool.types) + pool.spans[:, 2]
        self.order = np.argsort(kind, kind="stable")
        self.bounds = np.searchsorted(kind[self.order], np.arange(len(pool.files) * len(pool.types) + 1))

    def types_of_sentences(self) -> Array:
        """[sentences] how many types occur in each."""
        pairs = np.unique(self.sentence * len(self.numbers) + self.pool.spans[:, 2])
        return np.bincount(pairs // max(1, len(self.numbers)), minlength=len(self.pool))

    def another(self, file: int, change: Callable[[str], str], type_: str, rng: np.random.Generator) -> list[str]:
        """The words of a mention of a type that its file has, each as often as it occurs there."""
        kind = file * len(self.numbers) + self.numbers[type_]
        start, end = self.places[self.order[rng.integers(self.bounds[kind], self.bounds[kind + 1])]]
        return [change(self.pool.words[w]) for w in self.pool.text[start:end]]


def labelled_files(folder: Path) -> list[Path]:
    """The files NAME.jsonl and NAME.jsonl.xz of a folder.

    Raises:
        CorpusError: there are none.
    """
    paths = sorted(p for p in folder.glob("*.jsonl*") if p.suffix in (".jsonl", ".xz"))
    if not paths:
        raise CorpusError("no labelled file (NAME.jsonl or NAME.jsonl.xz) in this folder", path=folder)
    return paths


def labelled_texts(path: Path) -> Iterator[str]:
    """The texts of a labelled file, without their entities.

    Raises:
        CorpusError: the file or a line of it can't be read.
    """
    for number, line in enumerate(open_lines(path), 1):
        try:
            yield json.loads(line)["text"]
        except (ValueError, KeyError, TypeError) as error:
            raise CorpusError("is no labelled sentence", path=path, line=number) from error


def read_pool(folder: Path, progress: Report = ignore) -> Pool:
    """Read every `NAME.jsonl` or `NAME.jsonl.xz` of a folder.

    A line is `{"text": str, "entities": [{"start", "end", "type"}]}`, with character offsets. An entity may name its
    `coarse` group too; the same entity twice counts once. `types.json` may give each file's complete types,
    `{NAME: {"types": [str]}}`.

    Args:
        folder: where the files lie.
        progress: called now and then with how many lines of a file are read.

    Raises:
        CorpusError: there is no such file, a line or `types.json` can't be read, entities overlap, or a type is not
            in the file's list in `types.json`.
    """
    listed = _listed_types(folder / "types.json")
    reader = _Reader()
    for path in labelled_files(folder):
        reader.read(path, listed, progress)
    return reader.pool()


def _listed_types(path: Path) -> dict[str, list[str]]:
    """The complete types of each file that has a list of them."""
    if not path.is_file():
        return {}
    try:
        listed = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise CorpusError(f"can't be read as JSON: {error}", path=path) from error
    form = '{"NAME": {"types": [str]}}'
    if not isinstance(listed, dict):
        raise CorpusError(f"is no table of types; expected {form}", path=path)
    lists: dict[str, list[str]] = {}
    for name, entry in listed.items():
        types = entry.get("types", []) if isinstance(entry, dict) else None
        if not isinstance(types, list) or not all(isinstance(type_, str) for type_ in types):
            raise CorpusError(f"has no list of types for {name!r}; expected {form}", path=path)
        lists[name] = types
    return lists


@dataclass
class _Reader:
    words: dict[str, int] = field(default_factory=dict)
    types: dict[str, int] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    groups: list[dict[str, str]] = field(default_factory=list)
    file_types: list[list[str]] = field(default_factory=list)
    text: list[Array] = field(default_factory=list)
    spans: list[Array] = field(default_factory=list)
    origin: list[int] = field(default_factory=list)

    def read(self, path: Path, listed: dict[str, list[str]], progress: Report) -> None:
        """Add a file."""
        name = path.name.split(".")[0]
        group = {t: g for t, g in GROUP_OF.items() if t != g} if name in _COMPLETE else {}
        known = set(listed.get(name, ()))
        seen: set[str] = set()
        for number, line in enumerate(counted(open_lines(path), progress, f"reading {path.name}", "lines"), 1):
            place = Place(path, number)
            try:
                record = json.loads(line)
                marks: list[Mark] = [(e["start"], e["end"], e["type"]) for e in record["entities"]]
                for mark in marks:
                    check_inside(mark, len(record["text"]), place, "character")
                self._add(record["text"], in_order(marks, place, "character", Repairs(), Options()))
            except CorpusError:
                raise
            except (ValueError, KeyError, TypeError) as error:
                hint = '{"text": str, "entities": [{"start", "end", "type"}]}'
                raise CorpusError(f"is no labelled sentence; expected {hint}", path=path, line=number) from error
            self.origin.append(len(self.files))
            for entity in record["entities"]:
                seen.add(entity["type"])
                if known and entity["type"] not in known:
                    raise place.error(f"the type {entity['type']!r} is not in the list of {name!r} in types.json")
                if entity.get("coarse", entity["type"]) != entity["type"]:
                    group[entity["type"]] = entity["coarse"]
        self.files.append(name)
        self.groups.append(group)
        self.file_types.append(listed.get(name) or sorted(seen))

    def _add(self, text: str, entities: Sequence[Mark]) -> None:
        sentence = Sentence.cut_at_entities(text, entities)
        rows = [(start, end, self.types.setdefault(t, len(self.types))) for start, end, t in sentence.spans]
        words = [self.words.setdefault(word, len(self.words)) for word in sentence.word_texts]
        self.text.append(np.array(words, np.int32))
        self.spans.append(np.array(rows, np.int32).reshape(-1, 3))

    def pool(self) -> Pool:
        """All that was added."""
        lists = (list(self.words), list(self.types), self.files, self.groups, self.file_types)
        return Pool(*lists, origin=np.array(self.origin, np.int16), **_flat(self.text, self.spans))


def _flat(text: Sequence[Array], spans: Sequence[Array]) -> dict[str, Any]:
    """Words and spans of sentences as the arrays of a pool."""

    def bounds(rows: Sequence[Array]) -> Array:
        return np.cumsum([0, *(len(row) for row in rows)], dtype=np.int64)

    return {
        "text": np.concatenate(text),
        "bounds": bounds(text),
        "spans": np.concatenate(spans),
        "span_bounds": bounds(spans),
    }
