"""Backbones: a frozen T5 with its vocabulary, from the package, a folder, or the Hugging Face hub (safetensors)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from itertools import chain
from pathlib import Path

import torch
from torch import Tensor

from cpner import files
from cpner.backbone import EMBEDDED
from cpner.backbone.checkpoint import read_shape, read_tokenizer, read_weights
from cpner.backbone.hardware import bound_kernels, keep_freed_memory, native_dtype
from cpner.backbone.queries import mean_queries
from cpner.backbone.t5 import T5
from cpner.errors import BackboneError, ConfigError, one_line
from cpner.instructor import Vocabulary

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

    @cached_property
    def mean_queries(self) -> dict[str, Tensor]:
        """For each kind of attention the mean query of each head, [L, H, D] in float32 on the CPU."""
        return mean_queries(self.t5, self.vocabulary)

    def embed_types(self, types: list[str]) -> Tensor:
        """[Y, d] the mean embedding LM_w of each type's pieces, in float32 (Eq. 5)."""
        rows = [self.t5.embedding.weight[self.vocabulary.phrase(type)].float().mean(0) for type in types]
        return torch.stack(rows)


def digest(t5: T5) -> str:
    """A fingerprint of all weights, rounded to bfloat16 so that it does not depend on the dtype they are held in."""
    parts = (
        (name.encode(), tensor.detach().to("cpu", torch.bfloat16).contiguous().view(torch.int16).numpy().tobytes())
        for name, tensor in sorted(t5.state_dict().items())
    )
    return files.digest(chain.from_iterable(parts))


def load(name: str = EMBEDDED, *, device: str | None = None, dtype: torch.dtype | None = None) -> Backbone:
    """Load a backbone. The process then keeps memory that it frees, and few kernels; see `hardware`.

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
    window, shape = read_shape(folder, name)
    bound_kernels()
    keep_freed_memory()
    t5 = read_weights(folder, shape, name).to(device=device, dtype=dtype or native_dtype(device))
    return Backbone(name, t5, Vocabulary(read_tokenizer(folder, name)), window=window)


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
        reason = one_line(error)
        raise BackboneError(
            f"backbone {name!r} is neither {EMBEDDED!r}, nor a folder, nor to be had from the hub ({reason})"
        ) from error
