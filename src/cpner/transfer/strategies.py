"""Ways to use source domains (section 4.3): collaboration, its rivals, and what they are compared with.

All but `chain` and `zero-label` go on from the target's warm-up, for as many steps, so that help is not mistaken for
more training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from cpner.backbone.ensemble import together
from cpner.backbone.load import Backbone
from cpner.backbone.prefix import Prefix, PrefixConfig, Reparameterisation
from cpner.corpus.sentence import Sentence
from cpner.errors import ConfigError, did_you_mean
from cpner.progress import Report
from cpner.training import TrainingConfig, TrainingResult, train_prefix

STRATEGIES = {
    "none": "train the target on, without a source",
    "single": "collaborate with the source that the selector weighs most",
    "collaborate": "average the sources, weighed by the selector, with the target, and train on (Eq. 5-10)",
    "uniform": "the same with equal weights for all sources",
    "chain": "train the first source's prefix on the second source, and so on, then on the target",
    "ensemble": "collaborate with each source alone, or without any train on with several seeds; all decide together",
    "zero-label": "average the sources by their types' likeness to the target's; needs and takes no target sentence",
}


class Link(NamedTuple):
    """A domain in a chain."""

    name: str
    train: Sequence[Sentence]
    dev: Sequence[Sentence]
    types: Sequence[str]


def check_strategy(strategy: str, sources: Sequence[str]) -> None:
    """Refuse what is no strategy, and sources where none can be used, or none where they are needed.

    Raises:
        ConfigError: see above.
    """
    if strategy not in STRATEGIES:
        known = ", ".join(STRATEGIES)
        raise ConfigError(f"no strategy {strategy!r}; there are {known}.{did_you_mean(strategy, STRATEGIES)}")
    if strategy != "ensemble" and (strategy == "none") == bool(sources):
        raise ConfigError(
            f"strategy {strategy!r} with sources {list(sources)}: none has no source, ensemble may have some, all "
            "others have"
        )


def train_on(
    backbone: Backbone,
    start: Prefix,
    train: Sequence[Sentence],
    dev: Sequence[Sentence],
    types: Sequence[str],
    config: TrainingConfig | None = None,
    *,
    prefix: PrefixConfig | None = None,
    run_dir: str | Path | None = None,
    resume: bool = False,
    progress: Report | None = None,
) -> TrainingResult:
    """Train a prefix from where it is (Eq. 4).

    Args:
        start: where to begin, each part [L, 2, H, K, D]. The rest is as in `warm_up`.
    """
    trained = Reparameterisation(backbone.t5.shape, prefix or PrefixConfig(), start)
    return train_prefix(backbone, trained, train, dev, types, config, run_dir=run_dir, resume=resume, progress=progress)


def chain(
    backbone: Backbone,
    start: Prefix,
    links: Sequence[Link],
    config: TrainingConfig | None = None,
    *,
    prefix: PrefixConfig | None = None,
    run_dir: str | Path | None = None,
    resume: bool = False,
    progress: Report | None = None,
) -> TrainingResult:
    """Train one prefix on several domains in sequence; the last is the target (section 4.3, chain transfer).

    Args:
        start: the first source's prefix.
        links: the other sources, then the target. The rest is as in `warm_up`; each link has its folder in `run_dir`.
    """
    if not links:
        raise ConfigError("a chain needs a target at its end")
    for i, link in enumerate(links):
        folder = None if run_dir is None else Path(run_dir) / f"{i}-{link.name}"
        result = train_on(
            backbone, start, link.train, link.dev, link.types, config,
            prefix=prefix, run_dir=folder, resume=resume, progress=progress,
        )  # fmt: skip
        start = result.prefix
    return result


def gather(results: Mapping[str, TrainingResult]) -> TrainingResult:
    """The members of an ensemble as one result: their prefixes one after another, their trainings added up."""
    members = list(results.values())
    return TrainingResult(
        prefix=together([member.prefix for member in members]),
        reparameterisation={},
        curve=[{"member": name, **row} for name, member in results.items() for row in member.curve],
        best_f1=None,
        best_epoch=max(member.best_epoch for member in members),
        epochs=sum(member.epochs for member in members),
        steps=sum(member.steps for member in members),
        seconds=sum(member.seconds for member in members),
    )


def untrained(prefix: Prefix) -> TrainingResult:
    """The result of no training at all."""
    return TrainingResult(prefix, {}, curve=[], best_f1=None, best_epoch=0, epochs=0, steps=0, seconds=0.0)
