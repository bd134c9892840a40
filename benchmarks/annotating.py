"""How fast many texts are annotated: `python benchmarks/annotating.py --help`.

A parquet file of sentences of 30 words, cut from the text of `cpner bench` at each of its words, shuffled. `cpner
annotate` finds entities of the bench's eight types in them with a process a core. Beside it, just before and after, two
rates of the library on all cores: of the 32 sentences that `cpner bench` measures, and of those of the file in batches
of 32. Sentences of the file have from one entity to five, so a batch of them waits longer for its last one.

    rate      texts a second of the whole command, starts and the writing of the file among them
    steady    texts a second from the first shard to the last, as the command tells it
    beside    `rate` to that of `cpner bench`, the mean of before and after; the goal is 0.9
    alike     `rate` to that of the same sentences in batches of 32
    cpu       of all processes of the command, seconds; `megabytes` is the most that one of them had
    kills     with `--kills N`: another run, killed N times with all its processes, is the same file, byte for byte

`--workers 1 --threads 1` compares one process with one thread. `--minutes 20` takes as many texts as fit in that time.
"""

from __future__ import annotations

import argparse
import os
import random
import re
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
from cpner.corpus.sentence import Sentence
from cpner.ner import CPNER

BATCH = 32
SECONDS = 20  # of each measurement of the bench
START = 8  # seconds of a start of the command and its workers, about
GOAL = 0.9


def texts() -> list[Sentence]:
    """The sentences of the file, which has them again and again."""
    shuffled = sentences(len(TEXT.split()))
    random.Random(1).shuffle(shuffled)
    return shuffled


def write_store(backbone: Backbone, folder: Path) -> CPNER:
    """A store with a domain, and what finds its entities."""
    ner = CPNER(backbone)
    ner.add("bench", quiet_start(backbone, PrefixConfig()).to("cpu"), TYPES)
    ner.save(folder / "store")
    return CPNER(backbone, folder / "store")


def write_texts(folder: Path, count: int) -> None:
    """The file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    lines = [sentence.text for sentence in texts()]
    table = pa.table({"id": range(count), "text": [lines[i % len(lines)] for i in range(count)]})
    pq.write_table(table, folder / "in.parquet")


def rate_of(ner: CPNER, rows: list[Sentence], seconds: float) -> float:
    """Sentences a second, in batches of 32 one after the other."""
    batches = [rows[i : i + BATCH] for i in range(0, len(rows) - BATCH + 1, BATCH)]
    ner.recognise(batches[0], "bench")
    started = time.perf_counter()
    count = 0
    while time.perf_counter() - started < seconds or count % len(batches):  # each as often as the others
        ner.recognise(batches[count % len(batches)], "bench")
        count += 1
    return BATCH * count / (time.perf_counter() - started)


def start(folder: Path, out: Path, workers: int) -> subprocess.Popen[bytes]:
    """The command, with all its processes in a group of their own."""
    command = [sys.executable, "-m", "cpner", "annotate", str(folder / "in.parquet"), str(out), "--domain", "bench"]
    command += ["--store", str(folder / "store"), "--workers", str(workers)]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(command, start_new_session=True, stderr=log)


def finish(folder: Path, process: subprocess.Popen[bytes]) -> float:
    """Wait for the command, which must not fail; gives the texts a second that it tells."""
    code = process.wait()
    said = (folder / "log").read_text("utf-8")
    pace = re.search(r"texts, ([\d,.]+) a second", said.splitlines()[-1] if said else "")
    if code or pace is None:
        raise SystemExit(f"cpner annotate ended with exit code {code}: {said[-2000:]}")
    return float(pace[1].replace(",", ""))


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
    finish(folder, start(folder, out, workers))


def measure(count: int | None, workers: int, kills: int, minutes: float, seconds: float = SECONDS) -> dict[str, Any]:
    """The figures; of `count` texts, or of as many as fit in some minutes."""
    backbone = load()
    runs = 1 + (kills > 0)
    starts = START * (runs + kills)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ner = write_store(backbone, folder)
        before = [rate_of(ner, rows, seconds) for rows in (sentences(BATCH), texts())]
        count = count or max(1000, int((60 * minutes - 4 * seconds - starts) * before[0] / runs))
        took = runs * count / before[0] + starts
        print(f"{count:,} texts, {runs} times: about {took / 60:.0f} minutes", file=sys.stderr)
        write_texts(folder, count)
        cpu = used()
        started = time.perf_counter()
        steady = finish(folder, start(folder, folder / "out.parquet", workers))
        took = time.perf_counter() - started
        cpu = used() - cpu
        megabytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        after = [rate_of(ner, rows, seconds) for rows in (sentences(BATCH), texts())]
        bench, library = ((one + other) / 2 for one, other in zip(before, after, strict=True))
        rate = count / took
        figures = {"texts": count, "workers": workers, "seconds": took, "rate": rate, "steady": steady}
        figures |= {"bench": bench, "beside": rate / bench, "library": library, "alike": rate / library}
        figures |= {"cpu": cpu, "megabytes": megabytes, "precision": backbone.precision}
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
    parser.add_argument("--minutes", type=float, help="take as many texts as fit in this time, in place of --texts")
    parser.add_argument("--workers", type=int, default=cores, help="processes that annotate")
    parser.add_argument("--threads", type=int, default=cores, help="of the bench")
    parser.add_argument("--kills", type=int, default=0, help="times that another run is killed")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    count = None if arguments.minutes else arguments.texts
    figures = measure(count, arguments.workers, arguments.kills, arguments.minutes or 0)
    print(
        f"{figures['texts']:,} texts in {figures['seconds']:,.0f} s: {figures['rate']:,.1f} a second, "
        f"{figures['steady']:,.1f} between the starts; {figures['cpu']:,.0f} s of CPU, {figures['megabytes']:,.0f} MB"
    )
    print(f"cpner bench {figures['bench']:,.1f}; beside it {figures['beside']:.2f} (goal {GOAL})")
    print(f"the same sentences in batches of 32 {figures['library']:,.1f}; beside them {figures['alike']:.2f}")
    if arguments.kills:
        print(f"killed {arguments.kills} times: {'the same file' if figures['same'] else 'ANOTHER FILE'}")
    write(figures, arguments.json)


if __name__ == "__main__":
    main()
