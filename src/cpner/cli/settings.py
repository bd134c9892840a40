"""The options of commands that train and that mix domains."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cpner.cli.options import FILE, gather, resume_option
from cpner.corpus import Corpus
from cpner.errors import ConfigError
from cpner.transfer.mixing import SPACES, WEIGHTINGS, Mixing

if TYPE_CHECKING:
    from cpner.training import TrainingConfig


@dataclass(frozen=True)
class TrainingOptions:
    """The options of commands that train."""

    shots: int | None
    count: int | None
    seed: int | None
    epochs: int | None
    lr: float | None
    config_file: Path | None
    resume: bool

    def sample(self, corpus: Corpus) -> Corpus:
        """Take the few sentences that were asked for, or all."""
        if self.shots is not None and self.count is not None:
            raise ConfigError("--shots (sentences per type) and --count (sentences in all) exclude each other")
        if self.shots is None and self.count is None:
            return corpus
        return corpus.sample(shots=self.shots, count=self.count, seed=self.config().seed)

    def config(self) -> TrainingConfig:
        """The settings of training: the file's, then the flags'."""
        from cpner.training import TrainingConfig

        min_steps = None if self.epochs is None else 0  # who names a number of epochs wants that number
        return TrainingConfig.from_flags(
            self.config_file, epochs=self.epochs, min_steps=min_steps, lr=self.lr, seed=self.seed
        )


training_options = gather(
    "training",
    TrainingOptions,
    click.option(
        "--shots",
        type=click.IntRange(min=1),
        metavar="K",
        show_default="all",
        help="Learn from K sentences for each type.",
    ),
    click.option(
        "--count", type=click.IntRange(min=1), metavar="N", show_default="all", help="Learn from N sentences in all."
    ),
    click.option("--seed", type=int, show_default="0", metavar="N", help="Of the sample and of the training."),
    click.option(
        "--epochs",
        type=click.IntRange(min=1),
        show_default="10, more if few sentences",
        metavar="N",
        help="Passes over the training sentences.",
    ),
    click.option(
        "--lr", type=float, show_default="0.2, or 0.003 for a prefix from a network", metavar="X", help="Learning rate."
    ),
    click.option(
        "--config", "config_file", type=FILE, metavar="FILE.toml", help="Settings of training; flags override them."
    ),
    resume_option,
)
_select_options = (
    click.option(
        "--alpha",
        type=click.FloatRange(0, 1),
        default=0.5,
        help="Share of the entity similarity; the rest is the prefix similarity's (Eq. 7).",
    ),
    click.option(
        "--temperature",
        type=click.FloatRange(min=0, min_open=True),
        default=1.0,
        help="Of the softmax over the sources (Eq. 8); smaller is sharper.",
    ),
    click.option("--top-k", type=click.IntRange(min=1), metavar="K", help="Use the K most similar sources only."),
    click.option(
        "--weighting",
        type=click.Choice(WEIGHTINGS),
        default="softmax",
        help="How likenesses become weights: Eq. 8, each divided by their sum, or all the same.",
    ),
)
select_options = gather("mixing", Mixing, *_select_options)
mix_options = gather(
    "mixing",
    Mixing,
    *_select_options,
    click.option(
        "--share", type=click.FloatRange(0, 1), default=0.5, help="What the sources make up of the average (Eq. 10)."
    ),
    click.option(
        "--space",
        type=click.Choice(SPACES),
        default="prefix",
        help="What is averaged: prefixes, or the parameters behind them, where the store has them.",
    ),
)
