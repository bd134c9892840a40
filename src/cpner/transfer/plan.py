"""The one place where plans are carried out: their trainings, one after another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from cpner.backbone.load import Backbone
from cpner.backbone.prefix import Prefix, together
from cpner.backbone.shape import PrefixConfig
from cpner.backbone.start import fresh
from cpner.corpus import Corpus, Sentence
from cpner.errors import TrainingError
from cpner.training import TrainingConfig, TrainingResult, train_prefix
from cpner.training.run import Run
from cpner.transfer.domain import Domain
from cpner.transfer.strategies import Lesson, Plan


def warm_up(backbone: Backbone, corpus: Corpus, prefix: PrefixConfig, config: TrainingConfig) -> Plan:
    """Train a new prefix on a corpus (Eq. 4), from the start that all warm-ups share."""
    return Plan(corpus, prefix, config, [Lesson(lambda _: fresh(backbone, prefix), corpus, config)])


def self_training(
    backbone: Backbone, teacher: Domain, corpus: Corpus, labelled: Sequence[Sentence], config: TrainingConfig
) -> Plan:
    """Train a new prefix on a corpus and on what its teacher labelled; it has the shape of one of the teacher's."""
    card = teacher.card
    prefix = replace(teacher.config, length=teacher.config.length // max(1, len(card.members)))
    config = replace(config, options=card.options)
    lesson = Corpus(corpus.name, {"train": [*corpus.train, *labelled], "dev": corpus.dev}, types=card.types)
    plan = warm_up(backbone, lesson, prefix, config)
    return replace(plan, corpus=Corpus(corpus.name, corpus.splits, types=card.types), weights=card.sources)


def run_plan(backbone: Backbone, plan: Plan, run: Run) -> TrainingResult:
    """Carry out the trainings of a plan.

    Args:
        run: the checkpoints' folder, in which each lesson may have its own, and whom to report to.

    Returns:
        The last lesson's result; of an ensemble, that of all lessons together.

    Raises:
        TrainingError: a lesson has no sentence to learn from, or its training can't go on.
    """
    results: dict[str, TrainingResult] = {}
    prefix = plan.start
    for lesson in plan.lessons:
        result = _train(backbone, lesson, prefix, run.part(lesson.folder))
        results[lesson.name] = result
        prefix = result.prefix
    if prefix is None:
        raise TrainingError("the plan has no lesson and no prefix to begin at")
    if plan.vote is not None:
        return gather(results)
    return result if plan.lessons else untrained(prefix)


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


def _train(backbone: Backbone, lesson: Lesson, prefix: Prefix | None, run: Run) -> TrainingResult:
    corpus = lesson.corpus
    if not corpus.train:
        raise TrainingError(f"corpus {corpus.name!r} has no sentence to train on; it has {list(corpus.splits)}")
    return train_prefix(
        backbone, lesson.start(prefix), corpus.train, corpus.dev, corpus.types, lesson.config,
        run_dir=run.run_dir, resume=run.resume, progress=run.progress,
    )  # fmt: skip
