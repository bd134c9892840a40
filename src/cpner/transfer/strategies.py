"""Ways to use source domains (section 4.3): collaboration, its rivals, and what they are compared with.

All but `chain` and `zero-label` go on from the target's warm-up, for as many steps, so that help is not mistaken for
more training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from cpner.backbone.prefix import Prefix, together
from cpner.errors import ConfigError, did_you_mean
from cpner.training import TrainingResult

STRATEGIES = {
    "none": "train the target on, without a source",
    "single": "collaborate with the source that the selector weighs most",
    "collaborate": "average the sources, weighed by the selector, with the target, and train on (Eq. 5-10)",
    "uniform": "the same with equal weights for all sources",
    "chain": "train the first source's prefix on the second source, and so on, then on the target",
    "ensemble": "collaborate with each source alone, or without any train on with several seeds; all decide together",
    "zero-label": "average the sources by their types' likeness to the target's; needs and takes no target sentence",
}


def check_strategy(strategy: str, sources: Sequence[str] | Literal["auto"]) -> None:
    """Refuse what is no strategy, and sources where none can be used, none where they are needed, or no order of them.

    Raises:
        ConfigError: see above.
    """
    if strategy not in STRATEGIES:
        known = ", ".join(STRATEGIES)
        raise ConfigError(f"no strategy {strategy!r}; there are {known}.{did_you_mean(strategy, STRATEGIES)}")
    if strategy != "ensemble" and (strategy == "none") == bool(sources):
        raise ConfigError(
            f"strategy {strategy!r} with sources {sources!r}: none has no source, ensemble may have some, all others "
            "have"
        )
    if strategy == "chain" and sources == "auto":
        raise ConfigError("a chain trains on one source after another: name them in order")


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
