"""What thousands of domains cost: `python benchmarks/domains.py --help`.

A store of 1, 100, 1,000 and 10,000 domains, of which 64 stay on the device. A request is one sentence of 30 words: a
*warm* one asks for a domain that is at hand, a *cold* one for a domain that only the store has. Requests take turns;
medians. The disk's cache is warm: the files have just been written.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from cpner.backbone.load import load
from cpner.backbone.prefix import common_start
from cpner.backbone.shape import PrefixConfig
from cpner.bench.measure import TYPES, sentences
from cpner.ner import CPNER


def fill(folder: Path, ner: CPNER, count: int) -> None:
    """Make a store of so many domains, or make one larger: copies of one under other names."""
    first = folder / "d0"
    if not first.exists():
        ner.add("d0", common_start(ner.backbone.t5.shape, PrefixConfig()), TYPES)
        ner.save(folder)
    card = (first / "domain.json").read_text("utf-8")
    for i in range(count):
        copy = folder / f"d{i}"
        if not copy.exists():
            shutil.copytree(first, copy)
            (copy / "domain.json").write_text(card.replace('"d0"', f'"d{i}"'), "utf-8")


def measure(counts: list[int], requests: int, backbone: str = "cpner-mini") -> dict[str, Any]:
    """Milliseconds of a warm and of a cold request, by the number of domains."""
    model = load(backbone)
    text = " ".join(sentences(1)[0].word_texts)
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder, "store")
        for count in counts:
            fill(store, CPNER(model), count)
            ner = CPNER(model, store)
            cold = itertools.cycle(f"d{i}" for i in range(1, count))  # 1,024 stay in memory: fewer are never cold twice
            ner.predict(text, "d0")
            times: dict[str, list[float]] = {"warm": [], "cold": []}
            for _ in range(min(requests, max(1, count - 1))):
                for kind, domain in (("warm", "d0"), ("cold", next(cold, "d0"))):
                    started = time.perf_counter()
                    ner.predict(text, domain)
                    times[kind].append(1000 * (time.perf_counter() - started))
            medians = {kind: statistics.median(values) for kind, values in times.items()}
            figures[str(count)] = {**medians, "more": medians["cold"] - medians["warm"], "most": max(times["cold"])}
    return figures


def main() -> None:
    """Measure and print, or write, the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--domains", type=int, nargs="+", default=[1, 100, 1000, 10_000])
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--backbone", default="cpner-mini", help="name or folder of a backbone")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    arguments = parser.parse_args()
    figures = measure(arguments.domains, arguments.requests, arguments.backbone)
    for count, figure in figures.items():
        print(f"{count:>6} domains: warm {figure['warm']:.1f} ms, cold {figure['cold']:.1f} ms")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
