"""What ever new shapes cost recognition: `python benchmarks/shapes.py --help`.

oneDNN makes a kernel for each shape of a product that it has not seen lately. Sentences of sample domains, which differ
in length and types, are read in batches of 1, 8 and 32, each sentence once; so nearly every batch is of a new shape.
The same batches are then read again and again (`same`), as `cpner bench` does. Each way runs in a process of its own,
on one thread. Figures are sentences a second of the processor's time, so that other processes disturb them little.

With `--beside FOLDER`, another checkout takes turns with this one.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from command import write

DOMAINS = ("cooking", "music", "news", "politics", "science")
COUNTS = {1: 150, 8: 600, 32: 600}  # sentences read in batches of each size
TIMES = 6  # how often a batch of `same` is read


def measure(precision: str | None, seed: int) -> dict[str, float]:
    """Sentences a second of the processor's time, in this process."""
    import torch

    from cpner.backbone.bank import PrefixBank
    from cpner.backbone.load import load
    from cpner.backbone.shape import PrefixConfig
    from cpner.backbone.start import quiet_start
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
    random.Random(seed).shuffle(tasks)

    def read(batches: Sequence[Sequence[Task]]) -> float:
        started = time.process_time()
        for batch in batches:
            recognise(backbone, batch, bank, batch_size=len(batch))
        return sum(map(len, batches)) / (time.process_time() - started)

    read([tasks[:8]])  # packs the weights
    rates = {}
    for size, count in COUNTS.items():
        batches = [tasks[first : first + size] for first in range(0, count - size + 1, size)]
        rates[f"{size}, new"] = read(batches)
        middle = batches[len(batches) // 2]
        read([middle])
        rates[f"{size}, same"] = read([middle] * max(TIMES, 96 // size))
    return rates


def in_process(folder: Path, precision: str | None, seed: int) -> dict[str, float]:
    """The same in a new process, by the code of a checkout."""
    command = [sys.executable, __file__, "--here", "--seed", str(seed)]
    command += ["--precision", precision] if precision else []
    environment = {**os.environ, "PYTHONPATH": str(folder / "src"), "OMP_NUM_THREADS": "1"}
    told = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    rates: dict[str, float] = json.loads(told)
    return rates


def main() -> None:
    """Measure, and print or write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--beside", type=Path, metavar="FOLDER", help="a checkout of other code")
    parser.add_argument("--precision", help="of the backbone; the machine's own if not given")
    parser.add_argument("--seed", type=int, default=0, help="of the order of the sentences")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    arguments = parser.parse_args()
    if arguments.here:
        print(json.dumps(measure(arguments.precision, arguments.seed)))
        return
    folders = {"this": Path(__file__).parents[1]}
    if arguments.beside:
        folders["other"] = arguments.beside.resolve()
    rates: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in folders}
    for turn in range(arguments.rounds):
        for name, folder in folders.items():
            for load, rate in in_process(folder, arguments.precision, arguments.seed + turn).items():
                rates[name][load].append(rate)
    figures = {
        name: {load: statistics.median(values) for load, values in loads.items()} for name, loads in rates.items()
    }
    for load, rate in figures["this"].items():
        beside = ""
        if arguments.beside:
            other = figures["other"][load]
            pairs = zip(rates["this"][load], rates["other"][load], strict=True)
            beside = f"   beside {other:6.1f}: {statistics.median(a / b for a, b in pairs):.3f}"
        print(f"{load:9} {rate:6.1f} sentences a second{beside}")
    write(figures, arguments.json)


if __name__ == "__main__":
    main()
