"""How a backbone is pretrained: every setting, its unit and its default; sizes and recipes."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

from cpner.errors import ConfigError, did_you_mean
from cpner.settings import Settings, above, at_least, below, between, merge, one_of

_TABLES = tomllib.loads(Path(__file__).with_name("sizes.toml").read_text("utf-8"))
SIZES: dict[str, dict[str, int]] = _TABLES["sizes"]
RECIPES: dict[str, dict[str, Any]] = _TABLES["recipes"]  # what a size is trained with where nothing else is said
_FREE = {  # may change on resuming: a run may end sooner or later, learn faster or slower, and on another machine
    *("steps", "decay", "minutes", "teacher", "lr", "carried", "data.batch_pieces"),
    *("workers", "compile", "log_every", "save_every", "evaluate_every"),
}


@dataclass(frozen=True)
class DataConfig(Settings):
    """How pretraining batches are drawn."""

    batch_pieces: int = 8192  # source pieces of a batch, about
    text_share: float = 0.15  # share of batches that are span corruption of plain text
    text_share_start: float | None = None  # the share at the start of the run; None is `text_share` from the start
    text_until: float = 0.5  # part of the run over which the share goes from its start to `text_share`, linearly
    distilled: float = 0.0  # share of batches that are plain text on which the encoder follows the teacher
    distilled_start: float | None = None  # that share at the start of the run; None is `distilled` from the start
    distilled_until: float = 0.2  # part of the run over which it goes from its start to `distilled`, linearly
    max_source: int = 256  # longest source in pieces; the backbone's window is half of it, as few are longer
    max_options: int = 16  # types offered with a sentence, its own included
    drop: float = 0.08  # probability that a type of the sentence is not offered (and its entities are not wanted)
    unasked: float = 0.0  # probability that none of the sentence's types is offered, so that nothing is wanted
    merged: float = 0.2  # probability that a group's types all become the group, see `renaming.coarsen`
    mixed: float = 0.2
    rename: float = 0.2  # probability of a synonym
    plurals: float = 0.0  # probability that a type's name is in the plural
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

    called = "pretraining setting data."
    ranges: ClassVar = {
        between(0, 1): (
            *("text_share", "text_share_start", "text_until", "drop", "merged", "mixed", "rename", "lower"),
            *("plurals", "replaced", "noise", "biased", "distilled", "distilled_start", "distilled_until", "unasked"),
        ),
        at_least(0): ("dense", "seed"),
        at_least(1): ("batch_pieces", "max_source", "max_options", "mean_span", "text_pieces", "group"),
    }

    def share_at(self, position: float) -> float:
        """The share of text at a position of the run, from 0 at its start to 1 at its end."""
        return _share(self.text_share_start, self.text_share, self.text_until, position)

    def distilled_at(self, position: float) -> float:
        """The share of the teacher's text at a position of the run, from 0 at its start to 1 at its end."""
        return _share(self.distilled_start, self.distilled, self.distilled_until, position)

    @property
    def is_taught(self) -> bool:
        """Whether any batch follows a teacher."""
        return max(self.distilled, self.distilled_at(0.0)) > 0

    @property
    def needs_text(self) -> bool:
        """Whether any batch is plain text."""
        return self.is_taught or max(self.text_share, self.share_at(0.0)) > 0

    @property
    def needs_labels(self) -> bool:
        """Whether any batch is labelled sentences."""
        return min(self.text_share, self.share_at(0.0)) < 1


@dataclass(frozen=True)
class PretrainConfig(Settings):
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
    decay: float = 1.0  # last part of the run, over which lr falls as a cosine; before it, lr stays
    average: float = 0.0  # share of the average of the weights that a step keeps; the average is measured and written
    teacher: str | None = None  # folder of a BERT that the encoder starts from and follows, see `carry_over.py`
    carried: float | None = None  # rate of encoder and embedding, relative to lr; None: 0.25 with a teacher, else 1
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

    called = "pretraining setting "
    ranges: ClassVar = {
        at_least(1): ("steps", "accumulation", "ramp", "log_every", "evaluate_every", "save_every", "held_out"),
        at_least(0): ("tagging",),
        above(0): ("lr", "minutes", "carried", "decay"),
        between(0, 1): ("decay",),
        below(1): ("average",),
        between(0, (1 << 32) - 1): ("seed",),  # of NumPy's global generator
        one_of(tuple(SIZES)): ("size",),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.data.is_taught and self.teacher is None:
            raise ConfigError("data.distilled needs a teacher: name its folder (--teacher), or set data.distilled to 0")
        if self.teacher is not None and self.start is not None:
            raise ConfigError("a run starts from a backbone or from a teacher, not from both: give start or teacher")
        for name, value in self.shape.items():
            if name not in SIZES[self.size]:
                hint = did_you_mean(name, SIZES[self.size])
                raise ConfigError(f"shape has no {name!r}; it has {', '.join(SIZES[self.size])}.{hint}")
            if type(value) is not int or value < 1:
                raise ConfigError(f"shape.{name} is {value!r}; expected a whole number of at least 1")

    @property
    def sizes(self) -> dict[str, int]:
        """The model's sizes: those of `size`, then those of `shape`."""
        return SIZES[self.size] | self.shape

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Settings by name, those of `DataConfig` in a table `data`; a size's recipe fills in what is not given.

        Raises:
            ConfigError: a name is unknown, or a value is of another kind or out of its range.
        """
        return super().from_dict(merge(RECIPES.get(values.get("size", "cpu"), {}), values))

    def differences(self, other: PretrainConfig) -> list[str]:
        """The settings that make `other` another run than this."""
        others = other._flat()
        return [name for name, value in self._flat().items() if value != others[name] and name not in _FREE]

    def _flat(self) -> dict[str, Any]:
        """All settings by their names, those of the data as `data.NAME`."""
        settings = asdict(self)
        data = settings.pop("data")
        return settings | {f"data.{name}": value for name, value in data.items()}


def _share(start: float | None, end: float, until: float, position: float) -> float:
    """A share that goes from `start` to `end` while the position goes from 0 to `until`, linearly."""
    if start is None or position >= until:
        return end
    return start + (end - start) * position / until
