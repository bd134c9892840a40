"""Backbones: a frozen T5 with its vocabulary, from the package, a folder, or the Hugging Face hub (safetensors)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cpner.backbone.allocator import keep_freed_memory
from cpner.backbone.precision import native_dtype
from cpner.backbone.shape import T5Shape
from cpner.backbone.t5 import ACTIVATIONS, T5, FusedLinear
from cpner.errors import BackboneError, ConfigError
from cpner.instructor import Vocabulary

EMBEDDED = "cpner-mini"
_FILES = [
    "config.json",
    "*.safetensors",
    "*.safetensors.index.json",
    "tokenizer*",
    "spiece.model",
    "special_tokens_map.json",
]


@dataclass
class Backbone:
    """A frozen text-to-text model LM_θ and its vocabulary.

    Attributes:
        name: as it was asked for ("cpner-mini", "google-t5/t5-base", a folder's path).
        t5: the model; no parameter of it is ever trained.
        vocabulary: pieces of words and of the template.
        window: the longest source, in pieces, that the backbone was made for.
    """

    name: str
    t5: T5
    vocabulary: Vocabulary
    window: int = 512

    def __post_init__(self) -> None:
        self.t5.requires_grad_(False).eval()

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.t5.embedding.weight.device

    @property
    def dtype(self) -> torch.dtype:
        """What the weights are held in."""
        return self.t5.embedding.weight.dtype

    @cached_property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits that name these exact weights, whatever dtype they were loaded in."""
        return digest(self.t5)

    def embed_types(self, types: list[str]) -> Tensor:
        """[Y, d] the mean embedding LM_w of each type's pieces, in float32 (Eq. 5)."""
        rows = [self.t5.embedding.weight[self.vocabulary.phrase(type)].float().mean(0) for type in types]
        return torch.stack(rows)


def digest(t5: T5) -> str:
    """A fingerprint of all weights, rounded to bfloat16 so that it does not depend on the dtype they are held in."""
    total = hashlib.sha256()
    for name, tensor in sorted(t5.state_dict().items()):
        total.update(name.encode())
        total.update(tensor.detach().to("cpu", torch.bfloat16).contiguous().view(torch.int16).numpy().tobytes())
    return total.hexdigest()[:12]


def load(name: str = EMBEDDED, *, device: str | None = None, dtype: torch.dtype | None = None) -> Backbone:
    """Load a backbone. The process then keeps memory that it frees, see `allocator`.

    Args:
        name: "cpner-mini", a folder with a T5 checkpoint in safetensors, or a repository of the Hugging Face hub.
        device: None picks CUDA where there is one.
        dtype: bfloat16 or float32; None is the one that the device is faster in (float16 overflows in T5).

    Raises:
        BackboneError: nothing is found under the name, it is no T5, or its weights are not in safetensors.
        ConfigError: the device is not there.
    """
    device = check_device(device)
    if dtype not in (None, torch.bfloat16, torch.float32):
        raise BackboneError(f"dtype {dtype} is not supported (float16 overflows in T5): use bfloat16 or float32")
    folder = locate(name)
    config, shape = read_shape(folder, name)
    keep_freed_memory()
    t5 = read_weights(folder, shape, name).to(device=device, dtype=dtype or native_dtype(device))
    return Backbone(name, t5, Vocabulary(read_tokenizer(folder, name)), window=config.get("n_positions", 512))


def check_device(device: str | None) -> str:
    """A device that torch has; None is a GPU where there is one.

    Raises:
        ConfigError: torch does not know or have it.
    """
    if device is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        asked = torch.device(device)
    except RuntimeError as error:
        raise ConfigError(f"no device {device!r}; use cpu, cuda or cuda:N") from error
    if asked.type not in ("cpu", "cuda"):
        raise ConfigError(f"device {device!r} is not supported; use cpu, cuda or cuda:N")
    if asked.type == "cuda" and (asked.index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"device {device!r} is not there: torch {torch.__version__} sees {torch.cuda.device_count()} CUDA GPUs"
        )
    return device


def locate(name: str) -> Path:
    """The folder of a backbone; what is on the hub is fetched into its cache first."""
    if name == EMBEDDED:
        return Path(str(resources.files("cpner.models").joinpath(EMBEDDED)))
    if Path(name).is_dir():
        return Path(name)
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise BackboneError(f"no folder {name!r} for a backbone")
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(huggingface_hub.snapshot_download(name, allow_patterns=_FILES))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        reason = _first_line(error)
        raise BackboneError(
            f"backbone {name!r} is neither {EMBEDDED!r}, nor a folder, nor to be had from the hub ({reason})"
        ) from error


def read_shape(folder: Path, name: str) -> tuple[dict[str, Any], T5Shape]:
    """The config of a checkpoint, as JSON and as a shape."""
    try:
        config = dict(json.loads((folder / "config.json").read_text("utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise BackboneError(f"backbone {name!r} has no readable config.json in {folder}") from error
    if config.get("model_type") not in ("t5", "mt5"):
        raise BackboneError(f"backbone {name!r} is a {config.get('model_type')!r} model; cpner needs t5 or mt5")
    sizes = ("vocab_size", "d_model", "d_kv", "d_ff", "num_heads", "num_layers")
    if missing := [key for key in sizes if key not in config]:
        raise BackboneError(f"backbone {name!r} has a config.json that does not tell {', '.join(missing)}")
    gate, _, activation = config.get("feed_forward_proj", "relu").rpartition("-")
    if gate == "gated" and activation == "gelu":
        activation = "gelu_new"  # T5 v1.1's name for the tanh approximation
    if activation not in ACTIVATIONS:
        raise BackboneError(f"backbone {name!r} uses the activation {activation!r}; known are {sorted(ACTIVATIONS)}")
    return config, T5Shape(
        vocab_size=config["vocab_size"],
        d_model=config["d_model"],
        d_kv=config["d_kv"],
        d_ff=config["d_ff"],
        heads=config["num_heads"],
        encoder_layers=config["num_layers"],
        decoder_layers=config.get("num_decoder_layers") or config["num_layers"],
        activation=activation,
        gated=gate == "gated",
        # mT5 never scales; T5 does unless untied: transformers 5 writes it out, older configs say it by their tie
        scale_output=config["model_type"] == "t5"
        and config.get("scale_decoder_outputs", config.get("tie_word_embeddings") is not False),
        buckets=config.get("relative_attention_num_buckets", 32),
        max_distance=config.get("relative_attention_max_distance", 128),
        eps=config.get("layer_norm_epsilon", 1e-6),
    )


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
    own = t5.state_dict()
    state: dict[str, Tensor] = {}
    for ours, keys, _, split in _names(t5.shape):
        state |= {key: part.contiguous() for key, part in zip(keys, split(own[ours]), strict=True)}
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
            ours, theirs = f"{stack}.layers.{i}", f"{stack}.block.{i}.layer"
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

    files = sorted(folder.glob("*.safetensors"))
    if not files:
        pickled = sorted(path.name for path in [*folder.glob("*.bin"), *folder.glob("*.ckpt")])
        hint = f"; {pickled[0]} is a pickle, which cpner does not open" if pickled else ""
        raise BackboneError(f"backbone {name!r} has no safetensors file in {folder}{hint}")
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        try:
            shards = set(json.loads(index.read_text("utf-8"))["weight_map"].values())
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise BackboneError(f"backbone {name!r}: {index} can't be read as an index of shards") from error
        files = [folder / shard for shard in sorted(shards)]
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


def _same(a: Tensor, b: Tensor | None) -> bool:
    return b is not None and a.shape == b.shape and torch.equal(a, b)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def read_tokenizer(folder: Path, name: str) -> Any:
    """The tokenizer of a checkpoint's folder."""
    from transformers import AutoTokenizer

    files = [file for file in ("tokenizer.json", "spiece.model", "tokenizer_config.json") if (folder / file).is_file()]
    if not files:  # transformers would make one without words
        raise BackboneError(f"backbone {name!r} has no tokenizer in {folder} (tokenizer.json or spiece.model)")
    try:
        return AutoTokenizer.from_pretrained(str(folder), use_fast=True)
    except (ImportError, OSError, ValueError, KeyError, TypeError) as error:
        if files[0] == "spiece.model":
            reason = "to read spiece.model: pip install sentencepiece protobuf"
        else:
            reason = _first_line(error)
        raise BackboneError(f"backbone {name!r} has no tokenizer that loads from {folder} ({reason})") from error
