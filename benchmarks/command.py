"""What the benchmarks beside peers have in common: their options, their ratios, and how figures are told."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def parser(description: str | None, rounds: int, *, peers: bool = True) -> argparse.ArgumentParser:
    """Options `--rounds`, `--json`, and `--peers` where there are any."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=rounds)
    if peers:
        parser.add_argument("--peers", type=Path, metavar="PYTHON", help="of an environment as peers.py needs it")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    return parser


def beside(seconds: Mapping[str, float], own: str = "cpner") -> dict[str, Any]:
    """Seconds of each way, and how many times as long each takes as our own."""
    return {"seconds": dict(seconds), "to_cpner": {name: value / seconds[own] for name, value in seconds.items()}}


def tell(figures: Mapping[str, Any], head: str = "") -> None:
    """Print a line for each way of what `beside` gives."""
    for way, seconds in figures["seconds"].items():
        print(f"{head}{way:26} {seconds:7.3f} s {figures['to_cpner'][way]:6.2f}")


def write(figures: Mapping[str, Any], file: Path | None) -> None:
    """Write figures as JSON, if a file is named."""
    if file:
        file.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
