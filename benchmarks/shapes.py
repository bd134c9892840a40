"""What ever new shapes cost recognition: `python benchmarks/shapes.py --help`.

oneDNN makes a kernel for each shape of a product that it has not seen lately. Sentences of sample domains, which differ
in length and types, are read in batches of 1, 8 and 32 (`new`), each of them a batch of its own shapes. Those of `cpner
bench` are read again and again (`same`).

With `--beside FOLDER`, another checkout reads the same batches. Each has a process of its own, of one thread, and they
take turns batch by batch. What counts is the processor's time, so that other processes disturb the figures little.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from command import write

DOMAINS = ("cooking", "music", "news", "politics", "science")
CALLS = {1: 60, 8: 30, 32: 15}  # batches of each size in a round


def reader(precision: str | None) -> Callable[[str, int], float]:
    """What reads the next batch of a kind and a size, and gives the seconds of the processor that this took."""
    import torch

    from cpner.backbone.bank import PrefixBank
    from cpner.backbone.load import load
    from cpner.backbone.shape import PrefixConfig
    from cpner.backbone.start import quiet_start
    from cpner.bench.measure import TYPES, sentences
    from cpner.corpus import Corpus
    from cpner.instructor import Instructor
    from cpner.recognition.recognise import Task, recognise

    torch.set_num_threads(1)
    backbone = load("cpner-mini", precision=precision)
    prefix = quiet_start(backbone, PrefixConfig()).to(backbone.device).to(backbone.dtype)
    bank = PrefixBank({"d": prefix}, device=backbone.device, dtype=backbone.dtype)
    tasks = []
    for name in DOMAINS:
        corpus = Corpus.read(f"sample:{name}")
        prompt = Instructor(backbone.vocabulary, sorted(corpus.types))
        tasks += [Task(sentence, prompt, "d") for split in corpus.splits.values() for sentence in split]
    prompt = Instructor(backbone.vocabulary, TYPES)
    same = {size: [Task(sentence, prompt, "d") for sentence in sentences(size)] for size in CALLS}
    chance = random.Random(0)

    def read(kind: str, size: int) -> float:
        batch = same[size] if kind == "same" else chance.sample(tasks, size)
        if kind == "same":
            recognise(backbone, batch, bank, batch_size=size)  # the other kind has taken its kernels
        started = time.process_time()
        recognise(backbone, batch, bank, batch_size=size)
        return time.process_time() - started

    return read


def answer(precision: str | None) -> None:
    """Read what standard input asks for, line by line."""
    read = reader(precision)
    for line in sys.stdin:
        kind, size = line.split()
        print(read(kind, int(size)), flush=True)


class Other:
    """A process that reads with the code of a checkout."""

    def __init__(self, folder: Path, precision: str | None) -> None:
        command = [sys.executable, __file__, "--answer", *(["--precision", precision] if precision else [])]
        environment = {**os.environ, "PYTHONPATH": str(folder / "src"), "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def read(self, kind: str, size: int) -> float:
        """Seconds of the processor for the next batch."""
        assert self.process.stdin is not None and self.process.stdout is not None
        print(kind, size, file=self.process.stdin, flush=True)
        return float(self.process.stdout.readline())


def measure(folders: list[Path], precision: str | None, rounds: int) -> dict[str, dict[str, Any]]:
    """Seconds of all batches of each kind and size, by the code of each folder."""
    processes = [Other(folder, precision) for folder in folders]
    figures: dict[str, dict[str, Any]] = {}
    for size, calls in CALLS.items():
        for kind in ("new", "same"):
            turns = []
            for turn in range(1 + rounds * calls):
                order = processes if turn % 2 else processes[::-1]
                seconds = {process: process.read(kind, size) for process in order}
                turns.append([seconds[process] for process in processes])
            turns = turns[1:]  # the first packs weights
            figures[f"{size}, {kind}"] = {
                "per_second": [size / statistics.mean(column) for column in zip(*turns, strict=True)],
                "time_to_other": statistics.median(turn[0] / turn[-1] for turn in turns),
            }
    for process in processes:
        process.process.communicate()
    return figures


def main() -> None:
    """Measure, and print or write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--beside", type=Path, metavar="FOLDER", help="a checkout of other code")
    parser.add_argument("--precision", help="of the backbone; the machine's own if not given")
    parser.add_argument("--answer", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    arguments = parser.parse_args()
    if arguments.answer:
        answer(arguments.precision)
        return
    folders = [Path(__file__).parents[1], *([arguments.beside.resolve()] if arguments.beside else [])]
    figures = measure(folders, arguments.precision, arguments.rounds)
    for load, figure in figures.items():
        rates = ", beside ".join(f"{rate:.1f}" for rate in figure["per_second"])
        ratio = f"; time to that, median of turns: {figure['time_to_other']:.2f}" if arguments.beside else ""
        print(f"{load:9} {rates} sentences a second{ratio}")
    write(figures, arguments.json)


if __name__ == "__main__":
    main()
