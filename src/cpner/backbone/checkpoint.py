"""A backbone in a folder, as `transformers` has it: configuration, safetensors and tokenizer, read and written."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

from cpner.backbone.linear import FusedLinear
from cpner.backbone.shape import T5Shape
from cpner.backbone.t5 import ACTIVATIONS, T5
from cpner.backbone.tagger import FILE as TAGGER
from cpner.errors import BackboneError, ConfigError, one_line, shorten
from cpner.files import read_small, replacing

_SHARD_BYTES = 15_000_000
_JSON_BYTES = 20_000_000  # of a config or an index, which names a thousand tensors at most
_LEAST_WINDOW = 8  # pieces
_MOST_WINDOW = 1_000_000
_TRIAL = ("Ada", "\U0010fffd")  # a word, and a sign that no vocabulary has


def read_shape(folder: Path, name: str) -> tuple[int, T5Shape]:
    """The window of a checkpoint, in pieces, and its shape.

    Raises:
        BackboneError: there is no config.json, it is of another model, or a value is of the wrong kind or out of range.
    """
    config = _read_json(folder / "config.json", name)
    if config.get("model_type") not in ("t5", "mt5"):
        model = shorten(repr(config.get("model_type")))
        raise BackboneError(f"backbone {name!r} is a {model} model; cpner needs t5 or mt5")
    sizes = ("vocab_size", "d_model", "d_kv", "d_ff", "num_heads", "num_layers")
    if missing := [key for key in sizes if key not in config]:
        raise BackboneError(f"backbone {name!r} has a config.json that does not tell {', '.join(missing)}")
    gate, _, activation = str(config.get("feed_forward_proj", "relu")).rpartition("-")
    if gate == "gated" and activation == "gelu":
        activation = "gelu_new"  # T5 v1.1's name for the tanh approximation
    if activation not in ACTIVATIONS:
        raise BackboneError(f"backbone {name!r} uses the activation {activation!r}; known are {sorted(ACTIVATIONS)}")
    decoder_layers = config.get("num_decoder_layers")
    window = config.get("n_positions", 512)
    if type(window) is not int or not _LEAST_WINDOW <= window <= _MOST_WINDOW:
        raise BackboneError(
            f"backbone {name!r} has n_positions {shorten(repr(window))}; expected {_LEAST_WINDOW} to {_MOST_WINDOW}"
        )
    try:
        shape = T5Shape(
            vocab_size=config["vocab_size"],
            d_model=config["d_model"],
            d_kv=config["d_kv"],
            d_ff=config["d_ff"],
            heads=config["num_heads"],
            encoder_layers=config["num_layers"],
            decoder_layers=config["num_layers"] if decoder_layers is None else decoder_layers,
            activation=activation,
            gated=gate == "gated",
            # mT5 never scales; T5 does unless untied: transformers 5 writes it out, older configs say it by their tie
            scale_output=config["model_type"] == "t5"
            and config.get("scale_decoder_outputs", config.get("tie_word_embeddings") is not False),
            buckets=config.get("relative_attention_num_buckets", 32),
            max_distance=config.get("relative_attention_max_distance", 128),
            eps=config.get("layer_norm_epsilon", 1e-6),
        )
    except ConfigError as error:
        raise BackboneError(f"backbone {name!r} has a config.json that is out of range: {error}") from error
    return window, shape


def _read_json(path: Path, name: str) -> dict[str, Any]:
    """A table of JSON in a checkpoint's folder."""
    try:
        if path.stat().st_size > _JSON_BYTES:
            raise ValueError("it is too large")
        table = json.loads(read_small(path))
        if not isinstance(table, dict):
            raise ValueError("it is no table")
    except (OSError, ValueError, RecursionError) as error:
        reason = one_line(error)
        raise BackboneError(f"backbone {name!r} has no readable {path.name} in {path.parent} ({reason})") from error
    return table


def read_weights(folder: Path, shape: T5Shape, name: str) -> T5:
    """A model with the weights of a folder's safetensors file or shards."""
    tensors = _tensors(folder, name)
    if "lm_head.weight" in tensors and not _same(tensors["lm_head.weight"], tensors.get("shared.weight")):
        shape = T5Shape(**{**vars(shape), "tied": False})
    with torch.device("meta"):
        t5 = T5(shape)
    try:
        state = {ours: join([tensors[key] for key in keys]) for ours, keys, join, _ in _names(shape)}
        t5.load_state_dict(state, assign=True)
    except KeyError as error:
        raise BackboneError(f"backbone {name!r} lacks the tensor {error.args[0]!r} in {folder}") from error
    except RuntimeError as error:
        raise BackboneError(f"backbone {name!r} does not fit its config.json: {str(error).splitlines()[-1]}") from error
    return t5


def hugging_face_state(t5: T5) -> dict[str, Tensor]:
    """The weights under the names of `transformers`, to be saved for it."""
    weights = t5.state_dict()
    state: dict[str, Tensor] = {}
    for ours, keys, _, split in _names(t5.shape):
        state |= {key: part.contiguous() for key, part in zip(keys, split(weights[ours]), strict=True)}
    return state


_Row = tuple[str, list[str], Callable[[list[Tensor]], Tensor], Callable[[Tensor], tuple[Tensor, ...]]]


def _names(shape: T5Shape) -> Iterator[_Row]:
    """Our parameters with the checkpoint's tensors that make them up, how to join these, and how to split again."""
    with torch.device("meta"):
        modules = dict(T5(shape).named_modules())

    def row(ours: str, *keys: str) -> _Row:
        module: nn.Module = modules[ours]
        parts = module.parts if isinstance(module, FusedLinear) else 1
        return f"{ours}.weight", [f"{key}.weight" for key in keys], torch.cat, lambda t: t.chunk(parts)

    yield row("embedding", "shared")
    if not shape.tied:
        yield row("head", "lm_head")
    for stack, depth in (("encoder", shape.encoder_layers), ("decoder", shape.decoder_layers)):
        first = f"{stack}.block.0.layer.0.SelfAttention.relative_attention_bias"
        yield row(f"{stack}.relative_bias", first)
        yield row(f"{stack}.norm", f"{stack}.final_layer_norm")
        for i in range(depth):
            ours = f"{stack}.layers.{i}"
            theirs = f"{stack}.block.{i}.layer"
            attention = f"{theirs}.0.SelfAttention"
            yield row(f"{ours}.self_norm", f"{theirs}.0.layer_norm")
            yield row(f"{ours}.self_attention.qkv", *(f"{attention}.{x}" for x in "qkv"))
            yield row(f"{ours}.self_attention.o", f"{attention}.o")
            if stack == "decoder":
                attention = f"{theirs}.1.EncDecAttention"
                yield row(f"{ours}.cross_norm", f"{theirs}.1.layer_norm")
                yield row(f"{ours}.cross_attention.q", f"{attention}.q")
                yield row(f"{ours}.cross_attention.kv", *(f"{attention}.{x}" for x in "kv"))
                yield row(f"{ours}.cross_attention.o", f"{attention}.o")
            last = f"{theirs}.{2 if stack == 'decoder' else 1}"
            dense = f"{last}.DenseReluDense"
            yield row(f"{ours}.ff_norm", f"{last}.layer_norm")
            yield row(f"{ours}.ff.wi", *((f"{dense}.wi_0", f"{dense}.wi_1") if shape.gated else (f"{dense}.wi",)))
            yield row(f"{ours}.ff.wo", f"{dense}.wo")


def _tensors(folder: Path, name: str) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    files = sorted(path for path in folder.glob("*.safetensors") if path.name != TAGGER)
    if not files:
        pickled = sorted(path.name for path in [*folder.glob("*.bin"), *folder.glob("*.ckpt")])
        hint = f"; {pickled[0]} is a pickle, which cpner does not open" if pickled else ""
        raise BackboneError(f"backbone {name!r} has no safetensors file in {folder}{hint}")
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        files = _shards(index, name)
    tensors: dict[str, Tensor] = {}
    for file in files:
        try:
            tensors |= load_file(file)
        except (OSError, SafetensorError) as error:
            raise BackboneError(f"backbone {name!r}: {file} can't be read ({error})") from error
    for key in ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight"):
        if "shared.weight" not in tensors and key in tensors:
            tensors["shared.weight"] = tensors[key]
    return tensors


def _shards(index: Path, name: str) -> list[Path]:
    """The files of weights that an index names, all in its own folder."""
    weights = _read_json(index, name).get("weight_map")
    if not isinstance(weights, dict) or not weights:
        raise BackboneError(f"backbone {name!r}: {index} can't be read as an index of shards: it names none")
    for shard in weights.values():
        if not isinstance(shard, str) or Path(shard).name != shard or not shard.endswith(".safetensors"):
            raise BackboneError(f"backbone {name!r}: {index} names {shard!r}, which is no safetensors file beside it")
    return [index.parent / shard for shard in sorted(set(weights.values()))]


def _same(a: Tensor, b: Tensor | None) -> bool:
    return b is not None and a.shape == b.shape and torch.equal(a, b)


def read_tokenizer(folder: Path, name: str) -> Any:
    """The tokenizer of a checkpoint's folder.

    Raises:
        BackboneError: there is none, or it doesn't load or work.
    """
    from transformers import AutoTokenizer

    files = [file for file in ("tokenizer.json", "spiece.model", "tokenizer_config.json") if (folder / file).is_file()]
    if not files:  # transformers would make one without words
        raise BackboneError(f"backbone {name!r} has no tokenizer in {folder} (tokenizer.json or spiece.model)")
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), use_fast=True, trust_remote_code=False)
    except Exception as error:  # what a damaged tokenizer makes of transformers is not for us to list
        if files[0] == "spiece.model":
            reason = "to read spiece.model: pip install sentencepiece protobuf"
        else:
            reason = one_line(error)
        raise BackboneError(f"backbone {name!r} has no tokenizer that loads from {folder} ({reason})") from error
    try:  # settings that nobody reads before the first word
        tokenizer(list(_TRIAL), add_special_tokens=False)
        tokenizer.convert_tokens_to_ids(list(_TRIAL))
    except Exception as error:
        raise BackboneError(f"backbone {name!r} has a tokenizer in {folder} that fails ({one_line(error)})") from error
    return tokenizer


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
    activation = f"gated-{s.activation.removesuffix('_new')}" if s.gated else s.activation
    settings: dict[str, Any] = {
        "vocab_size": s.vocab_size,
        "d_model": s.d_model,
        "d_kv": s.d_kv,
        "d_ff": s.d_ff,
        "num_heads": s.heads,
        "num_layers": s.encoder_layers,
        "num_decoder_layers": s.decoder_layers,
        "feed_forward_proj": activation,
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
