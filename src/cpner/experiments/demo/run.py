"""The demo: the whole method on the sample domains, in minutes and offline (sections 3 and 4 in small).

Four domains are warmed up and lend their prefixes to a fifth, which learns from few sentences and from all. Every
variant of the target is trained for the same number of steps, so that help is not mistaken for more training.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cpner.corpus import Corpus, Sentence, sample_names
from cpner.corpus.sentence import Answer
from cpner.errors import ConfigError, did_you_mean
from cpner.evaluation import evaluate, paired_bootstrap
from cpner.experiments.demo.result import (
    KINDS,
    NONE,
    SEVERAL,
    SINGLE,
    DemoResult,
    Difference,
    Example,
    Likeness,
    Trained,
    Variant,
    label,
)
from cpner.files import write_text
from cpner.instructor import INSTRUCTION
from cpner.machine import describe_machine, versions
from cpner.progress import Progress, Report
from cpner.show.entities import Tagged
from cpner.store import Store
from cpner.training import TrainingConfig, TrainingResult
from cpner.training.run import Run

if TYPE_CHECKING:
    from cpner.ner import CPNER

_VIEW = (
    "Senator Ines Okafor opened the Harbour Jazz Festival in Lisbon with saffron risotto, "
    "and the botanist Paul Wren played the cello for the Green Alliance."
)
_EXAMPLES = 4  # test sentences of the target that are shown
_LOOKS = 5  # at the dev split in a training


@dataclass(frozen=True)
class DemoConfig:
    """The size of the demo."""

    target: str = "music"  # the sample domain that is helped by the others
    few: int = 10  # training sentences of the target, besides all of them
    warm_up_steps: int = 64  # updates of a warm-up; the sum over all trainings is 8 warm-ups and 6 transfers
    transfer_steps: int = 32  # updates after the sources came in
    seed: int = 0

    def __post_init__(self) -> None:
        names = sample_names()
        if self.target not in names:
            hint = did_you_mean(self.target, names)
            raise ConfigError(f"no sample domain {self.target!r}; there are {', '.join(names)}.{hint}")
        if min(self.few, self.warm_up_steps, self.transfer_steps) < 1:
            raise ConfigError(f"sentences and steps of the demo must be at least 1: {self}")

    @property
    def sources(self) -> list[str]:
        """The other sample domains."""
        return [name for name in sample_names() if name != self.target]


def run_demo(ner: CPNER, out: Path, config: DemoConfig | None = None, progress: Report | None = None) -> DemoResult:
    """Train, compare and collect; the domains are stored in `out/store`, the figures in `out/results.json`.

    Args:
        ner: A recogniser with a backbone; it gains the domains of the demo.
        out: A folder; made if it doesn't exist.
        config: What to do; None for the defaults.
        progress: Called after every step of training.
    """
    demo = _Demo(ner, Store(out / "store", create=True), config or DemoConfig(), progress)
    result = demo.run()
    write_text(out / "results.json", [json.dumps(result.to_json(), ensure_ascii=False, indent=1)])
    return result


def draw_demo(result: DemoResult, out: Path) -> list[Path]:
    """Draw the likeness of the domains and the F1 of the variants; gives the files."""
    from cpner.show.pictures import Grid, plot_bars, plot_grids  # matplotlib takes long to load

    like = result.likeness
    files = [out / "likeness.png", out / "f1.png"]
    grids = [
        Grid("entity similarity", like.entity),
        Grid("prefix similarity", like.prefix),
        Grid("weight of each source", like.weights),
    ]
    plot_grids(like.names, like.names, grids, files[0], "Likeness of domains (rows: target, columns: source)")
    bars = {
        label(result.variant(result.sizes[-1], kind)): [result.variant(size, kind).f1 for size in result.sizes]
        for kind in KINDS
    }
    plot_bars(
        [f"{size} sentences" for size in result.sizes], bars, files[1], f"F1 on the test split of {result.target}"
    )
    return files


class _Demo:
    """One run of the demo."""

    def __init__(self, ner: CPNER, store: Store, config: DemoConfig, progress: Report | None) -> None:
        self.ner = ner
        self.store = store
        self.config = config
        self.progress = progress
        self.corpora = {name: Corpus.read(f"sample:{name}") for name in sample_names()}
        self.target = self.corpora[config.target]
        self.samples = {len(c.train): c for c in (self.target.sample(count=config.few, seed=config.seed), self.target)}
        self.trainings = len(config.sources) + 4 * len(self.samples)
        self.done = 0  # trainings

    def run(self) -> DemoResult:
        started = time.monotonic()
        trained = [self._warm_up_source(name) for name in self.config.sources]
        variants: list[Variant] = []
        differences: list[Difference] = []
        for size, sample in self.samples.items():
            whole = self._warm_up(f"{self.target.name}-{size}", sample)
            spans = {kind: self._train(size, sample, kind, variants) for kind in KINDS}
            for kind, against in ((SINGLE, NONE), (SEVERAL, NONE), (SEVERAL, SINGLE)):
                comparison = paired_bootstrap(self.target.test, spans[kind], spans[against])
                differences.append(Difference(size, kind, against, comparison))
        trained.append(self._describe(f"{self.target.name}-{size}", self.target, whole))
        _copy(self.store, variants[-1].domain, self.target.name)  # what one would ask for by that name
        likeness = self._likeness()
        zero_shot = self.ner.evaluate(self.target, None).f1
        machine = describe_machine(self.ner.backbone.device)
        return DemoResult(
            target=self.target.name,
            backbone=self._backbone(),
            settings=asdict(self.config),
            versions={**versions(), "threads": machine["threads"], "processors": machine["cores"]},
            seconds=time.monotonic() - started,
            trained=sorted(trained, key=lambda domain: domain.name),
            likeness=likeness,
            zero_shot_f1=zero_shot,
            variants=variants,
            differences=differences,
            examples=self._examples(variants[-1].domain),
            views=self._views(variants[-1].domain),
            prompt=_prompt(self.target.test[0], self.target.types),
        )

    def _warm_up_source(self, name: str) -> Trained:
        result = self._warm_up(name, self.corpora[name])
        return self._describe(name, self.corpora[name], result)

    def _warm_up(self, name: str, corpus: Corpus, extra_steps: int = 0) -> TrainingResult:
        config = self._training(len(corpus.train), self.config.warm_up_steps + extra_steps)
        result = self.ner.warm_up(name, corpus, config, run=Run(progress=self._report(name)))
        self.ner.save(self.store.path)
        self.done += 1
        return result

    def _train(self, size: int, sample: Corpus, kind: str, variants: list[Variant]) -> list[Answer]:
        """Train a variant of the target; gives what it finds in the test split."""
        warm = f"{self.target.name}-{size}"
        name = f"{warm}-{kind}"
        if kind == NONE:
            result = self._warm_up(name, sample, self.config.transfer_steps)
        else:
            _copy(self.store, warm, name)
            top = 1 if kind == SINGLE else None
            config = self._training(size, self.config.transfer_steps)
            run = Run(progress=self._report(name))
            result = self.ner.transfer(name, self._chosen(warm, top), sample, config, run=run)
            self.ner.save(self.store.path)
            self.done += 1
        spans = self.ner.recognise(self.target.test, name)
        score = evaluate(self.target.test, spans, self.target.types)
        sources = self.ner.card(name).sources
        seconds = round(result.seconds, 1)
        variants.append(Variant(size, kind, name, sources, score.precision, score.recall, score.f1, seconds))
        return spans

    def _chosen(self, target: str, top: int | None) -> list[str]:
        """The sources with the largest weights."""
        selection = self.ner.select(target, self.config.sources)
        ranked = sorted(zip(selection.weights, selection.sources, strict=True), reverse=True)
        return [name for _, name in ranked[:top]]

    def _training(self, sentences: int, steps: int) -> TrainingConfig:
        config = TrainingConfig(seed=self.config.seed)
        epochs = max(1, round(steps / -(-sentences // config.batch_sentences)))
        return replace(config, epochs=epochs, min_steps=0, eval_every=max(1, round(epochs / _LOOKS)))

    def _report(self, name: str) -> Report | None:
        """Progress of one training as progress of all."""
        if self.progress is None:
            return None
        tell = self.progress
        before = self.done

        def report(step: Progress) -> None:
            share = (before + step.done / max(step.total, 1)) / self.trainings
            tell(Progress(round(1000 * share), 1000, f"{name} ({before + 1} of {self.trainings}), {step.message}"))

        return report

    def _describe(self, name: str, corpus: Corpus, result: TrainingResult) -> Trained:
        return Trained(
            corpus.name,
            corpus.types,
            len(corpus.train),
            sum(len(sentence.spans) for sentence in corpus.train),
            self.ner.evaluate(corpus, name).f1,
            [row["f1"] for row in result.curve if row["f1"] is not None],
            round(result.seconds, 1),
            self.store.size_bytes(name),
        )

    def _likeness(self) -> Likeness:
        stored = {name: name for name in self.config.sources} | {
            self.target.name: f"{self.target.name}-{len(self.target.train)}"
        }
        names = sorted(stored)
        entity = []
        prefix = []
        weights = []
        for name in names:
            others = [other for other in names if other != name]
            selection = self.ner.select(stored[name], [stored[other] for other in others])
            at = others.index
            entity.append([1.0 if o == name else selection.entity_similarity[at(o)] for o in names])
            prefix.append([1.0 if o == name else selection.prefix_similarity[at(o)] for o in names])
            weights.append([None if o == name else selection.weights[at(o)] for o in names])
        return Likeness(names, entity, prefix, weights)

    def _examples(self, domain: str) -> list[Example]:
        """The first test sentences of the target with three entities or more, then one of each source."""
        pairs = [(domain, s) for s in self.target.test if len(s.spans) >= 3][:_EXAMPLES]
        for name in self.config.sources:
            pairs += [(name, s) for s in self.corpora[name].test if len(s.spans) >= 3][:1]
        predictions = self.ner.recognise([sentence for _, sentence in pairs], [name for name, _ in pairs])
        examples = []
        for (name, sentence), predicted in zip(pairs, predictions, strict=True):
            entities = [sentence.entity(prediction.span, prediction.score) for prediction in predicted]
            gold = Tagged(sentence.text, sentence.entities, name)
            examples.append(Example(gold, Tagged(sentence.text, entities, name)))
        return examples

    def _views(self, domain: str) -> list[Tagged]:
        names = {name: name for name in self.config.sources} | {self.target.name: domain}
        predicted = self.ner.predict([_VIEW] * len(names), list(names.values()))
        return [Tagged(_VIEW, entities, name) for name, entities in sorted(zip(names, predicted, strict=True))]

    def _backbone(self) -> dict[str, Any]:
        backbone = self.ner.backbone
        return {
            "name": backbone.name,
            "fingerprint": backbone.fingerprint,
            "parameters": sum(parameter.numel() for parameter in backbone.t5.parameters()),
            "dtype": backbone.precision,
            "device": str(backbone.device),
        }


def _copy(store: Store, name: str, new: str) -> None:
    domain = store.load(name)
    store.save(replace(domain, card=replace(domain.card, name=new)))


def _prompt(sentence: Sentence, types: Sequence[str]) -> tuple[str, str]:
    entities = " ".join(f"({entity.type}: {entity.text})" for entity in sentence.entities)
    return f"{INSTRUCTION}: {', '.join(types)}: {sentence.text}", f"({entities})"
