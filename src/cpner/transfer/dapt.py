"""Domain-adaptive pre-training: span corruption on unlabelled text of a domain (section 4.2, "Introducing DAPT").

Of the prefix alone, with the backbone frozen, so that it still serves all domains; or of the backbone, as the paper's
rivals do, which makes another backbone that serves this domain.
"""

from __future__ import annotations

import copy
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from cpner.backbone.checkpoint import hugging_face_state
from cpner.backbone.load import Backbone, locate
from cpner.backbone.prefix import Prefix
from cpner.backbone.shape import PrefixConfig
from cpner.backbone.start import fresh
from cpner.corpus.words import split_words
from cpner.errors import BackboneError, TrainingError
from cpner.instructor import Vocabulary
from cpner.progress import Progress, Report
from cpner.settings import Settings, above, at_least, between
from cpner.training import TrainingResult
from cpner.training.batch import Batch, cross_entropy
from cpner.training.loop import Course
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
    backbone_lr: float = 3e-4  # the same for a whole backbone, which small steps keep able
    clip: float = 1.0  # largest norm of all gradients together
    noise: float = 0.15  # share of text that is hidden (T5's)
    mean_span: int = 3  # mean pieces of a hidden span (T5's)
    biased: float = 0.5  # share of hidden spans that begin at a capitalised word, which is often a name
    seed: int = 0  # lines, parts and spans

    called = "DAPT setting "
    ranges: ClassVar = {
        at_least(1): ("steps", "lines", "pieces", "mean_span"),
        at_least(0): ("lr", "seed"),
        above(0): ("backbone_lr", "clip", "noise"),
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
    group = Group(dict(trained.named_parameters()), config.lr or trained.lr)
    curve = _train(backbone, group, trained, lines, config, progress)
    return TrainingResult.of(trained, Course(curve, None, 1, 1, config.steps, time.monotonic() - started))


def dapt_backbone(
    backbone: Backbone, lines: Iterable[str], config: DaptConfig | None = None, *, progress: Report | None = None
) -> Backbone:
    """Train a copy of a backbone on text, in float32; the given one stays as it is.

    Args, Raises: as in `dapt_prefix`.
    """
    config = config or DaptConfig()
    tuned = Backbone(backbone.name, copy.deepcopy(backbone.t5).float(), backbone.vocabulary, backbone.window)
    tuned.t5.requires_grad_(True)
    group = Group(dict(tuned.t5.named_parameters()), config.backbone_lr)
    _train(tuned, group, None, lines, config, progress)
    return replace(tuned, t5=tuned.t5.to(backbone.dtype))


def write_tuned(backbone: Backbone, folder: Path) -> None:
    """Write a tuned backbone as a folder that `load` and `transformers` read, all or nothing.

    Weights are in bfloat16, configuration and tokenizer are copied.

    Raises:
        BackboneError: the folder is there already, or can't be written.
    """
    if folder.exists():
        raise BackboneError(f"{folder} is there already: choose a new folder for the backbone")
    state = {name: tensor.to("cpu", torch.bfloat16) for name, tensor in hugging_face_state(backbone.t5).items()}
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as beside:
            made = Path(beside) / folder.name
            made.mkdir()
            for file in locate(backbone.name).iterdir():
                if file.suffix in (".json", ".model", ".txt") and not file.name.endswith(".index.json"):
                    shutil.copy2(file, made)
            save_file(state, made / "model.safetensors", metadata={"format": "pt"})
            made.rename(folder)
    except (OSError, SafetensorError) as error:
        raise BackboneError(f"{folder} can't be written: {error}") from error


def _train(
    backbone: Backbone,
    group: Group,
    prefix: Callable[[], Prefix] | None,
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
        return cross_entropy(backbone.t5, batch, None if prefix is None else prefix().expand(rows))

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
    optimise(adamw([group]), loss, batches, ramp=0, clip=config.clip, after=count)
    return curve


class _Text:
    """Batches of corrupted lines; what is drawn depends on the seed and the step alone."""

    def __init__(self, lines: Iterable[str], vocabulary: Vocabulary, config: DaptConfig) -> None:
        self.vocabulary, self.config = vocabulary, config
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
