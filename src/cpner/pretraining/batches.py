"""Pretraining batches, drawn by number.

Batch number i depends on the seed and i alone: any number of workers or devices, and a resumed run, see the same
batches. The sentences of a group of batches are drawn together. They are dealt out by the lengths that their targets
and sources will have, about, so that little of a batch is padding. Drawing and dealing take milliseconds; rows are made
for one batch at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from torch.utils.data import Dataset

from cpner.corpus.mentions import replace_mentions
from cpner.corpus.sentence import Sentence, Span
from cpner.errors import CorpusError
from cpner.instructor import Instructor, Source, Vocabulary
from cpner.instructor.grammar import Grammar
from cpner.pretraining.config import DataConfig
from cpner.pretraining.distillation import WordBatch, Words
from cpner.pretraining.pool import Mentions, Pool
from cpner.pretraining.renaming import coarsen, rename
from cpner.pretraining.tagging import TaggedBatch
from cpner.pretraining.teacher import Teacher
from cpner.pretraining.text import Array, Text
from cpner.training.batch import Batch
from cpner.training.span_corruption import SpanCorruption

_OPEN = 200  # types beyond which a file is not marked with all of them: an absent one may be there unmarked
_FEW = 6  # absent types that a sentence of such a file is offered at most
_SIGNS = 4  # pieces of an entity in a target beside its type and its mention: brackets, colon, comma after an option
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
        teacher: a BERT that reads the same text in batches of its own; None if there are no such batches.
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
        teacher: Teacher | None = None,
    ) -> None:
        self.teacher = teacher
        self.words = None if teacher is None else Words(vocabulary)
        self.text = text
        self.vocabulary = vocabulary
        self.config = config
        self.length = length
        self.align = align
        self.prompt = Instructor(vocabulary, ())
        self.sentences = None if pool is None else _Sentences(pool, config, vocabulary)
        self.corrupt: SpanCorruption | None = None
        if text is not None:
            self.corrupt = SpanCorruption(
                vocabulary, noise=config.noise, mean_span=config.mean_span, biased=config.biased
            )
        self._group: tuple[int, list[Drawn]] = (-1, [])  # the one that is being dealt out

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, number: int) -> Batch:
        if number >= self.length:
            raise IndexError(number)
        rng = np.random.default_rng([self.config.seed, number])
        batch = self._draw(number, rng)
        return batch.aligned(self.vocabulary.pad) if self.align else batch

    def _draw(self, number: int, rng: np.random.Generator) -> Batch:
        position = number / self.length
        drawn = 0.0 if self.text is None or self.sentences is None else rng.random()
        if self.teacher is not None and drawn >= 1 - self.config.distilled_at(position):
            return self._word_batch(rng)
        if self.sentences is None or (self.text is not None and drawn < self.config.share_at(position)):
            return self._text_batch(rng)
        return self._entity_batch(self._rows(self.sentences, number, rng))

    def entity_batch(self, examples: Sequence[Example]) -> TaggedBatch:
        """Sentences with their options as a batch of the recognition task."""
        return self._entity_batch([self._row(example) for example in examples])

    def _row(self, example: Example) -> Row:
        source = self.prompt.source(*example)
        return Row(source, self.prompt.target(source, example[0]), example[0].spans)

    def _entity_batch(self, rows: Sequence[Row]) -> TaggedBatch:
        sources = [row.source for row in rows]
        grammars = [Grammar(source) for source in sources]
        targets = [row.target for row in rows]
        batch = Batch.build([source.ids for source in sources], targets, self.vocabulary, grammars)
        return TaggedBatch.tag(batch, sources, [row.spans for row in rows])

    def _rows(self, sentences: _Sentences, number: int, rng: np.random.Generator) -> list[Row]:
        """The rows of a batch; one that is too long has no absent types, or is left out if that is not enough."""
        group, place = divmod(number, self.config.group)
        if self._group[0] != group:
            self._group = group, sentences.deal(np.random.default_rng([self.config.seed, 0, group]))
        rows = []
        for sentence, types in sentences.examples(self._group[1][place], rng):
            row = self._row((sentence, types))
            if len(row.source.ids) > self.config.max_source:
                present = {span.type for span in sentence.spans}
                row = self._row((sentence, [name for name in types if name in present]))
            if len(row.source.ids) <= self.config.max_source:
                rows.append(row)
        if not rows:
            raise CorpusError(
                f"no sentence of a batch fits into {self.config.max_source} pieces: raise the setting data.max_source"
            )
        return rows

    def _text_batch(self, rng: np.random.Generator) -> Batch:
        assert self.corrupt is not None
        rows = [self.corrupt(pieces, rng) for pieces in self._passages(rng)]
        return Batch.build([source for source, _ in rows], [target for _, target in rows], self.vocabulary, None)

    def _word_batch(self, rng: np.random.Generator) -> Batch:
        assert self.words is not None and self.teacher is not None
        return WordBatch.of([self.words(pieces) for pieces in self._passages(rng)], self.vocabulary, self.teacher)

    def _passages(self, rng: np.random.Generator) -> Iterator[Array]:
        """Pieces of passages of plain text, as many as a batch has room for."""
        assert self.text is not None
        pieces, bounds = self.text
        for _ in range(max(1, self.config.batch_pieces // self.config.text_pieces)):
            line = int(rng.integers(len(bounds) - 1))
            start = int(bounds[line])
            end = int(bounds[line + 1])
            room = max(0, end - start - self.config.text_pieces)
            start += int(rng.integers(room + 1))
            yield pieces[start : min(end, start + self.config.text_pieces)]


class Drawn(NamedTuple):
    """Sentences of a batch by number, and for each how many of the types that it lacks are offered, from 0 to 1."""

    numbers: Array
    absent: Array


class _Sentences:
    """Draws labelled sentences, and for each the types it is offered."""

    def __init__(self, pool: Pool, config: DataConfig, vocabulary: Vocabulary) -> None:
        self.pool = pool
        self.config = config
        self.mentions = Mentions(pool)
        vocabulary.learn(pool.words)  # before worker processes are forked, so that they share it
        pieces = np.concatenate([[0], np.cumsum(np.array([len(vocabulary.word(w)) for w in pool.words])[pool.text])])
        per_type = np.array([np.mean([len(vocabulary.phrase(t)) for t in types] or [0]) for types in pool.file_types])
        self.per_type = per_type[pool.origin] + 1  # [sentences] pieces of an option, on average
        self.known = np.array([len(types) for types in pool.file_types])[pool.origin]
        self.present = self.mentions.types_of_sentences()
        entities = np.diff(pool.span_bounds)
        mentioned = np.concatenate([[0], np.cumsum(np.diff(pieces[self.mentions.places])[:, 0])])[pool.span_bounds]
        self.target = np.diff(mentioned) + entities * (self.per_type + _SIGNS)  # [sentences] pieces, about
        self.source = np.diff(pieces[pool.bounds]) + Instructor(vocabulary, ()).overhead

        counts = np.bincount(pool.origin, minlength=len(pool.files)).astype(float)
        weight = (np.maximum(counts, 1) ** (config.balance - 1.0))[pool.origin]  # of one sentence, by its file
        weight = weight * (0.4 + config.dense * np.minimum(6, entities)) * (np.diff(pool.bounds) > 0)
        weight = weight * (self.source + self.present * self.per_type <= config.max_source)
        if not weight.any():
            raise CorpusError(
                f"no labelled sentence fits into {config.max_source} pieces: raise the setting data.max_source"
            )
        self.cumulative = np.cumsum(weight) / weight.sum()
        mean = float(weight @ self._lengths(np.arange(len(pool)), 0.5) / weight.sum())
        self.rows = max(1, int(config.batch_pieces / mean))  # sentences of a batch, on average

    def deal(self, rng: np.random.Generator) -> list[Drawn]:
        """The sentences of a group's batches."""
        count = self.rows * self.config.group
        numbers = np.searchsorted(self.cumulative, rng.random(count), side="right")
        absent = rng.random(count)
        dealt = deal(self._lengths(numbers, absent), self.target[numbers], self.config.group)
        return [Drawn(numbers[dealt[i]], absent[dealt[i]]) for i in rng.permutation(self.config.group)]

    def examples(self, drawn: Drawn, rng: np.random.Generator) -> Iterator[Example]:
        """The sentences of a batch."""
        for number, absent in zip(drawn.numbers.tolist(), drawn.absent.tolist(), strict=True):
            yield draw_example(self.pool, number, self.config, rng, self.mentions, absent)

    def _lengths(self, numbers: Array, absent: Array | float) -> Array:
        """Pieces of the sources of sentences, about."""
        present = self.present[numbers]
        room = np.maximum(0, np.minimum(self.known[numbers], self.config.max_options) - present)
        lengths: Array = self.source[numbers] + (present + absent * room) * self.per_type[numbers]
        return lengths.clip(max=self.config.max_source)


def deal(sources: Array, targets: Array, count: int) -> list[Array]:
    """Rows, given by their lengths, as so many batches of about as many source pieces.

    Rows of a batch are alike in both lengths.
    """
    bands = round(count**0.5)
    edges = [i * count // bands for i in range(bands + 1)]
    ordered = np.argsort(targets, kind="stable")
    bounds = _shares(sources[ordered], edges)
    batches: list[Array] = []
    for (first, last), (low, high) in zip(pairwise(edges), pairwise(bounds), strict=True):
        band = ordered[low:high]
        band = band[np.argsort(sources[band], kind="stable")]
        cuts = _shares(sources[band], range(last - first + 1))
        batches += [band[a:b] for a, b in pairwise(cuts)]
    return batches


def _shares(lengths: Array, edges: Sequence[int]) -> list[int]:
    """Where to cut a list, so that the sums of its parts are as the steps of the edges; no part is empty."""
    parts = len(edges) - 1
    total = np.cumsum(lengths)
    cuts = np.searchsorted(total, np.array(edges[1:-1]) / edges[-1] * total[-1]).tolist()
    least = [max(cut, i) for i, cut in enumerate(cuts, 1)]
    return [0, *(min(cut, len(lengths) - parts + i) for i, cut in enumerate(least, 1)), len(lengths)]


def draw_example(
    pool: Pool,
    i: int,
    config: DataConfig,
    rng: np.random.Generator,
    mentions: Mentions | None = None,
    absent: float | None = None,
) -> Example:
    """Sentence i with the types it is offered, some of them merged, renamed, left out or added.

    Args:
        mentions: some of the sentence's mentions are replaced by others of these with the same fine type.
        absent: how many of the types that the sentence lacks are offered, from 0 to 1; None to draw it.
    """
    change = str.lower if rng.random() < config.lower else str
    words, spans = pool.sentence(i, change)
    file = int(pool.origin[i])
    if mentions is not None and spans and config.replaced:
        sentence = Sentence.from_words(words, [Span(*span) for span in spans])
        other = replace_mentions(sentence, config.replaced, rng, partial(mentions.another, file, change))
        words = other.word_texts
        spans = list(other.spans)
    groups = pool.groups[file]
    called = coarsen(pool.file_types[file], groups, rng, merged=config.merged, mixed=config.mixed)
    present = list(dict.fromkeys(called[t] for _, _, t in spans))
    # "person" in a file that has kinds of persons may be any of these, unmarked: none is offered as if it were absent
    vague = {t for _, _, t in spans} & set(groups.values())
    known = list(dict.fromkeys(name for t, name in called.items() if groups.get(t) not in vague))
    options = _options(present, known, config, rng, absent)
    names = rename(options, rng, config.rename, config.plurals)
    wanted = [Span(a, b, names[called[t]]) for a, b, t in spans if called[t] in names]
    return Sentence.from_words(words, wanted), list(names.values())


def _options(
    present: list[str], known: list[str], config: DataConfig, rng: np.random.Generator, absent: float | None
) -> list[str]:
    """The sentence's types but for some, and some of its file's others, in any order; at least one if there is any."""
    others = [name for name in known if name not in present]
    is_open = len(known) > _OPEN
    asked = is_open or not config.unasked or rng.random() >= config.unasked
    offered = [t for t in present if asked and rng.random() >= config.drop]
    room = max(0, min(len(others), config.max_options - len(offered), _FEW if is_open else config.max_options))
    least = 0 if offered else min(1, room)
    count = int(rng.integers(least, room + 1)) if absent is None else max(least, int(absent * (room + 1)))
    options = [*offered, *(others[j] for j in rng.choice(len(others), size=count, replace=False).tolist())]
    rng.shuffle(options)
    return options
