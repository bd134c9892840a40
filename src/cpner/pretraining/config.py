"""How a backbone is pretrained: every setting, its unit and its default; sizes and recipes."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from cpner.errors import ConfigError, did_you_mean

# Width, head width, feed-forward width, heads, encoder and decoder layers.
SIZES: dict[str, dict[str, int]] = {
    "tiny": {"d_model": 64, "d_kv": 16, "d_ff": 128, "heads": 4, "encoder_layers": 2, "decoder_layers": 2},
    "cpu": {"d_model": 256, "d_kv": 64, "d_ff": 704, "heads": 4, "encoder_layers": 4, "decoder_layers": 2},
    "full": {"d_model": 384, "d_kv": 64, "d_ff": 1024, "heads": 6, "encoder_layers": 8, "decoder_layers": 2},
}
# What a size is trained with where nothing else is said. "full" learns to read from plain text first, then entities.
RECIPES: dict[str, dict[str, Any]] = {
    "tiny": {},
    "cpu": {"data": {"batch_pieces": 3072, "text_share": 0.04}},
    "full": {
        "steps": 12_000,
        "lr": 1.5e-2,
        "ramp": 400,
        "compile": True,
        "data": {
            "batch_pieces": 65_536,
            "text_share": 0.1,
            "text_share_start": 0.8,
            "text_until": 0.6,
            "group": 32,
            "lower": 0.2,
            "replaced": 0.2,
        },
    },
}
_KINDS: dict[str, Any] = {
    "int": int,
    "float": (int, float),
    "str": str,
    "bool": bool,
    "int | None": (int, type(None)),
    "float | None": (int, float, type(None)),
    "str | None": (str, type(None)),
    "dict[str, int]": dict,
}
_FREE = {"workers", "compile", "log_every", "save_every", "evaluate_every", "minutes"}  # may change on resuming


@dataclass(frozen=True)
class DataConfig:
    """How pretraining batches are drawn."""

    batch_pieces: int = 8192  # source pieces of a batch, about
    text_share: float = 0.15  # share of batches that are span corruption of plain text
    text_share_start: float | None = None  # the share at the start of the run; None is `text_share` from the start
    text_until: float = 0.5  # part of the run over which the share goes from its start to `text_share`, linearly
    max_source: int = 256  # longest source in pieces; the backbone's window is half of it, as few are longer
    max_options: int = 16  # types offered with a sentence, its own included
    drop: float = 0.08  # probability that a type of the sentence is not offered (and its entities are not wanted)
    merged: float = 0.2  # probability that a group's types all become the group, see `renaming.coarsen`
    mixed: float = 0.2
    rename: float = 0.2  # probability of a synonym
    lower: float = 0.1  # probability that a sentence is lower-cased, as in spoken queries
    replaced: float = 0.0  # probability that a mention is replaced by another of its type, as training does
    balance: float = 0.7  # a file of n sentences is drawn in proportion to n ** balance
    dense: float = 1.0  # a sentence of n entities is drawn in proportion to 0.4 + dense * min(n, 6): they teach more
    group: int = 64  # batches that are drawn together and dealt out by length, so that less of each is padding
    noise: float = 0.15  # share of text corrupted (T5's)
    mean_span: int = 3  # mean pieces of a corrupted span (T5's)
    text_pieces: int = 128  # pieces of a text example before corruption
    biased: float = 0.5  # share of corrupted spans that begin at a capitalised word
    seed: int = 0

    def __post_init__(self) -> None:
        _check_kinds(self, "data.")
        shares = "text_share drop merged mixed rename lower replaced biased text_until noise"
        for name in shares.split():
            _check(f"data.{name}", getattr(self, name), 0 <= getattr(self, name) <= 1, "0 to 1")
        start = self.share_at(0.0)
        _check("data.text_share_start", start, 0 <= start <= 1, "0 to 1")
        for name in ("dense", "seed"):
            _check(f"data.{name}", getattr(self, name), getattr(self, name) >= 0, "at least 0")
        for name in ("batch_pieces", "max_source", "max_options", "mean_span", "text_pieces", "group"):
            _check(f"data.{name}", getattr(self, name), getattr(self, name) >= 1, "at least 1")

    def share_at(self, position: float) -> float:
        """The share of text at a position of the run, from 0 at its start to 1 at its end."""
        if self.text_share_start is None or position >= self.text_until:
            return self.text_share
        gone = position / self.text_until
        return self.text_share_start + (self.text_share - self.text_share_start) * gone

    @property
    def needs_text(self) -> bool:
        """Whether any batch is text."""
        return max(self.text_share, self.share_at(0.0)) > 0

    @property
    def needs_labels(self) -> bool:
        """Whether any batch is labelled sentences."""
        return min(self.text_share, self.share_at(0.0)) < 1


@dataclass(frozen=True)
class PretrainConfig:
    """One pretraining run."""

    size: str = "cpu"  # a key of SIZES
    shape: dict[str, int] = field(default_factory=dict)  # sizes that differ from it, as {"encoder_layers": 6}
    start: str | None = None  # a backbone whose weights, sizes and vocabulary to go on from; None starts afresh
    vocabulary: int = 16_384  # pieces
    vocabulary_lines: int = 150_000  # lines that the vocabulary is learnt from
    text_lines: int | None = None  # lines of plain text to use; None for all
    steps: int = 10_000  # optimiser steps of the whole run
    minutes: float | None = None  # schedule the learning rate by time instead, and stop then; not exactly repeatable
    lr: float = 1.5e-2  # relative to each parameter's size, see ScaledAdamW
    ramp: int = 150  # steps of linear rise
    floor: float = 0.02  # share of lr at the end of the cosine
    accumulation: int = 1  # batches of one optimiser step
    clip: float = 1.0  # largest norm of all gradients together
    log_every: int = 50  # steps
    evaluate_every: int = 1000  # steps; teacher-forced accuracies, and F1 of decoding
    save_every: int = 500  # steps
    held_out: int = 2000  # labelled sentences kept from training, at most a tenth of all
    tagging: float = 1.0  # weight of the tagger's loss beside that of targets, see `tagging.py`; 0 for none
    copying: bool = True  # start with heads that copy, see `start.copying_heads`
    lexicon: bool = True  # start with an embedding from the text's co-occurrences, see `start.lexicon`
    workers: int = 0  # processes that make batches; 0 makes them in the training process
    compile: bool = False  # torch.compile; pays on CUDA
    seed: int = 0
    data: DataConfig = field(default_factory=DataConfig)

    def __post_init__(self) -> None:
        _check_kinds(self)
        if self.size not in SIZES:
            raise ConfigError(f"size {self.size!r} is unknown; known are {', '.join(SIZES)}")
        for name, value in self.shape.items():
            if name not in SIZES[self.size]:
                hint = did_you_mean(name, SIZES[self.size])
                raise ConfigError(f"shape has no {name!r}; it has {', '.join(SIZES[self.size])}.{hint}")
            _check(f"shape.{name}", value, isinstance(value, int) and value >= 1, "a whole number of at least 1")
        for name in ("steps", "accumulation", "ramp", "log_every", "evaluate_every", "save_every", "held_out"):
            _check(name, getattr(self, name), getattr(self, name) >= 1, "at least 1")
        _check("tagging", self.tagging, 0 <= self.tagging < float("inf"), "at least 0")
        _check("seed", self.seed, 0 <= self.seed < 1 << 32, f"0 to {(1 << 32) - 1}")  # NumPy's global generator
        _check("lr", self.lr, 0 < self.lr < float("inf"), "above 0")
        _check("minutes", self.minutes, self.minutes is None or self.minutes > 0, "above 0")

    @property
    def sizes(self) -> dict[str, int]:
        """The model's sizes: those of `size`, then those of `shape`."""
        return SIZES[self.size] | self.shape

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read settings; `data` holds those of `DataConfig`, and a size's recipe fills in what is not given.

        Raises:
            ConfigError: a setting is unknown or out of its range.
        """
        recipe = RECIPES.get(values.get("size", "cpu"), {})
        data = values.get("data", {})
        if not isinstance(data, Mapping):
            raise ConfigError(f"data is {data!r}; expected a table of settings")
        nested = _known(DataConfig, {**recipe.get("data", {}), **data}, "data.")
        return cls(**{**recipe, **_known(cls, values, ""), "data": DataConfig(**nested)})

    @classmethod
    def from_toml(cls, path: Path, **values: Any) -> Self:
        """Read settings from a TOML file; `values` come before the file's."""
        try:
            found = tomllib.loads(path.read_text("utf-8-sig"))
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"{path} is no TOML: {error}") from error
        except OSError as error:
            raise ConfigError(f"{path} can't be read: {error.strerror or error}") from error
        return cls.from_dict(merge(found, values))

    def differences(self, other: PretrainConfig) -> list[str]:
        """The settings that make `other` another run than this."""
        own, theirs = asdict(self), asdict(other)
        return [name for name in own if own[name] != theirs[name] and name not in _FREE]


def merge(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Both as one, tables too; the second comes before the first."""
    merged = {**first, **second}
    for name in ("data", "shape"):
        if isinstance(first.get(name), Mapping) and name in second:
            merged[name] = {**first[name], **second[name]}
    return merged


def _known(kind: type, values: Mapping[str, Any], where: str) -> dict[str, Any]:
    names = [f.name for f in fields(kind)]
    for name in values:
        if name not in names:
            raise ConfigError(f"no setting {where}{name}; known are {', '.join(names)}.{did_you_mean(name, names)}")
    return dict(values)


def _check_kinds(config: Any, where: str = "") -> None:
    for f in fields(config):
        value, kind = getattr(config, f.name), _KINDS.get(str(f.type))
        if kind and (not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool)):
            raise ConfigError(f"{where}{f.name} is {value!r}; expected {f.type}")


def _check(name: str, value: object, right: bool, expected: str) -> None:
    if not right:
        raise ConfigError(f"{name} is {value!r}; expected {expected}")
