"""How cost grows with the backbone: `python benchmarks/sizes.py --help`.

Backbones of the shapes of the T5 family with random weights, and `cpner-mini`'s own shape: a training step
of the paper's prefix as in `training.py`, and text to entities with the default prefix as in `recognition.py`, where
each is told what to choose. Medians.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import command
import recognition
import training
from decoding import T5_BASE, random_backbone

from cpner.backbone.load import load
from cpner.backbone.prefix import common_start
from cpner.backbone.shape import PrefixConfig, T5Shape
from cpner.bench.measure import interleaved

SHAPES = {
    "T5-small": replace(T5_BASE, d_model=512, d_ff=2048, heads=8, encoder_layers=6, decoder_layers=6),
    "T5-base": T5_BASE,
    "T5-large": replace(T5_BASE, d_model=1024, d_ff=4096, heads=16, encoder_layers=24, decoder_layers=24),
}


def measure(shape: T5Shape, rounds: int) -> dict[str, Any]:
    """Seconds of a training step and of recognition, parameters, and bytes of a domain."""
    prefix, backbone = common_start(shape, PrefixConfig()), random_backbone(shape)
    ways = {
        "training step": training.own_way(shape),
        "recognition": recognition.own_way(backbone, script=True),
    }
    return {
        "parameters": sum(weights.numel() for weights in backbone.t5.parameters()),
        "bytes": sum(2 * part.numel() for part in prefix.parts.values()),
        "seconds": interleaved(ways, rounds),
    }


def main() -> None:
    """Measure and print, or write, the figures."""
    parser = command.parser(__doc__, rounds=3, peers=False)
    parser.add_argument("--sizes", nargs="+", choices=["cpner-mini", *SHAPES], default=["cpner-mini", *SHAPES])
    arguments = parser.parse_args()
    figures: dict[str, Any] = {}
    for name in arguments.sizes:
        shape = SHAPES.get(name) or load().t5.shape
        own = figures[name] = measure(shape, arguments.rounds)
        seconds = ", ".join(f"{way} {value:.3f} s" for way, value in own["seconds"].items())
        print(
            f"{name:10} {own['parameters'] / 1e6:6.1f} million parameters, a domain {own['bytes']:,} bytes, {seconds}"
        )
    command.write(figures, arguments.json)


if __name__ == "__main__":
    main()
