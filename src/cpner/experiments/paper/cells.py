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
    strategies = ("none", "single", "collaborate", "uniform", "chain", "ensemble", "seeds", "search")
    cells = _cells([*_WHOLE, *_few(*PUBLISHED_SHOTS)], _rows(strategies), seeds)
    return [cell for cell in cells if cell.strategy != "search" or cell.target in CROSSNER]


def table3(seeds: Sequence[int]) -> list[Cell]:
    """What is needed to look for entities that the sources bring."""
    return _cells([*_few(10)[:1], *_WHOLE], _rows(("none", "collaborate")), seeds[:1])


def figure3(seeds: Sequence[int]) -> list[Cell]:
    """The selector's similarities of Table 2's targets and sources."""
    return _cells([*_few(50), *_WHOLE], _rows(("select",)), seeds)


def figure4(seeds: Sequence[int]) -> list[Cell]:
    """Parts of the method and sources taken away, one at a time; and the authors' variants."""
    whole: dict[str, Any] = {"sources": SEVERAL, "strategy": "collaborate"}
    rows = [{**whole, "variant": variant} for variant in VARIANTS if variant != "dapt"]
    rows += [{**whole, "sources": tuple(name for name in SEVERAL if name != left)} for left in SEVERAL]
    return _cells([*_WHOLE, *_few(10)], rows, seeds)


def learning_curve(seeds: Sequence[int]) -> list[Cell]:
    """Each strategy with few sentences and with many."""
    strategies = ("none", "single", "collaborate", "uniform", "chain", "ensemble", "seeds", "zero-label")
    cells = _cells([{"target": "science"}, {"target": "mit_movie"}], _rows(strategies, (10, 20, 50, 100, 200)), seeds)
    return [cell for cell in cells if cell.strategy in ("none", "collaborate") or cell.count in (10, 50, 200)]


def baselines(seeds: Sequence[int]) -> list[Cell]:
    """CP-NER and its prefix alone against other ways to tune the same backbone; the weakest on one target only."""
    rows = _rows(("none", "collaborate", *BASELINES), (10, 50, 200))
    cells = _cells([{"target": "science"}, {"target": "mit_restaurant"}], rows, seeds)
    return [cell for cell in cells if cell.target == "mit_restaurant" or cell.strategy not in ("peft-prefix", "prompt")]


def self_training(seeds: Sequence[int]) -> list[Cell]:
    """What sentences without labels bring: ensembles that answer for them, and the prefixes that learn from these."""
    rows = _rows(("none", "seeds", "self-training", "ensemble", "sources-teach"))
    return [cell for seed, shots in product(seeds, (10, 50)) for cell in _cells(_few(shots), rows, [seed])]


def vote(seeds: Sequence[int]) -> list[Cell]:
    """What an ensemble is worth that has no sources."""
    return _cells(_few(*PUBLISHED_SHOTS), _rows(("none", "seeds")), seeds)


def selection(seeds: Sequence[int]) -> list[Cell]:
    """Each source alone beside the weight that the selector gives it, and settings searched on dev."""
    alone = [{"sources": (name,), "strategy": "collaborate"} for name in SEVERAL]
    targets = [{"target": "science", "count": 50}, {"target": "ai", "count": 50}]
    return _cells(targets, [{}, *alone, *_rows(("select", "collaborate", "search"))], seeds)


def zero_shot(seeds: Sequence[int]) -> list[Cell]:
    """All seven targets with their options alone."""
    return [Cell(target, strategy="zero-shot") for target in (*CROSSNER, *MIT)]


_WHOLE: list[dict[str, Any]] = [{"target": "science"}, {"target": "ai"}]


def own_cells(
    targets: Sequence[str], sources: Sequence[str], strategies: Sequence[str], seeds: Sequence[int]
) -> list[Cell]:
    """Corpora of one's own by some strategies, of which those that take sources have all that are not the target.

    Raises:
        ConfigError: there is no target, or no strategy that can do with these sources.
    """
    if not targets:
        raise ConfigError("experiment own needs --target, the name of a corpus in the folder --data")
    others = {target: tuple(name for name in sources if name != target) for target in targets}
    cells = [
        Cell(target, sources=others[target] if strategy in WITH_SOURCES else (), strategy=strategy, seed=seed)
        for target, strategy, seed in product(targets, strategies or ("none", "collaborate"), seeds)
        if others[target] or strategy not in WITH_SOURCES
    ]
    if not cells:
        raise ConfigError(f"{' and '.join(strategies)} needs --source, the name of another corpus in the folder --data")
    return cells


def _few(*shots: int) -> list[dict[str, Any]]:
    """The MIT sets, each with these numbers of sentences for a type."""
    return [{"target": target, "shots": count} for target, count in product(MIT, shots)]


def _rows(strategies: Sequence[str], counts: Sequence[int | None] = (None,)) -> list[dict[str, Any]]:
    """Strategies, with several sources where they use any, each with these numbers of sentences."""
    return [
        {"strategy": strategy, "sources": SEVERAL if strategy in WITH_SOURCES else (), "count": count}
        for strategy, count in product(strategies, counts)
    ]


def _cells(targets: Sequence[dict[str, Any]], rows: Sequence[dict[str, Any]], seeds: Sequence[int]) -> list[Cell]:
    """A cell for each target, row and seed; what a row leaves open is the target's."""
    return [Cell(**{**row, **target}, seed=seed) for target, row, seed in product(targets, rows, seeds)]


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
