"""Backbones: a frozen T5 with its vocabulary, from the package, a folder, or the Hugging Face hub (safetensors)."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from importlib import resources
from itertools import chain
from pathlib import Path

import torch
from torch import Tensor

from cpner import files
from cpner.backbone import EMBEDDED
from cpner.backbone.checkpoint import read_shape, read_tokenizer, read_weights
from cpner.backbone.eight_bit import EightBitT5, multiplies_in_eight_bits
from cpner.backbone.hardware import bound_kernels, dtype_name, keep_freed_memory, native_dtype
from cpner.backbone.known_types import FILE as KNOWN_TYPES
from cpner.backbone.known_types import read_known_types
from cpner.backbone.queries import mean_queries
from cpner.backbone.ranges import FILE as RANGES
from cpner.backbone.ranges import measure_ranges, read_ranges
from cpner.backbone.shape import T5Shape
from cpner.backbone.t5 import T5
from cpner.backbone.tagger import Tagger, read_tagger
from cpner.errors import BackboneError, ConfigError, one_line
from cpner.instructor import Vocabulary

INT8 = "int8"
PRECISIONS = ("float32", "bfloat16", INT8)
_FILES = [
    "config.json",
    RANGES,
    "*.safetensors",
    "*.safetensors.index.json",
    "tokenizer*",
    "spiece.model",
    "special_tokens_map.json",
    "calibration.json",
    KNOWN_TYPES,
]


class Backbone:
    """A frozen text-to-text model LM_θ and its vocabulary.

    Args:
        name: as it was asked for ("cpner-mini", "google-t5/t5-base", a folder's path).
        t5: the model, or how to load it: in 8 bits it is needed for training only.
        vocabulary: pieces of words and of the template.
        window: the longest source, in pieces, that the backbone was made for.
        eight_bit: the model in 8 bits, if it predicts in them.
        fingerprint: of its weights; None computes it from them.
        folder: where its files are; None for one that was made in memory.
        tagger: reads types off the encoder's states; None where the backbone comes without one.
    """

    def __init__(
        self,
        name: str,
        t5: T5 | Callable[[], T5],
        vocabulary: Vocabulary,
        window: int = 512,
        *,
        eight_bit: EightBitT5 | None = None,
        fingerprint: str | None = None,
        folder: Path | None = None,
        tagger: Tagger | None = None,
    ) -> None:
        self.name = name
        self.tagger = tagger
        self.folder = folder
        self.vocabulary = vocabulary
        self.window = window
        self._t5 = t5
        self._eight_bit = eight_bit
        self._fingerprint = fingerprint
        for model in (t5, eight_bit):
            if isinstance(model, T5):
                model.requires_grad_(False).eval()

    @cached_property
    def t5(self) -> T5:
        """The model in floats, which prefixes are trained on; no parameter of it is ever trained."""
        return self._t5 if isinstance(self._t5, T5) else self._t5().requires_grad_(False).eval()

    def with_model(self, t5: T5) -> Backbone:
        """The same vocabulary, window and tagger with another model, in floats."""
        return Backbone(self.name, t5, self.vocabulary, self.window, tagger=self.tagger)

    @property
    def reader(self) -> T5:
        """The model that predicts: in 8 bits or in floats."""
        return self._eight_bit or self.t5

    @property
    def shape(self) -> T5Shape:
        """Sizes and variants of the model."""
        return self.reader.shape

    @property
    def precision(self) -> str:
        """What it predicts in: "int8", "bfloat16" or "float32"."""
        return dtype_name(self.dtype) if self._eight_bit is None else INT8

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.reader.embedding.weight.device

    @property
    def dtype(self) -> torch.dtype:
        """What states and prefixes are computed in."""
        return self.reader.embedding.weight.dtype

    @cached_property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits that name these exact weights, whatever precision they were loaded in."""
        return self._fingerprint or digest(self.t5)

    @cached_property
    def mean_queries(self) -> dict[str, Tensor]:
        """For each kind of attention the mean query of each head, [L, H, D] in float32 on the CPU."""
        return mean_queries(self.t5, self.vocabulary)

    @cached_property
    def known_types(self) -> frozenset[str]:
        """Names of types, in lower case, that it was pretrained on; empty where there is no list."""
        return read_known_types(self.folder)

    def embed_types(self, types: list[str]) -> Tensor:
        """[Y, d] the mean embedding LM_w of each type's pieces, in float32 (Eq. 5)."""
        rows = [self.reader.embedding.weight[self.vocabulary.phrase(type)].float().mean(0) for type in types]
        return torch.stack(rows)


def digest(t5: T5) -> str:
    """A fingerprint of all weights, rounded to bfloat16 so that it does not depend on the dtype they are held in."""
    parts = (
        (name.encode(), tensor.detach().to("cpu", torch.bfloat16).contiguous().view(torch.int16).numpy().tobytes())
        for name, tensor in sorted(t5.state_dict().items())
    )
    return files.digest(chain.from_iterable(parts))


def load(name: str = EMBEDDED, *, device: str | None = None, precision: str | None = None) -> Backbone:
    """Load a backbone. The process then keeps memory that it frees, and few kernels; see `hardware`.

    Args:
        name: "cpner-mini", a folder with a T5 checkpoint in safetensors, or a repository of the Hugging Face hub.
        device: None picks CUDA where there is one.
        precision: "float32", "bfloat16", or "int8" on a CPU: predicts in 8 bits and trains in float32. None is
            bfloat16 where the device has instructions for it. Elsewhere it is 8 bits if the backbone comes with its
            `ranges`, or float32.

    Raises:
        BackboneError: nothing is found under the name, it is no T5, or its weights are not in safetensors.
        ConfigError: the device is not there, or can't compute in this precision.
    """
    device = check_device(device)
    if precision not in (None, *PRECISIONS):
        raise ConfigError(
            f"precision {precision!r} is not known; use {', '.join(PRECISIONS)} (float16 overflows in T5)"
        )
    folder = locate(name)
    window, shape = read_shape(folder, name)
    bound_kernels()
    keep_freed_memory()

    def read(dtype: torch.dtype) -> T5:
        return read_weights(folder, shape, name).to(device=device, dtype=dtype)

    vocabulary = Vocabulary(read_tokenizer(folder, name))
    tagger = read_tagger(folder, shape.d_model, name)
    if tagger is not None:
        # in float64 on processors, whose rounded numbers do not depend on the batch
        tagger.to(device, torch.float64 if torch.device(device).type == "cpu" else torch.float32)
    precision = precision or _fastest(folder, device)
    if precision != INT8:
        return Backbone(name, read(getattr(torch, precision)), vocabulary, window, folder=folder, tagger=tagger)
    if torch.device(device).type != "cpu":
        raise ConfigError(f"precision {INT8} is for processors; use float32 or bfloat16 on {device}")
    t5 = read(torch.float32)
    ranges = read_ranges(folder, t5, name) or measure_ranges(t5, vocabulary)
    eight_bit = EightBitT5(t5, ranges)
    return Backbone(
        name, partial(read, torch.float32), vocabulary, window,
        eight_bit=eight_bit, fingerprint=digest(t5), folder=folder, tagger=tagger,
    )  # fmt: skip


def load_in_floats(name: str, device: str | None) -> Backbone:
    """Load a backbone that predicts in what it trains in, as experiments do; arguments and errors as in `load`."""
    return load(name, device=device, precision=dtype_name(native_dtype(check_device(device))))


def _fastest(folder: Path, device: str) -> str:
    """The precision that a device is fastest in, and in which the backbone is known to find what it finds in floats."""
    dtype = native_dtype(device)
    ranged = (folder / RANGES).is_file() and torch.device(device).type == "cpu" and multiplies_in_eight_bits()
    return INT8 if ranged and dtype == torch.float32 else dtype_name(dtype)


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
