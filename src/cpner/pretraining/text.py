"""Plain text for pretraining: lines of packed files, and lines as pieces."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cpner.corpus.formats import open_lines
from cpner.corpus.words import split_words
from cpner.instructor import Vocabulary
from cpner.machine import deaf_to_interrupts
from cpner.progress import Report, counted, ignore

Array = NDArray[Any]
Text = tuple[Array, Array]  # flat piece ids, and [lines + 1] where each line begins
_LINES = 2000  # that a process encodes at a time
_LOWER = 10  # every tenth line is lower-cased, as spoken queries are


def in_turn(streams: Sequence[tuple[int, Iterator[str]]]) -> Iterator[str]:
    """Lines of all streams in turn, so many of each at a time, until all are exhausted."""
    left = list(streams)
    while left:
        for count, stream in list(left):
            lines = list(islice(stream, count))
            yield from lines
            if len(lines) < count:
                left.remove((count, stream))


def encode_text(
    paths: Sequence[Path],
    vocabulary: Vocabulary,
    limit: int | None = None,
    *,
    workers: int = 0,
    progress: Report = ignore,
) -> Text:
    """Plain text as pieces, every tenth line in lower case.

    Args:
        paths: files of one paragraph a line; lines are taken from all of them in turn.
        vocabulary: the tokenizer's.
        limit: lines to take; None for all.
        workers: processes that encode; the result does not depend on it.
        progress: called now and then with how many lines are encoded.
    """
    lines = islice(in_turn([(1, open_lines(path)) for path in paths]), limit)
    chunks = iter(lambda: list(islice(lines, _LINES)), [])
    encoder = _Encoder(vocabulary)

    def gathered(parts: Iterable[Text]) -> list[Text]:
        return list(counted(parts, progress, "text as pieces", "lines", size=lambda part: len(part[1])))

    if workers > 0:
        with deaf_to_interrupts():
            pool = multiprocessing.Pool(workers, _install, (encoder,))
        with pool:
            encoded = gathered(pool.imap(_encode, chunks))
    else:
        encoded = gathered(map(encoder, chunks))
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
