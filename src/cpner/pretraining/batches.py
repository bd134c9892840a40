"""Pretraining batches, drawn by number.

Batch number i depends on the seed and i alone: any number of workers or devices, and a resumed run, see the same
batches. The sentences of a group of batches are drawn together and dealt out by the length of target and source, so
that little of a batch is padding. Several groups are woven into one another: neighbouring batches are of different
groups, and each worker meets few groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from torch.utils.data import Dataset

from cpner.backbone.batch import Batch
from cpner.corpus.sentence import Sentence, Span
from cpner.errors import CorpusError
from cpner.grammar import Grammar
from cpner.instructor import Instructor, Source, Vocabulary
from cpner.pretraining.config import DataConfig
from cpner.pretraining.pool import Pool
from cpner.pretraining.renaming import coarsen, rename
from cpner.pretraining.tagging import TaggedBatch
from cpner.pretraining.text import SpanCorruption, Text

_WOVEN = 8  # groups whose batches take turns
_SAMPLE = 200  # sentences whose mean length tells how many make a batch
Example = tuple[Sentence, list[str]]  # a sentence and the types it is offered


class Row(NamedTuple):
    """A sentence as it is learnt from: its source, its target's pieces, its entities."""

    source: Source
    target: list[int]
    spans: Sequence[Span]


class Batches(Dataset[Batch]):
    """Batches by number.

    Args:
        pool: labelled sentences; None if every batch is text.
        text: pieces of plain text; None if no batch is.
        vocabulary: the tokenizer's.
        config: how to draw.
        length: how many batches the run has.
        align: whether widths are rounded up, see `Batch.aligned`.
    """

    def __init__(
        self,
        pool: Pool | None,
        text: Text | None,
        vocabulary: Vocabulary,
        config: DataConfig,
        length: int,
        *,
        align: bool = False,
    ) -> None:
        self.text, self.vocabulary, self.config, self.length, self.align = text, vocabulary, config, length, align
        self.instructor = Instructor(vocabulary)
        self.sentences = None if pool is None else _Sentences(pool, config)
        self.corrupt = None if text is None else SpanCorruption(vocabulary, config)
        self._drawn: dict[int, list[list[Row]]] = {}  # the groups that are being dealt out

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, number: int) -> Batch:
        if number >= self.length:
            raise IndexError(number)
        turn, place = divmod(number // _WOVEN, self.config.group)
        group = turn * _WOVEN + number % _WOVEN
        rng = np.random.default_rng([self.config.seed, group, place])
        if not self.sentences or (self.text is not None and rng.random() < self.config.share_at(number / self.length)):
            batch: Batch = self._text_batch(rng)
        else:
            batch = self._entity_batch(self._group(group)[place])
        return batch.aligned(self.vocabulary.pad) if self.align else batch

    def entity_batch(self, examples: Sequence[Example]) -> TaggedBatch:
        """Sentences with their options as a batch of the recognition task."""
        return self._entity_batch([self._row(example) for example in examples])

    def _row(self, example: Example) -> Row:
        source = self.instructor.source(*example)
        return Row(source, self.instructor.target(source, example[0]), example[0].spans)

    def _entity_batch(self, rows: Sequence[Row]) -> TaggedBatch:
        sources = [row.source for row in rows]
        grammar = Grammar.build(sources, self.vocabulary)
        targets = [row.target for row in rows]
        batch = Batch.build([source.ids for source in sources], targets, self.vocabulary, grammar)
        return TaggedBatch.tag(batch, sources, [row.spans for row in rows])

    def _group(self, number: int) -> list[list[Row]]:
        """The sentences of a group's batches."""
        if number not in self._drawn:
            self._drawn = {n: rows for n, rows in self._drawn.items() if n // _WOVEN == number // _WOVEN}
            rng = np.random.default_rng([self.config.seed, number])
            dealt = deal(self._draw(rng, self._rows * self.config.group), self.config.group)
            self._drawn[number] = [dealt[i] for i in rng.permutation(self.config.group)]
        return self._drawn[number]

    @cached_property
    def _rows(self) -> int:
        """Sentences of a batch, on average."""
        mean = np.mean([len(row.source.ids) for row in self._draw(np.random.default_rng(0), _SAMPLE)])
        return max(1, int(self.config.batch_pieces / mean))

    def _draw(self, rng: np.random.Generator, count: int) -> list[Row]:
        """So many sentences; those too long with their options are left out, and others take their places."""
        assert self.sentences is not None
        rows: list[Row] = []
        for _ in range(100):
            drawn = [self._row(example) for example in self.sentences.draw(rng, count - len(rows))]
            rows += [row for row in drawn if len(row.source.ids) <= self.config.max_source]
            if len(rows) == count:
                return rows
        raise CorpusError(f"hardly a labelled sentence fits into {self.config.max_source} pieces: raise max_source")

    def _text_batch(self, rng: np.random.Generator) -> Batch:
        assert self.text is not None and self.corrupt is not None
        pieces, bounds = self.text
        sources, targets = [], []
        for _ in range(max(1, self.config.batch_pieces // self.config.text_pieces)):
            line = int(rng.integers(len(bounds) - 1))
            start, end = int(bounds[line]), int(bounds[line + 1])
            room = max(0, end - start - self.config.text_pieces)
            start += int(rng.integers(room + 1))
            source, target = self.corrupt(pieces[start : min(end, start + self.config.text_pieces)], rng)
            sources.append(source)
            targets.append(target)
        return Batch.build(sources, targets, self.vocabulary, None)


class _Sentences:
    """Draws labelled sentences, and for each the types it is offered."""

    def __init__(self, pool: Pool, config: DataConfig) -> None:
        self.pool, self.config = pool, config
        counts = np.bincount(pool.origin, minlength=len(pool.files)).astype(float)
        weight = (np.maximum(counts, 1) ** (config.balance - 1.0))[pool.origin]  # of one sentence, by its file
        weight = weight * (0.4 + config.dense * np.minimum(6, np.diff(pool.span_bounds)))
        words = np.diff(pool.bounds)
        weight = weight * ((words > 0) & (words <= config.max_source // 2))
        if not weight.any():
            raise CorpusError(f"no labelled sentence has at most {config.max_source // 2} words: raise max_source")
        self.cumulative = np.cumsum(weight) / weight.sum()

    def draw(self, rng: np.random.Generator, count: int) -> list[Example]:
        """So many sentences."""
        picked = np.searchsorted(self.cumulative, rng.random(count), side="right")
        return [draw_example(self.pool, int(i), self.config, rng) for i in picked]


def deal(rows: Sequence[Row], count: int) -> list[list[Row]]:
    """Rows as so many batches of about as many source pieces; those of a batch are alike in both their lengths."""
    bands = round(count**0.5)
    edges = [i * count // bands for i in range(bands + 1)]
    ordered = sorted(rows, key=lambda row: len(row.target))
    bounds = _shares([len(row.source.ids) for row in ordered], edges)
    batches: list[list[Row]] = []
    for own, (low, high) in zip(pairwise(edges), pairwise(bounds), strict=True):
        band = sorted(ordered[low:high], key=lambda row: len(row.source.ids))
        cuts = _shares([len(row.source.ids) for row in band], range(own[1] - own[0] + 1))
        batches += [band[a:b] for a, b in pairwise(cuts)]
    return batches


def _shares(lengths: Sequence[int], edges: Sequence[int]) -> list[int]:
    """Where to cut a list, so that the sums of its parts are as the steps of the edges; no part is empty."""
    parts = len(edges) - 1
    total = np.cumsum(lengths)
    cuts = np.searchsorted(total, np.array(edges[1:-1]) / edges[-1] * total[-1]).tolist()
    least = [max(cut, i) for i, cut in enumerate(cuts, 1)]
    return [0, *(min(cut, len(lengths) - parts + i) for i, cut in enumerate(least, 1)), len(lengths)]


def draw_example(pool: Pool, i: int, config: DataConfig, rng: np.random.Generator) -> Example:
    """Sentence i with the types it is offered, some of them merged, renamed, left out or added."""
    words, spans = pool.sentence(i, str.lower if rng.random() < config.lower else str)
    file = pool.origin[i]
    called = coarsen(pool.file_types[file], pool.groups[file], rng, merged=config.merged, mixed=config.mixed)
    present = list(dict.fromkeys(called[t] for _, _, t in spans))
    options = _options(present, list(dict.fromkeys(called.values())), config, rng)
    names = rename(options, rng, config.rename)
    wanted = [Span(a, b, names[called[t]]) for a, b, t in spans if called[t] in names]
    return Sentence.from_words(words, wanted), list(names.values())


def _options(present: list[str], known: list[str], config: DataConfig, rng: np.random.Generator) -> list[str]:
    """The sentence's types but for some, and some of its file's others, in any order; at least one if there is any."""
    others = [name for name in known if name not in present]
    kept = [t for t in present if rng.random() >= config.drop]
    room = max(0, min(len(others), config.max_options - len(kept)))
    least = 0 if kept else min(1, room)
    extra = rng.choice(len(others), size=int(rng.integers(least, room + 1)), replace=False).tolist() if room else []
    options = [*kept, *(others[j] for j in extra)]
    rng.shuffle(options)
    return options
