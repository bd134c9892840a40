"""The experiments as cells: what is trained on what, how, and with which seed. Needs no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import Any

from cpner.errors import ConfigError

CROSSNER = ("politics", "science", "music", "literature", "ai")
MIT = ("mit_movie", "mit_restaurant")
SEVERAL = ("conll2003", "politics", "literature", "music")  # the sources of the paper's Table 2
PUBLISHED_SHOTS = (10, 20, 50)  # few-shot files that come with the MIT sets
WITH_SOURCES = (
    "single", "collaborate", "uniform", "chain", "ensemble", "sources-teach", "zero-label", "select", "search"
)  # fmt: skip
BASELINES = ("full", "lora", "peft-prefix", "prompt")
STRATEGIES = {
    "none": "the target's prefix alone, trained for as many steps as with sources",
    "zero-shot": "the backbone is told the types; nothing is trained",
    "floor": "none, on a backbone of the same shape with random weights",
    "single": "the source with most weight",
    "collaborate": "all sources, weighed by the selector (CP-NER)",
    "uniform": "all sources, weighed alike",
    "chain": "one prefix trained on all sources in turn, then on the target",
    "ensemble": "one prefix for each source, which vote on each piece",
    "seeds": "an ensemble without sources: one prefix for each of four seeds",
    "self-training": "one prefix for the labels and what an ensemble of four seeds finds in other sentences",
    "sources-teach": "self-training where the ensemble is that of the sources",
    "zero-label": "sources mixed by the names of types; no target sentence",
    "select": "the selector's numbers; nothing is trained but warm-ups",
    "search": "collaborate, with alpha, temperature and share of the sources that are best on dev",
    "full": "all weights tuned",
    "lora": "LoRA (PEFT)",
    "peft-prefix": "PEFT's prefix tuning, decoder only",
    "prompt": "prompt tuning",
}
VARIANTS = {
    "": "",
    "no-entity-similarity": "without entity similarity",
    "no-prefix-similarity": "without prefix similarity",
    "no-warm-up": "without a warm-up of the target",
    "no-options": "without options in the instructor",
    "sum": "similarities divided by their sum",
    "paper": "the paper's prefix: 10 positions at all attentions, yielded by a network",
    "parameters": "the paper's prefix, with P and its network averaged, not the prefix",
    "embedding": "the backbone's embedding trained too",
    "dapt": "DAPT of the prefix first",
}
_OWN_STORE = ("no-options", "paper", "parameters")  # variants whose sources must be warmed up in another way


@dataclass(frozen=True, order=True)
class Cell:
    """One experiment.

    Attributes:
        target: a public dataset's name.
        sources: names of the source domains; only strategies that use sources have any.
        shots: sentences for each type; the published few-shot files of the MIT sets at 10, 20 and 50.
        count: sentences in all. Neither it nor `shots`: the whole training split.
        strategy: one of STRATEGIES.
        variant: one of VARIANTS.
        seed: of samples and training; 0 for zero-shot, which has no chance in it.
    """

    target: str
    sources: tuple[str, ...] = ()
    shots: int | None = None
    count: int | None = None
    strategy: str = "none"
    variant: str = ""
    seed: int = 0

    def __post_init__(self) -> None:
        for name, known in (("strategy", STRATEGIES), ("variant", VARIANTS)):
            if getattr(self, name) not in known:
                raise ConfigError(f"{name} {getattr(self, name)!r} is none of {', '.join(known)}")
        if (self.strategy in WITH_SOURCES) != bool(self.sources):
            needs = "needs" if self.strategy in WITH_SOURCES else "takes no"
            raise ConfigError(f"strategy {self.strategy!r} {needs} sources; it has {list(self.sources)}")
        if self.target in self.sources or (self.shots is not None and self.count is not None):
            raise ConfigError(f"{self} has its target among its sources, or both shots and count")

    @property
    def size(self) -> str:
        """How many sentences, in words that a file name can hold."""
        if self.shots is not None:
            return f"{self.shots}shot"
        return "all" if self.count is None else f"{self.count}sentences"

    @property
    def key(self) -> str:
        """A name that holds everything but the seed."""
        parts = [self.target, self.size, self.strategy, *self.sources, *filter(None, [self.variant])]
        return "-".join(parts)

    @property
    def warm(self) -> Cell:
        """The warm-up of the target that this cell begins at, which many cells share."""
        variant = self.variant if self.variant in ("no-warm-up", "dapt", *_OWN_STORE) else ""
        return replace(self, sources=(), strategy="none", variant=variant)

    @property
    def store(self) -> str:
        """The folder of warm-ups that this cell begins at."""
        return f"seed{self.seed}-{self.variant}" if self.variant in _OWN_STORE else f"seed{self.seed}"

    @property
    def tunes(self) -> bool:
        """Whether `baselines.tune` trains it: a rival of prefixes, or a prefix with the backbone's embedding."""
        return self.strategy in BASELINES or self.variant == "embedding"

    def to_json(self) -> dict[str, Any]:
        """The attributes."""
        return {**asdict(self), "sources": list(self.sources)}

    def source(self, name: str) -> Cell:
        """The warm-up of one of the sources, as a cell whose target it is."""
        return Cell(name, seed=self.seed, variant=self.variant if self.variant in _OWN_STORE else "")

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Cell:
        """The inverse of `to_json`."""
        return cls(**{**values, "sources": tuple(values["sources"])})


def table1(seeds: Sequence[int]) -> list[Cell]:
    """CrossNER with CoNLL-2003 as the source (the paper's Table 1), with DAPT, without a source, and the floor."""
    news = {"sources": ("conll2003",), "strategy": "collaborate"}
    rows: list[dict[str, Any]] = [{}, news, {**news, "variant": "dapt"}, {"strategy": "floor"}]
    return [Cell(target, seed=seed, **row) for row, seed, target in product(rows, seeds, CROSSNER)]


def table2(seeds: Sequence[int]) -> list[Cell]:
    """Without a source, with the likest one, and with several by each strategy (the paper's Table 2).

    Settings are searched where there is a dev split to search them on.
    """
    strategies = ("none", "single", "collaborate", "uniform", "chain", "ensemble", "seeds")
    targets = [("science", None), ("ai", None), *product(MIT, PUBLISHED_SHOTS)]
    return [
        Cell(target, shots=shots, sources=_sources(strategy), strategy=strategy, seed=seed)
        for (target, shots), strategy, seed in product(targets, (*strategies, "search"), seeds)
        if strategy != "search" or target in CROSSNER
    ]


def table3(seeds: Sequence[int]) -> list[Cell]:
    """What is needed to look for entities that the sources bring."""
    targets = [("mit_movie", 10), ("science", None), ("ai", None)]
    return [
        Cell(target, shots=shots, sources=_sources(strategy), strategy=strategy, seed=seeds[0])
        for (target, shots), strategy in product(targets, ("none", "collaborate"))
    ]


def figure3(seeds: Sequence[int]) -> list[Cell]:
    """The selector's similarities of Table 2's targets and sources."""
    targets = [("mit_movie", 50), ("mit_restaurant", 50), ("science", None), ("ai", None)]
    return [
        Cell(target, shots=shots, sources=SEVERAL, strategy="select", seed=seed)
        for (target, shots), seed in product(targets, seeds)
    ]


def figure4(seeds: Sequence[int]) -> list[Cell]:
    """Parts of the method and sources taken away, one at a time; and the authors' variants."""
    targets = [("science", None), ("ai", None), ("mit_movie", 10), ("mit_restaurant", 10)]
    rows: list[dict[str, Any]] = [{"variant": variant} for variant in VARIANTS if variant != "dapt"]
    rows += [{"sources": tuple(name for name in SEVERAL if name != left)} for left in SEVERAL]
    return [
        Cell(target, shots=shots, seed=seed, **{"sources": SEVERAL, "strategy": "collaborate", **row})
        for (target, shots), row, seed in product(targets, rows, seeds)
    ]


def learning_curve(seeds: Sequence[int]) -> list[Cell]:
    """Each strategy with few sentences and with many."""
    strategies = ("none", "single", "collaborate", "uniform", "chain", "ensemble", "seeds", "zero-label")
    return [
        Cell(target, count=count, sources=_sources(strategy), strategy=strategy, seed=seed)
        for target, strategy, count, seed in product(
            ("science", "mit_movie"), strategies, (10, 20, 50, 100, 200), seeds
        )
        if strategy in ("none", "collaborate") or count in (10, 50, 200)
    ]


def baselines(seeds: Sequence[int]) -> list[Cell]:
    """CP-NER and its prefix alone against other ways to tune the same backbone; the weakest on one target only."""
    strategies = ("none", "collaborate", *BASELINES)
    return [
        Cell(target, count=count, sources=_sources(strategy), strategy=strategy, seed=seed)
        for target, strategy, count, seed in product(("science", "mit_restaurant"), strategies, (10, 50, 200), seeds)
        if target == "mit_restaurant" or strategy not in ("peft-prefix", "prompt")
    ]


def self_training(seeds: Sequence[int]) -> list[Cell]:
    """What sentences without labels bring: ensembles that answer for them, and the prefixes that learn from these."""
    strategies = ("none", "seeds", "self-training", "ensemble", "sources-teach")
    return [
        Cell(target, shots=shots, sources=_sources(strategy), strategy=strategy, seed=seed)
        for seed, shots, target, strategy in product(seeds, (10, 50), MIT, strategies)
    ]


def vote(seeds: Sequence[int]) -> list[Cell]:
    """What an ensemble is worth that has no sources."""
    return [
        Cell(target, shots=shots, strategy=strategy, seed=seed)
        for target, shots, strategy, seed in product(MIT, PUBLISHED_SHOTS, ("none", "seeds"), seeds)
    ]


def selection(seeds: Sequence[int]) -> list[Cell]:
    """Each source alone beside the weight that the selector gives it, and settings searched on dev."""
    rows: list[dict[str, Any]] = [{}, *({"sources": (name,), "strategy": "collaborate"} for name in SEVERAL)]
    rows += [{"sources": SEVERAL, "strategy": strategy} for strategy in ("select", "collaborate", "search")]
    return [
        Cell(target, count=count, seed=seed, **row)
        for (target, count), row, seed in product([("science", 50), ("ai", 50)], rows, seeds)
    ]


def zero_shot(seeds: Sequence[int]) -> list[Cell]:
    """All seven targets with their options alone."""
    return [Cell(target, strategy="zero-shot") for target in (*CROSSNER, *MIT)]


def _sources(strategy: str) -> tuple[str, ...]:
    return SEVERAL if strategy in WITH_SOURCES else ()


EXPERIMENTS = {
    "table1": table1,
    "table2": table2,
    "table3": table3,
    "figure3": figure3,
    "figure4": figure4,
    "learning-curve": learning_curve,
    "baselines": baselines,
    "vote": vote,
    "self-training": self_training,
    "selection": selection,
    "zero-shot": zero_shot,
}
