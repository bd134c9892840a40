"""Checkpoints of a pretraining run."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from cpner.errors import ConfigError
from cpner.files import old_folder, replacing_folder
from cpner.pretraining.config import PretrainConfig

_AVERAGE = "average.safetensors"
_MOMENTS = ("mean", "square")


class Position(NamedTuple):
    """How far a run is: steps done, seconds they took, pieces they read."""

    step: int = 0
    seconds: float = 0.0
    pieces: int = 0


class Checkpoint:
    """The checkpoint of a run folder; a new one takes the place of the old when it is whole."""

    def __init__(self, out: Path) -> None:
        self.folder = out / "checkpoint"
        self.old = old_folder(self.folder)

    @property
    def exists(self) -> bool:
        """Whether there is one."""
        return self.folder.is_dir() or self.old.is_dir()

    def save(
        self,
        model: nn.Module,
        optimizer: Any,
        config: PretrainConfig,
        position: Position,
        average: nn.Module | None = None,
    ) -> None:
        """Write weights, their average if there is one, the optimiser's moments and the position."""
        state = _inner(optimizer).state
        with replacing_folder(self.folder) as new:
            save_file({k: v.contiguous() for k, v in model.state_dict().items()}, new / "weights.safetensors")
            if average is not None:
                save_file({k: v.contiguous() for k, v in average.state_dict().items()}, new / _AVERAGE)
            for kind in _MOMENTS:
                moments = {name: state[p][kind] for name, p in model.named_parameters() if p in state}
                save_file(moments, new / f"{kind}.safetensors")
            steps = {name: int(state[p]["step"]) for name, p in model.named_parameters() if p in state}
            record = {**position._asdict(), "config": asdict(config), "steps": steps}
            (new / "state.json").write_text(json.dumps(record), "utf-8")

    def load(
        self, model: nn.Module, optimizer: Any, config: PretrainConfig, average: nn.Module | None = None
    ) -> Position:
        """Set weights, average and moments, and tell the position.

        Raises:
            ConfigError: the checkpoint is of another configuration.
        """
        folder = self.folder if self.folder.is_dir() else self.old  # stopped between two renamings
        saved = json.loads((folder / "state.json").read_text("utf-8"))
        differing = config.differences(PretrainConfig.from_dict(saved["config"]))
        if differing:
            raise ConfigError(f"{folder} is of another run ({', '.join(differing)} differ): choose another folder")
        model.load_state_dict(load_file(folder / "weights.safetensors"))
        if average is not None:
            average.load_state_dict(load_file(folder / _AVERAGE))
        moments = {kind: load_file(folder / f"{kind}.safetensors") for kind in _MOMENTS}
        steps = saved.get("steps", {})  # a parameter that a batch has no use for takes fewer steps than the run
        for name, parameter in model.named_parameters():
            if name in moments["mean"]:
                step = torch.tensor(float(steps.get(name, saved["step"])), device=parameter.device)
                moment = {kind: tensors[name].to(parameter.device) for kind, tensors in moments.items()}
                _inner(optimizer).state[parameter] = {"step": step, **moment}
        return Position(saved["step"], saved["seconds"], saved.get("pieces", 0))


def _inner(optimizer: Any) -> Any:
    """The optimiser itself, without Accelerate's wrapper."""
    return getattr(optimizer, "optimizer", optimizer)
