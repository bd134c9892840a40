"""Grids of experiments: one cell is one trained and scored prefix, kept as one JSON file, so that a run can go on.

A cell names a backbone, a target, its sources, how many shots, a strategy and a seed. Prefixes of source domains are
warmed up once for a backbone and seed, and shared by all cells that need them.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cpner.corpus import Corpus
from cpner.corpus.files import write_text
from cpner.errors import ConfigError
from cpner.evaluation import MeanDeviation, mean_and_deviation

if TYPE_CHECKING:
    from cpner.ner import CPNER
    from cpner.training import TrainingConfig

CROSSNER = ("politics", "science", "music", "literature", "ai")
MIT = ("mit_movie", "mit_restaurant")
SEVERAL = ("conll2003", "politics", "literature", "music")  # the sources of the paper's Table 2
STRATEGIES = ("none", "collaborate", "zero-shot", "floor")


@dataclass(frozen=True, order=True)
class Cell:
    """One experiment.

    Attributes:
        target: a public dataset's name.
        sources: names of the source domains; empty for all but "collaborate".
        shots: 10, 20 or 50 for the published few-shot files of the MIT sets; None for the whole training split.
        strategy: one of STRATEGIES; "floor" is "none" on a backbone of the same shape with random weights.
        seed: of training; 0 for zero-shot, which has no chance in it.
    """

    target: str
    sources: tuple[str, ...] = ()
    shots: int | None = None
    strategy: str = "none"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.strategy not in STRATEGIES:
            raise ConfigError(f"strategy {self.strategy!r} is none of {', '.join(STRATEGIES)}")
        if (self.strategy == "collaborate") != bool(self.sources):
            raise ConfigError(f"strategy {self.strategy!r} with sources {list(self.sources)} makes no sense")

    @property
    def key(self) -> str:
        """A file name that holds everything but the seed."""
        shots = "all" if self.shots is None else f"{self.shots}shot"
        return "-".join([self.target, shots, self.strategy, *self.sources])


@dataclass(frozen=True)
class Budget:
    """What a grid may cost: fewer source sentences and epochs make it small enough for two cores."""

    source_sentences: int | None = 3000  # of a source's training split; None for all
    source_epochs: int = 3
    epochs: int | None = None  # of a target; None for the default of `TrainingConfig`
    dev_sentences: int = 150  # of the dev split for early stopping; decoding them is most of an epoch's cost
    test_sentences: int | None = None  # None for the whole test split


Report = Callable[[str], None]


class Grid:
    """Runs cells on one backbone and keeps their results in a folder.

    Args:
        backbone: name or folder of the backbone.
        data: the folder with the public datasets (see `corpora fetch`).
        out: where results and source prefixes are kept.
        budget: what a cell may cost.
        config: training settings; None for the defaults.
        report: called with a line for each step.
    """

    def __init__(
        self, backbone: str, data: Path, out: Path, *, budget: Budget | None = None,
        config: TrainingConfig | None = None, report: Report = lambda _: None,
    ) -> None:  # fmt: skip
        from cpner.training import TrainingConfig

        self.backbone, self.data, self.out = backbone, data, out
        self.budget, self.config, self.report = budget or Budget(), config or TrainingConfig(), report
        self._ners: dict[int, CPNER] = {}

    @cached_property
    def folder(self) -> Path:
        """Where results and source prefixes of these very weights are."""
        from cpner.backbone.load import load

        return self.out / load(self.backbone).fingerprint

    def run(self, cells: Iterable[Cell]) -> list[dict[str, Any]]:
        """Run the cells that have no result yet; the results of all, in order."""
        return [self.result(cell) or self._run(cell) for cell in cells]

    def result(self, cell: Cell) -> dict[str, Any] | None:
        """The kept result of a cell; None where there is none, or it was made with other settings."""
        file = self._file(cell)
        if not file.is_file():
            return None
        kept: dict[str, Any] = json.loads(file.read_text("utf-8"))
        return kept if kept["settings"] == self._settings() else None

    def _run(self, cell: Cell) -> dict[str, Any]:
        from cpner import __version__

        started = time.monotonic()
        ner = self._ner(cell)
        corpus = self._target(cell)
        config = replace(self.config, seed=cell.seed)
        if self.budget.epochs is not None:
            config = replace(config, epochs=self.budget.epochs)
        weights: dict[str, float] = {}
        if cell.strategy == "zero-shot":
            evaluation = ner.evaluate(corpus, None, types=corpus.types)
        else:
            for source in cell.sources:
                self._warm_up_source(ner, source, cell.seed)
            ner.fit(cell.target, corpus, sources=cell.sources, config=config)
            if cell.sources:
                weights = dict(ner.card(cell.target).sources)
            evaluation = ner.evaluate(corpus, cell.target)
        record = {
            "cell": {**asdict(cell), "sources": list(cell.sources)},
            "backbone": self.backbone,
            "settings": self._settings(),
            "f1": evaluation.f1,
            "precision": evaluation.precision,
            "recall": evaluation.recall,
            "string_f1": evaluation.string.f1,
            "weights": weights,
            "train_sentences": len(corpus.train),
            "test_sentences": len(corpus.test),
            "backbone_fingerprint": ner.backbone.fingerprint,
            "seconds": round(time.monotonic() - started, 1),
            "versions": {"cpner": __version__, "python": platform.python_version(), "machine": platform.machine()},
        }
        file = self._file(cell)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_text(file, [json.dumps(record, indent=1)])
        self.report(f"{cell.key} seed {cell.seed}: F1 {evaluation.f1:.2f} in {record['seconds']} s")
        return record

    def _ner(self, cell: Cell) -> CPNER:
        """The backbone with the sources of the cell's seed; without any, and with random weights, for the floor."""
        from cpner.backbone.load import load
        from cpner.ner import CPNER

        if cell.strategy == "floor":
            random = load(self.backbone)
            random.t5.initialise(cell.seed)
            return CPNER(random)
        if cell.seed not in self._ners:
            self._ners[cell.seed] = CPNER.load(self.backbone, store=self.folder / "sources" / str(cell.seed))
        return self._ners[cell.seed]

    def _warm_up_source(self, ner: CPNER, source: str, seed: int) -> None:
        if source in ner.domains:
            return
        self.report(f"warm-up of source {source}, seed {seed}")
        corpus = Corpus.read(self.data / source)
        limit = self.budget.source_sentences
        if limit is not None and len(corpus.train) > limit:
            corpus = corpus.sample(count=limit, seed=seed)
        epochs = self.budget.source_epochs if len(corpus.train) > 1000 else self.budget.epochs or self.config.epochs
        ner.warm_up(source, self._small_dev(corpus), replace(self.config, seed=seed, epochs=epochs))
        ner.save(self.folder / "sources" / str(seed), domains=[source])

    def _target(self, cell: Cell) -> Corpus:
        corpus = Corpus.read(self.data / cell.target)
        splits = dict(corpus.splits)
        if cell.shots is not None:
            file = self.data / cell.target / "few_shot" / f"{cell.shots}-shot-train.txt"
            splits["train"] = Corpus.read(file, types=corpus.type_names).train
        if self.budget.test_sentences is not None:
            splits["test"] = splits["test"][: self.budget.test_sentences]
        return self._small_dev(Corpus(corpus.name, splits, types=corpus.types, type_names=corpus.type_names))

    def _small_dev(self, corpus: Corpus) -> Corpus:
        splits = dict(corpus.splits)
        if "dev" in splits:
            splits["dev"] = splits["dev"][: self.budget.dev_sentences]
        return Corpus(corpus.name, splits, types=corpus.types, type_names=corpus.type_names)

    def _settings(self) -> dict[str, Any]:
        settings = {"budget": asdict(self.budget), "training": asdict(self.config)}
        return json.loads(json.dumps(settings))  # type: ignore[no-any-return]

    def _file(self, cell: Cell) -> Path:
        return self.folder / f"{cell.key}-seed{cell.seed}.json"


def crossner_cells(seeds: Sequence[int]) -> list[Cell]:
    """CrossNER with CoNLL-2003 as the source (the paper's Table 1), without a source, and on random weights."""
    return [
        Cell(target, sources=("conll2003",) if strategy == "collaborate" else (), strategy=strategy, seed=seed)
        for strategy in ("none", "collaborate", "floor")
        for seed in seeds
        for target in CROSSNER
    ]


def several_cells(seeds: Sequence[int]) -> list[Cell]:
    """Without a source and with several: science and ai whole, the MIT sets at 10, 20 and 50 shots (Table 2)."""
    whole = [
        Cell(target, sources=sources, strategy="collaborate" if sources else "none", seed=seed)
        for seed in seeds
        for target in ("science", "ai")
        for sources in ((), SEVERAL)
    ]
    return whole + [
        Cell(target, sources=sources, shots=shots, strategy="collaborate" if sources else "none", seed=seed)
        for seed in seeds
        for target in MIT
        for shots in (10, 20, 50)
        for sources in ((), SEVERAL)
    ]


def zero_shot_cells() -> list[Cell]:
    """All seven targets with their options alone."""
    return [Cell(target, strategy="zero-shot") for target in (*CROSSNER, *MIT)]


def summarise(records: Iterable[dict[str, Any]]) -> dict[str, MeanDeviation]:
    """Mean and sample deviation of F1 over the seeds of each kind of cell."""
    scores: dict[str, list[float]] = {}
    for record in records:
        cell = Cell(**{**record["cell"], "sources": tuple(record["cell"]["sources"])})
        scores.setdefault(cell.key, []).append(record["f1"])
    return {key: mean_and_deviation(values) for key, values in scores.items()}
