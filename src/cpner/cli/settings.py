"""The options of commands that train and that mix domains."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cpner.cli.options import FILE, gather, resume_option
from cpner.corpus import Corpus
from cpner.corpus.sampling import hold_out, spread
from cpner.errors import ConfigError
from cpner.transfer.mixing import SPACES, WEIGHTINGS, Mixing

if TYPE_CHECKING:
    from cpner.training import TrainingConfig

_LEAST_DEV = 50  # sentences of the dev split that few-shot training looks at, which else costs most of its time


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
    dev_share: float | None
    dev_count: int | None

    def sample(self, corpus: Corpus) -> Corpus:
        """Take the few sentences that were asked for, or all, with a dev split to match."""
        if self.shots is not None and self.count is not None:
            raise ConfigError("--shots (sentences per type) and --count (sentences in all) exclude each other")
        few = self.shots is not None or self.count is not None
        if few:
            corpus = corpus.sample(shots=self.shots, count=self.count, seed=self.config().seed)
        if self.dev_share is not None:
            corpus = self._hold_out(corpus, self.dev_share)
        limit = self.dev_count or (max(_LEAST_DEV, 2 * len(corpus.train)) if few else None)
        if limit is None or len(corpus.dev) <= limit:
            return corpus
        hint = "" if self.dev_count else f", as {len(corpus.train)} are learnt from; --dev-count says otherwise"
        click.echo(f"dev split: {limit} of {len(corpus.dev):,} sentences are looked at{hint}", err=True)
        return corpus.with_splits(dev=spread(corpus.dev, limit))

    def _hold_out(self, corpus: Corpus, share: float) -> Corpus:
        """Give a corpus without a dev split a share of its train split as one."""
        if corpus.dev:
            raise ConfigError(f"--dev-share is for a corpus without a dev split; {corpus.name!r} has one")
        train, dev = hold_out(corpus.train, share, self.config().seed)
        click.echo(f"dev split: {len(dev):,} of {len(corpus.train):,} training sentences, held out", err=True)
        return corpus.with_splits(train=train, dev=dev)

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
    click.option(
        "--dev-share",
        type=click.FloatRange(0, 1, min_open=True, max_open=True),
        metavar="X",
        help="Hold out this share of the train split as the dev split, where there is none.",
    ),
    click.option(
        "--dev-count",
        type=click.IntRange(min=1),
        metavar="N",
        show_default=f"all; with --shots or --count {_LEAST_DEV}, or twice the sentences learnt from",
        help="Look at N sentences of the dev split.",
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
        "--share",
        type=click.FloatRange(0, 1),
        metavar="X",
        show_default="0.5, 0.25 or 0, whichever makes the labelled sentences likeliest",
        help="What the sources make up of the average (Eq. 10).",
    ),
    click.option(
        "--space",
        type=click.Choice(SPACES),
        default="prefix",
        help="What is averaged: prefixes, or the parameters behind them, where the store has them.",
    ),
)
