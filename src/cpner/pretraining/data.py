"""Pretraining data: labelled sentences and plain text as flat arrays, and batches drawn from them by number.

Batch number i depends on the seed and i alone: any number of workers or devices, and a resumed run, see the same
batches. Sentences of about the same length share a batch, and a batch holds a fixed number of pieces.
"""

from __future__ import annotations

import json
import lzma
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from cpner.corpus.sentence import Sentence, Span
from cpner.corpus.words import split_words
from cpner.errors import CorpusError
from cpner.grammar import Grammar
from cpner.instructor import Instructor, Vocabulary
from cpner.pretraining.renaming import GROUP_OF, coarsen, rename

Array = NDArray[Any]
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
    origin: Array  # [sentences]
    spans: Array  # [entities, 3] start word, end word, type number
    span_bounds: Array  # [sentences + 1]

    def sentence(self, i: int, change: Callable[[str], str] = str) -> tuple[list[str], list[tuple[int, int, str]]]:
        """Words and typed word spans of sentence i; `change` is applied to each word."""
        words = [change(self.words[w]) for w in self.text[self.bounds[i] : self.bounds[i + 1]]]
        spans = self.spans[self.span_bounds[i] : self.span_bounds[i + 1]]
        return words, [(int(a), int(b), self.types[t]) for a, b, t in spans]

    def __len__(self) -> int:
        return len(self.origin)

    def part(self, chosen: Array) -> Pool:
        """The pool with these sentences only."""
        text = [self.text[self.bounds[i] : self.bounds[i + 1]] for i in chosen]
        spans = [self.spans[self.span_bounds[i] : self.span_bounds[i + 1]] for i in chosen]
        return Pool(
            self.words,
            self.types,
            self.files,
            self.groups,
            self.file_types,
            text=np.concatenate(text),
            bounds=_bounds(text),
            origin=self.origin[chosen],
            spans=np.concatenate(spans),
            span_bounds=_bounds(spans),
        )


def open_lines(path: Path) -> Iterator[str]:
    """Lines of a text file, packed with xz or plain."""
    opener = lzma.open if path.suffix == ".xz" else open
    try:
        with opener(path, "rt", encoding="utf-8") as lines:
            yield from lines
    except (OSError, lzma.LZMAError, UnicodeDecodeError) as error:
        raise CorpusError(f"can't be read: {error}", path=path) from error


def in_turn(streams: Sequence[tuple[int, Iterator[str]]]) -> Iterator[str]:
    """Lines of all streams in turn, so many of each at a time, until all are exhausted."""
    left = list(streams)
    while left:
        for count, stream in list(left):
            lines = list(islice(stream, count))
            yield from lines
            if len(lines) < count:
                left.remove((count, stream))


def read_pool(folder: Path) -> Pool:
    """Read every `NAME.jsonl` or `NAME.jsonl.xz` of a folder; `types.json` gives each file's complete types."""
    paths = sorted(p for p in folder.glob("*.jsonl*"))
    if not paths:
        raise CorpusError("no labelled file (NAME.jsonl or NAME.jsonl.xz) in this folder", path=folder)
    listed = json.loads((folder / "types.json").read_text("utf-8")) if (folder / "types.json").is_file() else {}
    words: dict[str, int] = {}
    types: dict[str, int] = {}
    text, spans, origin, groups, file_types = [], [], [], [], []
    for number, path in enumerate(paths):
        name = path.name.split(".")[0]
        seen: dict[str, None] = {}
        group = {t: g for t, g in GROUP_OF.items() if t != g} if name in _COMPLETE else {}
        for line in open_lines(path):
            record = json.loads(line)
            entities = sorted((e["start"], e["end"], e["type"]) for e in record["entities"])
            offsets = split_words(record["text"], [x for start, end, _ in entities for x in (start, end)])
            starts, ends = {a: i for i, (a, _) in enumerate(offsets)}, {b: i + 1 for i, (_, b) in enumerate(offsets)}
            origin.append(number)
            text.append(np.array([words.setdefault(record["text"][a:b], len(words)) for a, b in offsets], np.int32))
            rows = [(starts[a], ends[b], types.setdefault(t, len(types))) for a, b, t in entities]
            spans.append(np.array(rows, np.int32).reshape(-1, 3))
            for entity in record["entities"]:
                seen[entity["type"]] = None
                if entity.get("coarse", entity["type"]) != entity["type"]:
                    group[entity["type"]] = entity["coarse"]
        groups.append(group)
        file_types.append(listed.get(name, {}).get("types") or sorted(seen))
    return Pool(
        list(words),
        list(types),
        [p.name.split(".")[0] for p in paths],
        groups,
        file_types,
        text=np.concatenate(text),
        bounds=_bounds(text),
        origin=np.array(origin, np.int16),
        spans=np.concatenate(spans),
        span_bounds=_bounds(spans),
    )


def encode_text(paths: Sequence[Path], vocabulary: Vocabulary, limit: int | None = None) -> tuple[Array, Array]:
    """Plain text as pieces: flat piece ids, and where each line begins. Lines are taken from all files in turn."""
    rows = []
    for line in islice(in_turn([(1, open_lines(path)) for path in paths]), limit):
        pieces = [p for a, b in split_words(line) for p in vocabulary.word(line[a:b])]
        rows.append(np.array(pieces, np.uint16 if vocabulary.size < 65536 else np.int32))
    return np.concatenate(rows), _bounds(rows)


@dataclass(frozen=True)
class DataConfig:
    """How pretraining batches are drawn."""

    batch_pieces: int = 8192  # source pieces of a batch, padding included
    text_share: float = 0.15  # share of batches that are span corruption of plain text
    max_source: int = 256  # longest source in pieces
    max_options: int = 16  # types offered with a sentence, its own included
    drop: float = 0.08  # probability that a type of the sentence is not offered (and its entities are not wanted)
    merged: float = 0.2  # probability that a group's types all become the group, see `renaming.coarsen`
    mixed: float = 0.2
    rename: float = 0.2  # probability of a synonym
    lower: float = 0.1  # probability that a sentence is lower-cased, as in spoken queries
    balance: float = 0.7  # a file of n sentences is drawn in proportion to n ** balance
    noise: float = 0.15  # share of text corrupted (T5's)
    mean_span: int = 3  # mean pieces of a corrupted span (T5's)
    text_pieces: int = 128  # pieces of a text example before corruption
    biased: float = 0.5  # share of corrupted spans that begin at a capitalised word
    seed: int = 0


@dataclass
class Batch:
    """A batch as tensors. With a grammar, targets are candidate indices; else piece ids (-1 at padding)."""

    source: Tensor  # [B, S] piece ids
    mask: Tensor  # [B, S]
    inputs: Tensor  # [B, T] decoder input
    labels: Tensor  # [B, T]
    candidates: Tensor | None  # [B, C]
    real: Tensor | None  # [B, C]


class Batches(Dataset[Batch]):
    """Batches by number.

    Args:
        pool: labelled sentences.
        text: pieces and line bounds of plain text; None for none.
        vocabulary: the tokenizer's.
        config: how to draw.
        length: how many batches there are.
    """

    def __init__(
        self, pool: Pool, text: tuple[Array, Array] | None, vocabulary: Vocabulary, config: DataConfig, length: int
    ) -> None:
        self.pool, self.text, self.vocabulary, self.config, self.length = pool, text, vocabulary, config, length
        self.instructor = Instructor(vocabulary)
        counts = np.bincount(pool.origin, minlength=len(pool.files)).astype(float)
        weight = (counts ** (config.balance - 1.0))[pool.origin]  # of one sentence, by its file
        words = np.diff(pool.bounds)
        edges = [0, 8, 14, 20, 26, 34, 44, 60, 90, 10**6]
        self.bins: list[tuple[int, Array, Array]] = []
        chances = []
        for low, high in pairwise(edges):
            chosen = np.flatnonzero((words > low) & (words <= high) & (words <= config.max_source // 2))
            if len(chosen):
                own = weight[chosen]
                rows = max(1, config.batch_pieces // int(min(high, 90) * 1.5 + 34))
                self.bins.append((rows, chosen, np.cumsum(own) / own.sum()))
                chances.append(own.sum() / rows)
        self.chances = np.cumsum(chances) / np.sum(chances)
        marks = [t.startswith("▁") for t in _pieces(vocabulary)]
        capital = [t.startswith("▁") and t[1:2].isupper() for t in _pieces(vocabulary)]
        self.starts_word, self.capital = np.array(marks), np.array(capital)
        self.sentinels = [vocabulary.tokenizer.convert_tokens_to_ids(f"<extra_id_{i}>") for i in range(100)]

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, number: int) -> Batch:
        if number >= self.length:
            raise IndexError(number)
        rng = np.random.default_rng([self.config.seed, number])
        if self.text is not None and rng.random() < self.config.text_share:
            return self._text_batch(rng)
        rows, chosen, cumulative = self.bins[int(np.searchsorted(self.chances, rng.random()))]
        picked = chosen[np.searchsorted(cumulative, rng.random(rows))]
        return self.entity_batch([self.example(int(i), rng) for i in picked])

    def example(self, i: int, rng: np.random.Generator) -> tuple[Sentence, list[str]]:
        """Sentence i with the types it is offered."""
        c, pool = self.config, self.pool
        words, spans = pool.sentence(i, str.lower if rng.random() < c.lower else str)
        file = pool.origin[i]
        called = coarsen(pool.file_types[file], pool.groups[file], rng, merged=c.merged, mixed=c.mixed)
        present = list(dict.fromkeys(called[t] for _, _, t in spans))
        others = list(dict.fromkeys(name for name in called.values() if name not in present))
        kept = [t for t in present if rng.random() >= c.drop]
        room = max(0, min(len(others), c.max_options - len(kept)))
        least = 0 if kept else min(1, room)
        extra = rng.choice(len(others), size=int(rng.integers(least, room + 1)), replace=False) if room else []
        options = [*kept, *(others[j] for j in extra)]
        rng.shuffle(options)
        names = rename(options, rng, c.rename)
        wanted = [Span(a, b, names[called[t]]) for a, b, t in spans if called[t] in names]
        return Sentence.from_words(words, wanted), list(names.values())

    def entity_batch(self, examples: Sequence[tuple[Sentence, list[str]]]) -> Batch:
        """Sentences with their options as a batch of the recognition task."""
        sources = [self.instructor.source(sentence, types) for sentence, types in examples]
        pairs = [
            (source, self.instructor.target(source, sentence))
            for source, (sentence, _) in zip(sources, examples, strict=True)
            if len(source.ids) <= self.config.max_source
        ]
        grammar = Grammar.build([source for source, _ in pairs], self.vocabulary)
        labels = grammar.index([target for _, target in pairs], self.vocabulary)
        ids = [source.ids for source, _ in pairs]
        return self._batch(ids, [target for _, target in pairs], labels, grammar.candidates, grammar.real)

    def _text_batch(self, rng: np.random.Generator) -> Batch:
        assert self.text is not None
        pieces, bounds = self.text
        sources, targets = [], []
        for _ in range(max(1, self.config.batch_pieces // self.config.text_pieces)):
            line = int(rng.integers(len(bounds) - 1))
            start, end = int(bounds[line]), int(bounds[line + 1])
            room = max(0, end - start - self.config.text_pieces)
            start += int(rng.integers(room + 1))
            source, target = self._corrupt(pieces[start : min(end, start + self.config.text_pieces)], rng)
            sources.append(source)
            targets.append(target)
        labels = _pad(targets, -1)
        return self._batch(sources, targets, labels, None, None)

    def _corrupt(self, pieces: Array, rng: np.random.Generator) -> tuple[list[int], list[int]]:
        """T5's span corruption on whole words; some spans begin at capitalised words, which are often names."""
        c = self.config
        begins = np.flatnonzero(self.starts_word[pieces])
        capital = np.flatnonzero(self.capital[pieces] & (np.arange(len(pieces)) > 0))
        hidden = np.zeros(len(pieces), bool)
        for _ in range(max(1, round(len(pieces) * c.noise / c.mean_span))):
            places = capital if len(capital) and rng.random() < c.biased else begins
            if not len(places):
                break
            start = int(rng.choice(places))
            length = int(rng.integers(1, 2 * c.mean_span))
            later = begins[begins >= start + length]
            end = int(later[0]) if len(later) else len(pieces)
            if hidden[max(0, start - 1) : end + 1].any():
                continue
            hidden[start:end] = True
        source, target, sentinel = [], [], -1
        for i, piece in enumerate(pieces.tolist()):
            if hidden[i] and (i == 0 or not hidden[i - 1]):
                sentinel += 1
                source.append(self.sentinels[sentinel])
                target.append(self.sentinels[sentinel])
            (target if hidden[i] else source).append(piece)
        return [*source, self.vocabulary.eos], [*target, self.sentinels[sentinel + 1], self.vocabulary.eos]

    def _batch(
        self,
        sources: Sequence[Sequence[int]],
        targets: Sequence[Sequence[int]],
        labels: Tensor,
        candidates: Tensor | None,
        real: Tensor | None,
    ) -> Batch:
        source = _pad(sources, self.vocabulary.pad)
        lengths = torch.tensor([len(row) for row in sources])
        inputs = _pad([[self.vocabulary.pad, *row[:-1]] for row in targets], self.vocabulary.pad)
        return Batch(source, torch.arange(source.shape[1]) < lengths[:, None], inputs, labels, candidates, real)


def _pieces(vocabulary: Vocabulary) -> list[str]:
    return list(vocabulary.tokenizer.convert_ids_to_tokens(range(vocabulary.size)))


def _bounds(rows: Sequence[Array]) -> Array:
    return np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)


def _pad(rows: Sequence[Sequence[int]], value: int) -> Tensor:
    width = max(len(row) for row in rows)
    return torch.tensor([[*row, *[value] * (width - len(row))] for row in rows], dtype=torch.long)
