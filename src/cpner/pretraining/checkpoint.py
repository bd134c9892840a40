"""Checkpoints of a pretraining run, and the backbone that it ends with."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file, save, save_file
from torch import nn

from cpner.backbone.load import hugging_face_state
from cpner.backbone.t5 import T5
from cpner.corpus.files import replacing
from cpner.errors import ConfigError
from cpner.pretraining.config import PretrainConfig

_SHARD_BYTES = 15_000_000
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
        self.old = out / "checkpoint-old"

    @property
    def exists(self) -> bool:
        """Whether there is one."""
        return self.folder.is_dir() or self.old.is_dir()

    def save(self, model: nn.Module, optimizer: Any, config: PretrainConfig, position: Position) -> None:
        """Write weights, the optimiser's moments and the position."""
        new = self.folder.with_name(f"{self.folder.name}-{position.step}")
        new.mkdir(exist_ok=True)
        save_file({k: v.contiguous() for k, v in model.state_dict().items()}, new / "weights.safetensors")
        state = _inner(optimizer).state
        for kind in _MOMENTS:
            moments = {name: state[p][kind] for name, p in model.named_parameters() if p in state}
            save_file(moments, new / f"{kind}.safetensors")
        (new / "state.json").write_text(json.dumps({**position._asdict(), "config": asdict(config)}), "utf-8")
        if self.folder.is_dir():
            shutil.rmtree(self.old, ignore_errors=True)
            os.replace(self.folder, self.old)
        os.replace(new, self.folder)
        shutil.rmtree(self.old, ignore_errors=True)

    def load(self, model: nn.Module, optimizer: Any, config: PretrainConfig) -> Position:
        """Set weights and moments, and tell the position.

        Raises:
            ConfigError: the checkpoint is of another configuration.
        """
        folder = self.folder if self.folder.is_dir() else self.old  # stopped between two renamings
        saved = json.loads((folder / "state.json").read_text("utf-8"))
        differing = config.differences(PretrainConfig.from_dict(saved["config"]))
        if differing:
            raise ConfigError(f"{folder} is of another run ({', '.join(differing)} differ): choose another folder")
        model.load_state_dict(load_file(folder / "weights.safetensors"))
        moments = {kind: load_file(folder / f"{kind}.safetensors") for kind in _MOMENTS}
        step = torch.tensor(float(saved["step"]))
        for name, parameter in model.named_parameters():
            if name in moments["mean"]:
                own = {kind: tensors[name].to(parameter.device) for kind, tensors in moments.items()}
                _inner(optimizer).state[parameter] = {"step": step.to(parameter.device, copy=True), **own}
        return Position(saved["step"], saved["seconds"], saved.get("pieces", 0))


def write_backbone(t5: T5, tokenizer: Path, folder: Path, *, window: int, shard_bytes: int = _SHARD_BYTES) -> None:
    """Write a backbone that cpner and `transformers` load: bfloat16 safetensors in shards, config and tokenizer.

    Args:
        t5: the model.
        tokenizer: folder of its tokenizer; the files are copied.
        folder: where to write.
        window: the longest source in pieces that the model was trained on.
        shard_bytes: the most that a file of weights has, but for one with a single larger tensor.
    """
    from huggingface_hub import split_torch_state_dict_into_shards

    state = {name: tensor.detach().to("cpu", torch.bfloat16) for name, tensor in hugging_face_state(t5).items()}
    split = split_torch_state_dict_into_shards(state, max_shard_size=shard_bytes)
    _hugging_face_config(t5, window).save_pretrained(folder)
    for name, keys in split.filename_to_tensors.items():
        _write(folder / name, save({key: state[key].contiguous() for key in keys}, metadata={"format": "pt"}))
    if split.is_sharded:
        index = {"metadata": split.metadata, "weight_map": split.tensor_to_filename}
        _write(folder / "model.safetensors.index.json", json.dumps(index, indent=1).encode())
    for path in tokenizer.iterdir():
        _write(folder / path.name, path.read_bytes())


def _hugging_face_config(t5: T5, window: int) -> Any:
    from transformers import T5Config

    s = t5.shape
    gate, activation = ("gated-", s.activation.removesuffix("_new")) if s.gated else ("", s.activation)
    settings: dict[str, Any] = {
        "vocab_size": s.vocab_size,
        "d_model": s.d_model,
        "d_kv": s.d_kv,
        "d_ff": s.d_ff,
        "num_heads": s.heads,
        "num_layers": s.encoder_layers,
        "num_decoder_layers": s.decoder_layers,
        "feed_forward_proj": gate + activation,
        "relative_attention_num_buckets": s.buckets,
        "relative_attention_max_distance": s.max_distance,
        "layer_norm_epsilon": s.eps,
        "tie_word_embeddings": s.scale_output,  # T5's configs tell the one by the other
        "dropout_rate": 0.0,
        "decoder_start_token_id": 0,
        "n_positions": window,
        "architectures": ["T5ForConditionalGeneration"],
        "dtype": "bfloat16",
    }
    return T5Config(**settings)


def _write(path: Path, data: bytes) -> None:
    with replacing(path) as file:
        file.write(data)


def _inner(optimizer: Any) -> Any:
    """The optimiser itself, without Accelerate's wrapper."""
    return getattr(optimizer, "optimizer", optimizer)
