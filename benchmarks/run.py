"""Speed of cpner on this machine: `make bench`, or `python benchmarks/run.py --help`.

Figures are medians over rounds in which the compared ways take turns (A B A B), so that a noisy machine hurts both.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from cpner.backbone.decode import decode
from cpner.backbone.load import Backbone, load
from cpner.backbone.prefix import PrefixBank, PrefixConfig, Reparameterisation, common_start
from cpner.corpus.sentence import Sentence
from cpner.instructor import Instructor
from cpner.store import Store

WORDS = [
    "The",
    "committee",
    "met",
    "in",
    "Vienna",
    "on",
    "Tuesday",
    "and",
    "heard",
    "Dr",
    "Ilse",
    "Varga",
    "describe",
    "how",
    "the",
    "Danube",
    "Institute",
    "had",
    "measured",
    "arsenic",
    "in",
    "wells",
    "near",
    "Szeged",
    ",",
    "while",
    "two",
    "members",
    "of",
    "the",
    "Green",
    "Alliance",
    "asked",
    "for",
    "a",
    "second",
    "survey",
    ".",
]
TYPES = ["person", "organization", "location", "political party", "chemical compound", "event", "award", "product"]


def interleaved(ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median seconds of each way; all ways run once before any is timed."""
    for way in ways.values():
        way()
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - started)
    return {name: statistics.median(values) for name, values in seconds.items()}


def sentences(count: int) -> list[Sentence]:
    """Sentences of 30 words, each rotated differently so that no two are equal."""
    thirty = WORDS[:30]
    return [Sentence.from_words(thirty[i % 30 :] + thirty[: i % 30]) for i in range(count)]


def decoding(backbone: Backbone, rounds: int) -> dict[str, float]:
    """One batch of 32 sentences: one domain, eight domains, and no prefix."""
    instructor = Instructor(backbone.vocabulary)
    sources = [instructor.source(sentence, TYPES) for sentence in sentences(32)]
    prefix = common_start(backbone.t5.shape, PrefixConfig())
    bank = PrefixBank({f"d{i}": prefix for i in range(8)}, device=backbone.device, dtype=backbone.dtype)
    seconds = interleaved(
        {
            "one domain": lambda: decode(backbone, sources, bank.rows(["d0"] * 32)),
            "eight domains": lambda: decode(backbone, sources, bank.rows([f"d{i % 8}" for i in range(32)])),
            "no prefix": lambda: decode(backbone, sources),
        },
        rounds,
    )
    return {
        "sentences_per_second": 32 / seconds["one domain"],
        "eight_domains_to_one": seconds["eight domains"] / seconds["one domain"],
        "prefix_to_none": seconds["one domain"] / seconds["no prefix"],
    }


def training(backbone: Backbone, rounds: int) -> dict[str, float]:
    """One step on 8 sentences: forward and backward through the frozen backbone into the prefix's network."""
    instructor = Instructor(backbone.vocabulary)
    sources = [instructor.source(sentence, TYPES) for sentence in sentences(8)]
    ids = torch.tensor([source.ids for source in sources], device=backbone.device)
    network = Reparameterisation(backbone.t5.shape, PrefixConfig()).to(backbone.device)
    targets = ids[:, :40]

    def step() -> None:
        prefix = network().to(backbone.dtype).expand(len(ids))
        mask = torch.ones_like(ids, dtype=torch.bool)
        hidden = backbone.t5.decode(targets, backbone.t5.encode(ids, mask, prefix), mask, prefix)
        hidden.float().square().mean().backward()

    return {"training_step_seconds": interleaved({"step": step}, rounds)["step"]}


def start_up() -> dict[str, float]:
    """Seconds of `import cpner` in a fresh interpreter, beyond an empty one."""

    def run(code: str) -> Callable[[], object]:
        return lambda: subprocess.run([sys.executable, "-c", code], check=True)

    seconds = interleaved({"empty": run("pass"), "import": run("import cpner")}, 5)
    return {"import_seconds": max(0.0, seconds["import"] - seconds["empty"])}


def storing(backbone: Backbone, rounds: int) -> dict[str, float]:
    """Bytes of a stored domain and milliseconds to load it."""
    from cpner.ner import CPNER

    with tempfile.TemporaryDirectory() as folder:
        ner = CPNER(backbone)
        ner.add("bench", common_start(backbone.t5.shape, PrefixConfig()), TYPES)
        ner.save(folder)
        store = Store(folder)
        seconds = interleaved({"load": lambda: store.load("bench")}, rounds)["load"]
        return {"bytes_per_domain": store.size_bytes("bench"), "domain_load_ms": 1000 * seconds}


def main() -> None:
    """Run everything and print, or write, the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="cpner-mini", help="name or folder of a backbone")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    arguments = parser.parse_args()
    backbone = load(arguments.backbone)
    figures: dict[str, object] = {
        "backbone": arguments.backbone,
        "parameters": sum(p.numel() for p in backbone.t5.parameters()),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, torch {torch.__version__}, {backbone.device}",
    }
    for part in (decoding, training, storing):
        figures |= part(backbone, arguments.rounds)
    figures |= start_up()
    for name, value in figures.items():
        print(f"{name:24} {value:.4g}" if isinstance(value, float) else f"{name:24} {value}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
