"""Plain text for pretraining: lines of packed files, lines as pieces, and T5's span corruption."""

from __future__ import annotations

import lzma
import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cpner.corpus.files import check_utf8
from cpner.corpus.words import split_words
from cpner.errors import CorpusError
from cpner.instructor import Vocabulary
from cpner.pretraining.config import DataConfig

Array = NDArray[Any]
Text = tuple[Array, Array]  # flat piece ids, and [lines + 1] where each line begins

_SENTINELS = 100
_LINES = 2000  # that a process encodes at a time
_LOWER = 10  # every tenth line is lower-cased, as spoken queries are


def open_lines(path: Path) -> Iterator[str]:
    """Lines of a text file, packed with xz or plain.

    Raises:
        CorpusError: the file can't be read, or is not UTF-8.
    """
    opener = lzma.open if path.suffix == ".xz" else open
    try:
        with opener(path, "rt", encoding="utf-8") as lines:
            yield from lines
    except UnicodeDecodeError as error:
        with opener(path, "rb") as raw:
            for number, line in enumerate(raw, 1):
                check_utf8(line, path, number)
        raise CorpusError(f"can't be read: {error}", path=path) from error
    except (OSError, EOFError, lzma.LZMAError) as error:
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


def encode_text(paths: Sequence[Path], vocabulary: Vocabulary, limit: int | None = None, *, workers: int = 0) -> Text:
    """Plain text as pieces, every tenth line in lower case.

    Args:
        paths: files of one paragraph a line; lines are taken from all of them in turn.
        vocabulary: the tokenizer's.
        limit: lines to take; None for all.
        workers: processes that encode; the result does not depend on it.
    """
    lines = islice(in_turn([(1, open_lines(path)) for path in paths]), limit)
    chunks = iter(lambda: list(islice(lines, _LINES)), [])
    encoder = _Encoder(vocabulary)
    if workers > 0:
        with multiprocessing.Pool(workers, _install, (encoder,)) as pool:
            encoded = list(pool.imap(_encode, chunks))
    else:
        encoded = [encoder(chunk) for chunk in chunks]
    lengths = np.concatenate([[0], *(lengths for _, lengths in encoded)])
    pieces = [pieces for pieces, _ in encoded]
    return np.concatenate(pieces) if pieces else np.zeros(0, encoder.dtype), np.cumsum(lengths, dtype=np.int64)


class _Encoder:
    """Lines as flat piece ids and the number of pieces of each line."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.dtype = np.uint16 if vocabulary.size < 65536 else np.int32

    def __call__(self, lines: Iterable[str]) -> Text:
        word = self.vocabulary.word
        cased = (line if i % _LOWER else line.lower() for i, line in enumerate(lines))
        rows = [[piece for a, b in split_words(line) for piece in word(line[a:b])] for line in cased]
        return np.array([piece for row in rows for piece in row], self.dtype), np.array([len(row) for row in rows])


_installed: list[Callable[[Iterable[str]], Text]] = []  # a worker process's encoder


def _install(encoder: _Encoder) -> None:
    _installed.append(encoder)


def _encode(lines: list[str]) -> Text:
    return _installed[0](lines)


class SpanCorruption:
    """T5's span corruption on whole words; some spans begin at capitalised words, which are often names.

    Args:
        vocabulary: the tokenizer's, with the sentinels `<extra_id_0>` and so on.
        config: `noise`, `mean_span` and `biased` are used.
    """

    def __init__(self, vocabulary: Vocabulary, config: DataConfig) -> None:
        pieces = vocabulary.tokenizer.convert_ids_to_tokens(range(vocabulary.size))
        self.config, self.eos = config, vocabulary.eos
        self.starts_word = np.array([piece.startswith("▁") for piece in pieces])
        self.capital = np.array([piece.startswith("▁") and piece[1:2].isupper() for piece in pieces])
        names = [f"<extra_id_{i}>" for i in range(_SENTINELS)]
        self.sentinels: list[int] = [vocabulary.tokenizer.convert_tokens_to_ids(name) for name in names]

    def __call__(self, pieces: Array, rng: np.random.Generator) -> tuple[list[int], list[int]]:
        """Hide spans: the source has a sentinel for each, the target each sentinel with what it hides."""
        hidden = self._hide(pieces, rng)
        source: list[int] = []
        target: list[int] = []
        sentinel = -1
        for i, piece in enumerate(pieces.tolist()):
            if hidden[i] and (i == 0 or not hidden[i - 1]):
                sentinel += 1
                source.append(self.sentinels[sentinel])
                target.append(self.sentinels[sentinel])
            (target if hidden[i] else source).append(piece)
        return [*source, self.eos], [*target, self.sentinels[sentinel + 1], self.eos]

    def _hide(self, pieces: Array, rng: np.random.Generator) -> Array:
        """[pieces] which are hidden, in spans that never touch."""
        c = self.config
        begins = np.flatnonzero(self.starts_word[pieces])
        capital = np.flatnonzero(self.capital[pieces] & (np.arange(len(pieces)) > 0))
        hidden = np.zeros(len(pieces), bool)
        spans = max(1, round(len(pieces) * c.noise / c.mean_span))
        for _ in range(min(spans, _SENTINELS - 1)):
            places = capital if len(capital) and rng.random() < c.biased else begins
            if not len(places):
                break
            start = int(rng.choice(places))
            length = int(rng.integers(1, 2 * c.mean_span))
            later = begins[begins >= start + length]
            end = int(later[0]) if len(later) else len(pieces)
            if not hidden[max(0, start - 1) : end + 1].any():
                hidden[start:end] = True
        return hidden
