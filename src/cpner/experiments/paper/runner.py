"""How a cell is run: warm-ups that cells share, in a store for each seed, and what is trained from them."""

from __future__ import annotations

import random
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from cpner.backbone.load import Backbone, load_in_floats
from cpner.backbone.prefix import Prefix
from cpner.backbone.reparameterisation import Reparameterisation
from cpner.backbone.shape import PrefixConfig, part_shape
from cpner.backbone.start import quiet_start
from cpner.corpus import Corpus, Sentence
from cpner.corpus.sentence import Answer
from cpner.experiments.paper.baselines import tune
from cpner.experiments.paper.budget import Budget
from cpner.experiments.paper.cells import MIT, PUBLISHED_SHOTS, Cell
from cpner.experiments.paper.search import search
from cpner.ner import CPNER
from cpner.training import TrainingConfig
from cpner.transfer import DaptConfig, Mixing, combine

SHARED_LOOP = "that of warm-up"  # what records of tuned cells say; those of a loop of their own say nothing


@dataclass(frozen=True)
class Outcome:
    """What came of a cell: what was recognised in the test split, and what else is known."""

    corpus: Corpus
    predicted: list[Answer] | None  # None where nothing was predicted
    facts: dict[str, Any] = field(default_factory=dict)


class Runner:
    """Runs cells on one backbone.

    Args:
        backbone: the frozen model.
        data: the folder with the public datasets.
        folder: where warm-ups are kept, a store for each seed.
        budget: what a cell may cost.
        config: training settings.
        mixing: how sources are weighed, where a variant does not say so.
        length: positions of prefixes, but for the paper's; None takes the default.
    """

    def __init__(
        self,
        backbone: Backbone,
        data: Path,
        folder: Path,
        budget: Budget,
        config: TrainingConfig,
        mixing: Mixing | None = None,
        length: int | None = None,
    ) -> None:
        self.mixing = mixing or Mixing()
        self.length = length
        self.backbone = backbone
        self.data = data
        self.folder = folder
        self.budget = budget
        self.config = config

    def source(self, cell: Cell) -> bool:
        """Warm up a source domain (the cell's target) on its own sentences; false if that was done before."""
        ner = self._ner(cell)
        if cell.target in ner.domains:
            return False
        corpus = self.source_corpus(cell.target, cell.seed)
        config = self._config(cell)
        if len(corpus.train) > 1000:
            config = replace(config, epochs=self.budget.source_epochs, min_steps=0)
        ner.warm_up(cell.target, corpus, config, prefix=prefix_of(cell, self.length))
        self._save(ner, cell)
        return True

    def chain(self, cell: Cell) -> bool:
        """Train one prefix on all of a cell's sources in turn; false if that was done before."""
        ner = self._ner(cell)
        name = _chain_name(cell)
        rest = cell.sources[1:]
        if name in ner.domains:
            return False
        corpora = {source: self.source_corpus(source, cell.seed) for source in rest}
        last = corpora[rest[-1]]
        ner.transfer(name, cell.sources[:-1], last, self._config(cell), strategy="chain", corpora=corpora)
        ner.save(domains=[name])
        return True

    def warm(self, cell: Cell) -> bool:
        """Warm up a target (a cell as `Cell.warm` gives it); false if that was done before."""
        ner = self._ner(cell)
        name = _warm_name(cell)
        if name in ner.domains:
            return False
        corpus = self.target_corpus(cell)
        config = self._config(cell)
        if cell.variant == "no-warm-up":
            prefix = prefix_of(cell, self.length)
            ner.add(name, quiet_start(self.backbone, prefix), corpus.types, config=prefix)
        elif cell.variant == "dapt":
            text = [sentence.text for sentence in (*corpus.train, *corpus.dev)]
            ner.dapt(name, text, corpus.types, DaptConfig(steps=self.budget.dapt_steps, seed=cell.seed))
            ner.transfer(name, [], corpus, config, strategy="none")
        else:
            ner.warm_up(name, corpus, config, prefix=prefix_of(cell, self.length))
        self._save(ner, cell)
        return True

    def run(self, cell: Cell) -> Outcome:
        """Train and predict; the warm-ups that the cell needs are there."""
        corpus = self.target_corpus(cell)
        if cell.tunes:
            return self._tuned(cell, corpus)
        ner = self._ner(cell)
        name = _warm_name(cell.warm)
        if cell.strategy == "select":
            return Outcome(corpus, None, {"selection": ner.select(name, cell.sources, mixing=self.mixing).to_json()})
        if cell.strategy == "zero-shot":
            return Outcome(corpus, ner.recognise(corpus.test, types=corpus.types))
        config = self._config(cell)
        facts: dict[str, Any] = {}
        mixing = replace(self.mixing, **_MIXING.get(cell.variant, {}))
        strategy = cell.strategy
        sources = cell.sources
        if strategy == "floor":
            ner.warm_up(name, corpus, config)
            strategy = "none"
        elif strategy == "chain":
            sources = (_chain_name(cell),)
            config = _twice(config)
        elif strategy == "search":
            facts["search"] = search(ner, name, sources, corpus.dev)
            mixing = replace(mixing, **{key: facts["search"][key] for key in ("alpha", "temperature", "share")})
            strategy = "collaborate"
        elif strategy in ("seeds", *_TAUGHT):
            strategy = "ensemble"
        result = ner.transfer(name, sources, corpus, config, strategy=strategy, mixing=mixing)
        if cell.strategy in _TAUGHT:
            result = ner.self_train(name, self._unlabelled(cell, corpus), corpus, config)
        card = ner.card(name)
        size, trained = self._sizes(prefix_of(cell, self.length))
        facts |= {"weights": card.sources, "dev_f1": result.best_f1, "trained_parameters": trained}
        facts["bytes"] = size * max(1, len(card.members))
        return Outcome(corpus, ner.recognise(corpus.test, name), facts)

    def source_corpus(self, name: str, seed: int) -> Corpus:
        """What a source is warmed up on."""
        corpus = _read(self.data / name)
        limit = self.budget.source_sentences
        if limit is not None and len(corpus.train) > limit:
            corpus = corpus.sample(count=limit, seed=seed)
        return self._small(corpus, corpus.train)

    def target_corpus(self, cell: Cell) -> Corpus:
        """What a target is trained and tested on."""
        corpus = _read(self.data / cell.target)
        file = self.data / cell.target / "few_shot" / f"{cell.shots}-shot-train.txt"
        train = corpus.train
        if cell.shots in PUBLISHED_SHOTS and file.is_file():
            train = Corpus.read(file, types=corpus.type_names).train
        elif cell.shots is not None:
            if cell.target in MIT and cell.shots in PUBLISHED_SHOTS:
                warnings.warn(f"{file} is not there: a sample of the training split stands in", stacklevel=2)
            train = corpus.sample(shots=cell.shots, seed=cell.seed).train
        count = min(cell.count or len(train), self.budget.sentences or len(train))
        if count < len(train):
            splits = {**corpus.splits, "train": train}
            train = Corpus(corpus.name, splits, types=corpus.types).sample(count=count, seed=cell.seed).train
        return self._small(corpus, train)

    def _unlabelled(self, cell: Cell, corpus: Corpus) -> list[Sentence]:
        """Sentences of the target that are neither learnt from nor used to choose an epoch."""
        whole = _read(self.data / cell.target)
        known = {sentence.text for sentence in (*corpus.train, *corpus.dev)}
        others = [sentence for sentence in (*whole.train, *whole.dev) if sentence.text not in known]
        count = min(self.budget.unlabelled_sentences, len(others))
        return random.Random(cell.seed).sample(others, count)

    def _small(self, corpus: Corpus, train: Sequence[Sentence]) -> Corpus:
        splits = {**corpus.splits, "train": list(train)}
        for split, limit in (("dev", self.budget.dev_sentences), ("test", self.budget.test_sentences)):
            if split in splits and limit is not None:
                splits[split] = splits[split][:limit]
        return Corpus(corpus.name, splits, types=corpus.types, type_names=corpus.type_names)

    def _config(self, cell: Cell) -> TrainingConfig:
        config = replace(self.config, seed=cell.seed, options=cell.variant != "no-options")
        return config if self.budget.epochs is None else replace(config, epochs=self.budget.epochs, min_steps=0)

    def _ner(self, cell: Cell) -> CPNER:
        """The backbone with the warm-ups of the cell's seed; without any, and with random weights, for the floor."""
        if cell.strategy == "floor":
            random = load_in_floats(self.backbone.name, str(self.backbone.device))
            random.t5.initialise(cell.seed)
            return CPNER(random)
        return CPNER(self.backbone, self.folder / cell.store)

    def _save(self, ner: CPNER, cell: Cell) -> None:
        ner.save(reparameterisation=cell.variant == "parameters")

    def _average(self, cell: Cell) -> Prefix:
        """Where collaboration begins (Eq. 9-10)."""
        ner = self._ner(cell)
        name = _warm_name(cell.warm)
        weights = ner.select(name, cell.sources, mixing=self.mixing).weights
        return combine(ner.prefix(name), [ner.prefix(source) for source in cell.sources], weights)

    def _tuned(self, cell: Cell, corpus: Corpus) -> Outcome:
        """One training of as many steps as a warm-up and what follows it have together."""
        if cell.variant == "embedding":
            start = self._average(cell)  # a warm-up is in it
            tuned = tune(self.backbone, "prefix-embedding", corpus, self._config(cell), start=start)
        else:
            tuned = tune(self.backbone, cell.strategy, corpus, _twice(self._config(cell)))
        facts = {"dev_f1": tuned.best_f1, "trained_parameters": tuned.parameters, "bytes": tuned.size_bytes}
        return Outcome(corpus, tuned.recognise(corpus.test), {**facts, "loop": SHARED_LOOP})

    def _sizes(self, prefix: PrefixConfig) -> tuple[int, int]:
        """Bytes of a stored prefix, and how many numbers are trained to make it."""
        shape = self.backbone.shape
        trained = sum(p.numel() for p in Reparameterisation(shape, prefix).parameters())
        stored = 0
        for kind in prefix.attentions:
            layers, two, heads, length, width = part_shape(shape, prefix, kind)
            stored += 2 * layers * two * heads * length * width
        return stored, trained


_TAUGHT = ("self-training", "sources-teach")  # by an ensemble of seeds, of sources
_MIXING: dict[str, dict[str, Any]] = {
    "no-entity-similarity": {"alpha": 0.0},
    "no-prefix-similarity": {"alpha": 1.0},
    "sum": {"weighting": "sum"},
    "parameters": {"space": "parameters"},
}


def prefix_of(cell: Cell, length: int | None = None) -> PrefixConfig:
    """The prefix that a cell and its sources have, of the default length or another."""
    if cell.variant in ("paper", "parameters"):
        return PrefixConfig.paper()
    return PrefixConfig() if length is None else PrefixConfig(length=length)


def _twice(config: TrainingConfig) -> TrainingConfig:
    """One training as long as a warm-up and what follows it."""
    return replace(config, epochs=2 * config.epochs, min_steps=2 * config.min_steps, max_epochs=2 * config.max_epochs)


@cache
def _read(path: Path) -> Corpus:
    return Corpus.read(path)


def _warm_name(cell: Cell) -> str:
    return ".".join([cell.target, cell.size, *filter(None, [cell.variant])])


def _chain_name(cell: Cell) -> str:
    return cell.sources[0] if len(cell.sources) == 1 else ".".join(["chain", *cell.sources])
