"""Pretraining batches, drawn by number.

Batch number i depends on the seed and i alone: any number of workers or devices, and a resumed run, see the same
batches. Sentences of about the same length share a batch, and a batch holds a fixed number of pieces. A few batches
in a row are a group: their sentences are drawn together and dealt out by the length of source and target.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

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
from cpner.pretraining.text import Array, SpanCorruption, Text

_EDGES = (0, 8, 14, 20, 26, 34, 44, 60, 90, 10**6)  # words; the sentences of a batch lie between two of them
Example = tuple[Sentence, list[str]]  # a sentence and the types it is offered
Pair = tuple[Source, list[int]]  # a source and its target's pieces


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
        self._drawn: tuple[int, list[list[Pair]]] = (-1, [])

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, number: int) -> Batch:
        if number >= self.length:
            raise IndexError(number)
        group, place = divmod(number, self.config.group)
        rng = np.random.default_rng([self.config.seed, group])
        share = self.config.share_at(group * self.config.group / self.length)
        if self.sentences is None or (self.text is not None and rng.random() < share):
            batch = self._text_batch(np.random.default_rng([self.config.seed, group, place]))
        else:
            if self._drawn[0] != group:  # a worker that makes several batches of a group draws it once
                self._drawn = (group, self._draw_group(rng))
            batch = self._entity_batch(self._drawn[1][place])
        return batch.aligned(self.vocabulary.pad) if self.align else batch

    def entity_batch(self, examples: Sequence[Example]) -> Batch:
        """Sentences with their options as a batch of the recognition task."""
        return self._entity_batch([self._pair(example) for example in examples])

    def _pair(self, example: Example) -> Pair:
        source = self.instructor.source(*example)
        return source, self.instructor.target(source, example[0])

    def _entity_batch(self, pairs: Sequence[Pair]) -> Batch:
        sources = [source for source, _ in pairs]
        grammar = Grammar.build(sources, self.vocabulary)
        targets = [target for _, target in pairs]
        return Batch.build([source.ids for source in sources], targets, self.vocabulary, grammar)

    def _draw_group(self, rng: np.random.Generator) -> list[list[Pair]]:
        """The sentences of a group's batches, by length; those too long with their options are left out."""
        assert self.sentences is not None
        count = self.config.group
        for _ in range(100):
            drawn = self.sentences.draw(rng, count)
            pairs = [self._pair(example) for example in drawn]
            fitting = [pair for pair in pairs if len(pair[0].ids) <= self.config.max_source]
            if len(fitting) >= count:
                fitting.sort(key=lambda pair: (len(pair[1]) // 8, len(pair[0].ids)))
                edges = np.linspace(0, len(fitting), count + 1).astype(int)
                return [fitting[edges[i] : edges[i + 1]] for i in rng.permutation(count)]
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
        self.bins: list[tuple[int, Array, Array]] = []  # rows of a batch, sentences, their cumulative chances
        chances = []
        for low, high in pairwise(_EDGES):
            chosen = np.flatnonzero((words > low) & (words <= high) & (words <= config.max_source // 2))
            if len(chosen):
                own = weight[chosen]
                rows = max(1, config.batch_pieces // int(min(high, 90) * 1.5 + 34))
                self.bins.append((rows, chosen, np.cumsum(own) / own.sum()))
                chances.append(own.sum() / rows)
        if not chances:
            raise CorpusError(f"no labelled sentence has at most {config.max_source // 2} words: raise max_source")
        self.chances = np.cumsum(chances) / np.sum(chances)

    def draw(self, rng: np.random.Generator, count: int) -> list[Example]:
        """The sentences of so many batches."""
        rows, chosen, cumulative = self.bins[int(np.searchsorted(self.chances, rng.random()))]
        picked = chosen[np.searchsorted(cumulative, rng.random(rows * count))]
        return [draw_example(self.pool, int(i), self.config, rng) for i in picked]


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
