"""How a prefix is trained: every setting, its unit, its default and the reason for it."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

from cpner.errors import ConfigError, did_you_mean

SOFTMAXES = ("candidates", "vocabulary")


@dataclass(frozen=True)
class TrainingConfig:
    """Settings of `train_prefix`, good for ten to a few hundred sentences."""

    epochs: int = 10  # passes over the data, at most
    min_steps: int = 250  # few sentences get more passes, until they have had as many steps
    max_epochs: int = 50  # but no more passes for that reason: very few are soon known by heart
    batch_sentences: int = 8  # at most; small batches make enough steps of few sentences
    batch_pieces: int = 4096  # source pieces of a batch, padding included, at most: bounds memory
    lr: float = 0.0  # highest step size of AdamW; 0 takes 0.2 for a prefix itself, 0.003 for a network that yields it
    lr_ramp_steps: int = 20  # steps over which it rises from zero; then it falls as a cosine to zero
    weight_decay: float = 0.0  # it would pull back to the start of the prefix, and few steps are taken
    clip: float = 1.0  # largest norm of all gradients together
    dropout: float = 0.1  # share of what training added to the start that is left out of a step
    shrinkage: float = 0.1  # share of what training changed that is taken back; of n > 100 sentences, 100/n of that
    shuffle_options: bool = True  # the order of the types should not matter
    option_dropout: float = 0.1  # share of the types absent from a sentence that are not offered with it
    mention_replacement: float = 0.3  # share of the mentions that become others of their type, anew each epoch
    patience: int = 0  # looks at the dev split without a better F1 until training stops; 0 never stops early
    eval_every: int = 0  # epochs between looks at the dev split; 0 spreads 8 looks over the training
    eval_limit: int = 500  # sentences of the dev split that are looked at; 0 takes all
    seed: int = 0  # order of sentences and options, mentions, dropout
    softmax: str = "candidates"  # Eq. 4 over the pieces that a row could write, or over the whole "vocabulary"
    options: bool = True  # whether the source names the types (o in Eq. 1)
    checkpointing: bool = False  # compute layers again for the gradient: less memory for a large backbone, more time
    save_seconds: float = 120.0  # a checkpoint at least as often, besides one at every look

    def __post_init__(self) -> None:
        for field in fields(self):
            value, kind = getattr(self, field.name), str(field.type)
            allowed = {"int": int, "float": (int, float), "bool": bool, "str": str}[kind]
            if not isinstance(value, allowed) or (kind != "bool" and isinstance(value, bool)):  # type: ignore[arg-type]
                raise ConfigError(f"training setting {field.name}={value!r} is no {kind}")
        for name in ("epochs", "max_epochs", "batch_sentences", "batch_pieces"):
            self._check(name, getattr(self, name) >= 1, "at least 1")
        for name in (
            *("min_steps", "lr_ramp_steps", "weight_decay", "patience", "eval_every", "eval_limit", "seed", "lr"),
            "save_seconds",
        ):
            self._check(name, 0 <= getattr(self, name) < float("inf"), "at least 0")
        self._check("clip", 0 < self.clip < float("inf"), "above 0")
        for name in ("dropout", "shrinkage", "option_dropout", "mention_replacement"):
            self._check(name, 0 <= getattr(self, name) < 1, "at least 0 and below 1")
        self._check("softmax", self.softmax in SOFTMAXES, f"one of {', '.join(SOFTMAXES)}")

    def epochs_of(self, batches: int) -> int:
        """How many epochs a training has whose epochs have so many batches."""
        return max(self.epochs, min(self.max_epochs, math.ceil(self.min_steps / batches)))

    def shrink_share_of(self, sentences: int) -> float:
        """The share of what training changed that is taken back when there are so many sentences to learn from."""
        return self.shrinkage * min(1.0, 100 / sentences)

    def _check(self, name: str, right: bool, expected: str) -> None:
        if not right:
            raise ConfigError(f"training setting {name}={getattr(self, name)!r} is out of range; expected {expected}")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Settings by name; those that are not named keep their defaults.

        Raises:
            ConfigError: A name is unknown, or a value is out of its range.
        """
        known = [field.name for field in fields(cls)]
        for name in values:
            if name not in known:
                hint = did_you_mean(name, known) or f" Known are {', '.join(known)}."
                raise ConfigError(f"no training setting is called {name!r}.{hint}")
        return cls(**values)

    @classmethod
    def from_toml(cls, path: str | Path) -> Self:
        """Read settings from a TOML file, as `lr = 0.1`.

        Raises:
            ConfigError: The file can't be read, or see `from_dict`.
        """
        try:
            values = tomllib.loads(Path(path).read_text("utf-8-sig"))
        except (OSError, ValueError, RecursionError) as error:
            raise ConfigError(f"{path}: can't be read as TOML: {error}") from error
        try:
            return cls.from_dict(values)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from error
