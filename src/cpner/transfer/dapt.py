"""Domain-adaptive pre-training: span corruption on unlabelled text of a domain (section 4.2, "Introducing DAPT").

Of the prefix alone, with the backbone frozen, so that it still serves all domains. The paper's rivals train the
backbone: `cpner pretrain --start` does that.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from cpner.backbone.load import Backbone
from cpner.backbone.reparameterisation import Reparameterisation
from cpner.backbone.shape import PrefixConfig
from cpner.backbone.start import fresh
from cpner.corpus.words import split_words
from cpner.errors import BackboneError, TrainingError
from cpner.instructor import Vocabulary
from cpner.progress import Progress, Report
from cpner.settings import Settings, above, at_least, between
from cpner.training import TrainingResult
from cpner.training.batch import Batch
from cpner.training.loop import Course
from cpner.training.loss import cross_entropy
from cpner.training.optimise import Group, Step, adamw, optimise
from cpner.training.span_corruption import Array, SpanCorruption

_ROWS = 20  # of the curve
_LEAST = 4  # pieces of a line that has something to hide and something to tell by


@dataclass(frozen=True)
class DaptConfig(Settings):
    """Settings of domain-adaptive pre-training."""

    steps: int = 300  # updates
    lines: int = 16  # lines of text in a batch
    pieces: int = 96  # of a line, at most; of a longer one some part is taken
    lr: float | None = None  # highest step size of AdamW for a prefix, none as in warm-up; it falls as a cosine to zero
    clip: float = 1.0  # largest norm of all gradients together
    noise: float = 0.15  # share of text that is hidden (T5's)
    mean_span: int = 3  # mean pieces of a hidden span (T5's)
    biased: float = 0.5  # share of hidden spans that begin at a capitalised word, which is often a name
    seed: int = 0  # lines, parts and spans

    called = "DAPT setting "
    ranges: ClassVar = {
        at_least(1): ("steps", "lines", "pieces", "mean_span"),
        at_least(0): ("lr", "seed"),
        above(0): ("clip", "noise"),
        between(0, 1): ("biased",),
    }
    unset_by_zero = ("lr",)


def dapt_prefix(
    backbone: Backbone,
    lines: Iterable[str],
    config: DaptConfig | None = None,
    *,
    prefix: PrefixConfig | None = None,
    progress: Report | None = None,
) -> TrainingResult:
    """Train a prefix on text, from the start that all warm-ups share, with LM_θ frozen.

    Args:
        lines: a sentence or a paragraph each.
        prefix: the prefix's shape and start; None takes the defaults.
        progress: called after every step.

    Raises:
        BackboneError: the vocabulary has no sentinels, so that the backbone never learnt span corruption.
        TrainingError: there is no text, or the loss is not a number.
    """
    config = config or DaptConfig()
    started = time.monotonic()
    trained = fresh(backbone, prefix).to(backbone.device)
    curve = _train(backbone, trained, lines, config, progress)
    return TrainingResult.of(trained, Course(curve, None, 1, 1, config.steps, time.monotonic() - started))


def _train(
    backbone: Backbone,
    trained: Reparameterisation,
    lines: Iterable[str],
    config: DaptConfig,
    progress: Report | None,
) -> list[dict[str, Any]]:
    """Minimise the loss of hidden spans; gives the curve."""
    text = _Text(lines, backbone.vocabulary, config)
    curve: list[dict[str, Any]] = []
    losses: list[float] = []

    def loss(batch: Batch) -> Tensor:
        rows = batch.source.shape[0]
        return cross_entropy(backbone.t5, batch, trained().expand(rows))

    def count(step: Step[Batch]) -> None:
        losses.append(step.loss)
        if step.number % max(1, config.steps // _ROWS) == 0 or step.number == config.steps:
            mean = sum(losses) / len(losses)
            curve.append({"epoch": 1, "step": step.number, "loss": mean, "lr": step.lr, "f1": None})
            losses.clear()
        if progress is not None:
            latest = curve[-1]["loss"] if curve else step.loss
            progress(Progress(step.number, config.steps, f"DAPT, loss {latest:.3f}"))

    batches = ((step / config.steps, text.batch(step).to(backbone.device)) for step in range(config.steps))
    group = Group(dict(trained.named_parameters()), config.lr or trained.lr)
    optimise(adamw([group]), loss, batches, ramp=0, clip=config.clip, after=count)
    return curve


class _Text:
    """Batches of corrupted lines; what is drawn depends on the seed and the step alone."""

    def __init__(self, lines: Iterable[str], vocabulary: Vocabulary, config: DaptConfig) -> None:
        self.vocabulary = vocabulary
        self.config = config
        self.corrupt = SpanCorruption(vocabulary, noise=config.noise, mean_span=config.mean_span, biased=config.biased)
        if vocabulary.unknown in self.corrupt.sentinels or None in self.corrupt.sentinels:
            raise BackboneError("the vocabulary has no sentinels (<extra_id_0>), which DAPT hides spans behind")
        rows = ([p for a, b in split_words(line) for p in vocabulary.word(line[a:b])] for line in lines)
        self.rows: list[Array] = [np.array(row) for row in rows if len(row) >= _LEAST]
        if not self.rows:
            raise TrainingError(f"no line of at least {_LEAST} pieces to train on; give more text")

    def batch(self, step: int) -> Batch:
        """The lines of a step with spans hidden."""
        rng = np.random.default_rng([self.config.seed, step])
        pairs = []
        for i in rng.integers(len(self.rows), size=self.config.lines).tolist():
            row = self.rows[i]
            start = int(rng.integers(max(0, len(row) - self.config.pieces) + 1))
            pairs.append(self.corrupt(row[start : start + self.config.pieces], rng))
        return Batch.build([source for source, _ in pairs], [target for _, target in pairs], self.vocabulary, None)
