"""How fast many texts are annotated: `python benchmarks/annotating.py --help`.

A parquet file of sentences of 30 words, those of `cpner bench` with its eight types. `cpner annotate` finds their
entities with a process a core. Beside it, just before and just after, the batch of 32 of `cpner bench` on all cores.

    rate      texts a second of the whole command, starts and the writing of the file among them
    beside    that to the rate of `cpner bench`, the mean of before and after; the goal is 0.9
    cpu       of all processes of the command, seconds
    kills     with `--kills N`: another run, killed N times with all its processes, is the same file, byte for byte

`--workers 1 --threads 1` compares one process with one thread.
"""

from __future__ import annotations

import argparse
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from command import write

from cpner.backbone.load import Backbone, load
from cpner.backbone.shape import PrefixConfig
from cpner.backbone.start import quiet_start
from cpner.bench.measure import TEXT, TYPES, sentences
from cpner.ner import CPNER

BATCH = 32
SECONDS = 20  # of each measurement of the bench
GOAL = 0.9


def prepare(backbone: Backbone, folder: Path, count: int) -> None:
    """Write the texts and a store with a domain."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    ner = CPNER(backbone)
    ner.add("bench", quiet_start(backbone, PrefixConfig()).to("cpu"), TYPES)
    ner.save(folder / "store")
    texts = [sentence.text for sentence in sentences(len(TEXT.split()))]
    table = pa.table({"id": range(count), "text": [texts[i % len(texts)] for i in range(count)]})
    pq.write_table(table, folder / "in.parquet")


def bench_rate(ner: CPNER, seconds: float) -> float:
    """Sentences a second of `cpner bench`, in batches of 32."""
    batch = sentences(BATCH)
    ner.recognise(batch, "bench")
    started = time.perf_counter()
    count = 0
    while time.perf_counter() - started < seconds:
        ner.recognise(batch, "bench")
        count += 1
    return BATCH * count / (time.perf_counter() - started)


def start(folder: Path, out: Path, workers: int) -> subprocess.Popen[bytes]:
    """The command, with all its processes in a group of their own."""
    command = [sys.executable, "-m", "cpner", "annotate", str(folder / "in.parquet"), str(out), "--domain", "bench"]
    command += ["--store", str(folder / "store"), "--workers", str(workers)]
    return subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)


def finish(process: subprocess.Popen[bytes]) -> None:
    """Wait for the command, which must not fail."""
    if process.wait():
        raise SystemExit(f"cpner annotate ended with exit code {process.returncode}")


def used() -> float:
    """Seconds of CPU of all processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def annotate_killed(folder: Path, out: Path, workers: int, after: list[float]) -> None:
    """Annotate, killing the command and its processes after so many seconds, and go on till all is there."""
    for seconds in after:
        process = start(folder, out, workers)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if out.exists():
            raise SystemExit("the run ended before it was killed: take more --texts")
    finish(start(folder, out, workers))


def measure(texts: int, workers: int, kills: int, seconds: float = SECONDS) -> dict[str, Any]:
    """The figures."""
    backbone = load()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(backbone, folder, texts)
        ner = CPNER(backbone, folder / "store")
        before = bench_rate(ner, seconds)
        cpu = used()
        started = time.perf_counter()
        finish(start(folder, folder / "out.parquet", workers))
        took = time.perf_counter() - started
        cpu = used() - cpu
        bench = (before + bench_rate(ner, seconds)) / 2
        figures = {
            "texts": texts,
            "workers": workers,
            "seconds": took,
            "rate": texts / took,
            "bench": bench,
            "cpu": cpu,
        }
        figures |= {"beside": texts / took / bench, "precision": backbone.precision}
        if kills:
            annotate_killed(folder, folder / "killed.parquet", workers, [took / (kills + 1)] * kills)
            same = (folder / "killed.parquet").read_bytes() == (folder / "out.parquet").read_bytes()
            figures |= {"kills": kills, "same": same}
    return figures


def main() -> None:
    """Measure and print, or write, the figures."""
    cores = len(os.sched_getaffinity(0))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=200_000)
    parser.add_argument("--workers", type=int, default=cores, help="processes that annotate")
    parser.add_argument("--threads", type=int, default=cores, help="of the bench")
    parser.add_argument("--kills", type=int, default=0, help="times that another run is killed")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    figures = measure(arguments.texts, arguments.workers, arguments.kills)
    print(f"{figures['rate']:,.1f} a second, {figures['cpu']:,.0f} s of CPU, {figures['seconds']:,.0f} s in all")
    print(f"cpner bench {figures['bench']:,.1f}; beside it {figures['beside']:.2f} (goal {GOAL})")
    if arguments.kills:
        print(f"killed {arguments.kills} times: {'the same file' if figures['same'] else 'ANOTHER FILE'}")
    write(figures, arguments.json)


if __name__ == "__main__":
    main()
