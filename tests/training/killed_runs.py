"""A process that trains and is killed, again and again: `python -m tests.training.killed_runs BACKBONE FOLDER`.

It loads the backbone once. Then, for each line it reads, it trains in a fork of itself and kills that with SIGKILL:
at a step, or when the n-th file is about to take its place ("before") or just has ("after").
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import torch
from safetensors import safe_open

from cpner.backbone.load import Backbone, load
from cpner.backbone.prefix import fingerprint
from cpner.backbone.reparameterisation import Reparameterisation
from cpner.training import TrainingConfig, train_prefix
from tests.support import SENTENCES, SMALL, TYPES

CONFIG = TrainingConfig(
    epochs=4, min_steps=0, lr=0.01, batch_sentences=2, dropout=0.1, eval_every=1, save_seconds=0.0
)  # 12 steps, a checkpoint after each


def train(backbone: Backbone, folder: Path, moment: str, count: int) -> None:
    """Train on, or die at the `count`-th such moment."""
    seen = 0
    replace = os.replace

    def stop() -> None:
        nonlocal seen
        seen += 1
        if seen == count:
            os.kill(os.getpid(), signal.SIGKILL)

    def counted(source: str, target: str) -> None:
        if moment == "before":
            stop()
        replace(source, target)
        if moment == "after":
            stop()

    os.replace = counted
    result = train_prefix(
        backbone, Reparameterisation(backbone.t5.shape, SMALL), SENTENCES, SENTENCES, TYPES, CONFIG,
        run_dir=folder, resume=True, progress=lambda _: stop() if moment == "step" else None,
    )  # fmt: skip
    print("ended", fingerprint(result.prefix), result.steps, flush=True)


def saved_step(folder: Path) -> int:
    """The step of the checkpoint; 0 without one."""
    try:
        with safe_open(folder / "checkpoint.safetensors", "pt") as file:
            return int(json.loads(file.metadata()["state"])["step"])
    except FileNotFoundError:
        return 0


def main(backbone_folder: str, folder: Path) -> None:
    torch.set_num_threads(1)
    backbone = load(backbone_folder, device="cpu", precision="float32")
    for line in sys.stdin:
        moment, count = line.split()
        child = os.fork()
        if child == 0:
            train(backbone, folder, moment, int(count))
            os._exit(0)
        print("status", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
        print("saved", saved_step(folder), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
