"""What do scores cost? `python benchmarks/scores.py --help`.

Three ways recognise the same sentences of 30 words, eight types, with the embedded backbone: *off* computes no
probability and keeps no evidence, *raw* gives the probabilities of the written pieces, *calibrated* all scores as users
get them. Ways take turns; each round's times are compared with that round's *off*. CPU time of one thread.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import command
import torch
from torch import Tensor

import cpner.recognition.decode as decoder
from cpner import CPNER
from cpner.bench.measure import TYPES, Call, sentences
from cpner.corpus.evidence import Evidence

WAYS = ("off", "raw", "calibrated")


class Nothing:
    """A trail that keeps nothing."""

    def longer(self, *_: object) -> Nothing:
        """The same."""
        return self

    def evidence(self) -> Evidence:
        """No evidence at all."""
        return NOTHING


NOTHING = Evidence(1.0, 0.0, 0.0, 0.0, 0.0, 0)


@contextmanager
def without_scores() -> Iterator[None]:
    """Within, decoding takes the largest logits, and asks for no probabilities."""
    originals = (decoder.Trail, decoder._agree)

    def logits_of(logits: Tensor) -> Tensor:
        return logits[:, 0]

    decoder.Trail, decoder._agree = Nothing, logits_of  # type: ignore[misc, assignment]
    try:
        yield
    finally:
        decoder.Trail, decoder._agree = originals  # type: ignore[misc]


def ways(ner: CPNER, rows: int) -> dict[str, Call]:
    """The three ways, over a batch of so many sentences."""
    texts = sentences(rows)

    def recognise(calibrated: bool) -> object:
        return ner.recognise(texts, types=TYPES, batch_size=rows, calibrated=calibrated)

    def off() -> object:
        with without_scores():
            return recognise(False)

    return dict(zip(WAYS, (off, lambda: recognise(False), lambda: recognise(True)), strict=True))


def costs(calls: dict[str, Call], rounds: int) -> dict[str, float]:
    """Median of what each way takes in a round, to what *off* takes in it; and the seconds of *off*."""
    ratios: dict[str, list[float]] = {name: [] for name in calls}
    seconds: list[float] = []
    for turn in range(-1, rounds):
        taken = {}
        for name in list(calls) if turn % 2 else reversed(calls):  # each way is first and last as often
            started = time.process_time()
            calls[name]()
            taken[name] = time.process_time() - started
        if turn >= 0:  # the first round only warms up
            seconds.append(taken["off"])
            for name, value in taken.items():
                ratios[name].append(value / taken["off"])
    return {"seconds": statistics.median(seconds), **{name: statistics.median(row) for name, row in ratios.items()}}


def measure(precision: str, batches: list[int], rounds: int) -> dict[str, dict[str, float]]:
    """What each way costs, by the sentences of a batch."""
    ner = CPNER.load(precision=precision)
    return {str(rows): costs(ways(ner, rows), rounds) for rows in batches}


def main() -> None:
    """Measure and print, or write, the figures."""
    parser = command.parser(__doc__, rounds=25, peers=False)
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 32])
    parser.add_argument("--precision", nargs="+", default=["float32", "bfloat16"])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    figures: dict[str, Any] = {}
    for precision in arguments.precision:
        figures[precision] = measure(precision, arguments.batch, arguments.rounds)
        for rows, row in figures[precision].items():
            more = ", ".join(f"{name} {100 * (row[name] - 1):+.1f} %" for name in WAYS[1:])
            print(f"{precision:9} batch {rows:>2}: off {1000 * row['seconds']:.1f} ms; {more}")
    command.write(figures, arguments.json)


if __name__ == "__main__":
    main()
