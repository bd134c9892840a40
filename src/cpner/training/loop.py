"""A training by the loss of Eq. 4: its epochs, its looks at the dev split, how it is stopped and resumed."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from cpner.backbone.bank import PrefixBank
from cpner.backbone.load import Backbone
from cpner.backbone.t5 import T5
from cpner.corpus.sampling import spread
from cpner.corpus.sentence import Sentence
from cpner.evaluation import evaluate
from cpner.progress import Progress, Report
from cpner.recognition.recognise import Task, recognise
from cpner.training.batch import Batch
from cpner.training.examples import Examples
from cpner.training.loss import cross_entropy
from cpner.training.optimise import Step, adamw, optimise
from cpner.training.run_dir import RunDir
from cpner.training.trainable import Trainable

_LOOKS = 8  # at the dev split in a whole training, unless the settings say otherwise


@dataclass(frozen=True)
class Course:
    """How a training went.

    Attributes:
        curve: for each epoch `epoch`, `step`, `loss` (nats a target piece), `lr`, and `f1` (dev, 0 to 100, or None).
        best_f1: strict F1 on the dev split (0 to 100) of the best state; None without a dev split.
        best_epoch: the epoch after which that state was taken, from 1.
        epochs: how many were trained.
        steps: how many updates that were.
        seconds: how long it took, all parts of a resumed run together.
    """

    curve: list[dict[str, Any]] = field(repr=False)
    best_f1: float | None
    best_epoch: int
    epochs: int
    steps: int
    seconds: float


@dataclass
class _State:
    """Where a run stands, as JSON can hold it."""

    epoch: int = 0  # epochs that are complete
    batch: int = 0  # batches of the current one that are done
    step: int = 0
    loss: float = 0.0  # sum over the target pieces of the current epoch
    pieces: int = 0
    best_f1: float | None = None
    best_epoch: int | None = None
    stale: int = 0  # looks since the best one
    finished: bool = False
    seconds: float = 0.0
    curve: list[dict[str, Any]] = field(default_factory=list)


def train_epochs(
    backbone: Backbone,
    trainable: Trainable,
    examples: Examples,
    dev: Sequence[Sentence],
    *,
    run: RunDir | None = None,
    progress: Report | None = None,
) -> Course:
    """Train by the loss of Eq. 4, and end at the state with the best dev F1, shrunk; without a dev split at the last.

    Args:
        backbone: frozen but for what is trained of it.
        trainable: what is trained.
        examples: what is learnt from, and the settings.
        dev: sentences that are looked at, of which `eval_limit` are taken.
        run: holds the checkpoint to go on from, if there is one, and takes the next ones; None keeps nothing.
        progress: called after every step.

    Raises:
        TrainingError: the loss is not a number, or `run` can't be used.
    """
    training = _Training(backbone, trainable, examples, spread(dev, examples.config.eval_limit), run, progress)
    with _checkpointing(backbone.t5, examples.config.checkpointing):
        return training.run()


class _Training:
    """One run of `train_epochs`: what is trained, the optimizer, and where the run stands."""

    def __init__(
        self,
        backbone: Backbone,
        trainable: Trainable,
        examples: Examples,
        dev: Sequence[Sentence],
        run: RunDir | None,
        progress: Report | None,
    ) -> None:
        self.backbone = backbone
        self.trainable = trainable
        self.examples = examples
        self.dev = dev
        self.run_dir = run
        self.progress = progress
        self.config = examples.config
        self.optimizer = adamw(trainable.groups, self.config.weight_decay)
        self.batches_per_epoch = len(examples.epoch(0))  # about: later epochs have other mentions
        self.epochs = self.config.epochs_of(self.batches_per_epoch)
        self.eval_every = self.config.eval_every or max(1, round(self.epochs / _LOOKS))
        self.state = _State()
        self.lr = 0.0
        self.best: dict[str, Tensor] = {}
        self.started = time.monotonic()
        self.saved = self.started

    def run(self) -> Course:
        """Train to the end, from the checkpoint if there is one."""
        self._load()
        config = self.config
        optimise(
            self.optimizer, self._loss, self._batches(), ramp=config.lr_ramp_steps, clip=config.clip, after=self._count,
            done=self.state.step,
        )  # fmt: skip
        with self.trainable.shrunk():
            last = self.trainable.state()
        self.trainable.load(self.best or last)
        state = self.state
        return Course(
            curve=state.curve,
            best_f1=state.best_f1,
            best_epoch=state.best_epoch or state.epoch,
            epochs=state.epoch,
            steps=state.step,
            seconds=self._seconds(),
        )

    def _batches(self) -> Iterator[tuple[float, Batch]]:
        """The batches that are left, each with the share of the training before it; between them, what is due."""
        state = self.state
        while not state.finished:
            batches = self.examples.epoch(state.epoch)
            for rows in batches[state.batch :]:
                share = (state.epoch + state.batch / len(batches)) / self.epochs
                yield share, self.examples.batch(state.epoch, rows)
                state.batch += 1
                self._report(state.epoch + state.batch / len(batches))
                if state.batch < len(batches) and self._save_is_due():
                    self._save()
            self._end_epoch()

    def _loss(self, batch: Batch) -> Tensor:
        prefix = self.trainable.prefix(self.state.step)
        rows = batch.source.shape[0]
        return cross_entropy(self.backbone.t5, batch, None if prefix is None else prefix.expand(rows))

    def _count(self, step: Step[Batch]) -> None:
        """Note an update."""
        pieces = int((step.batch.labels >= 0).sum())
        self.state.step = step.number
        self.state.loss += step.loss * pieces
        self.state.pieces += pieces
        self.lr = step.lr

    def _end_epoch(self) -> None:
        """Look at the dev split if it is time, and add to the curve."""
        state = self.state
        state.epoch += 1
        state.batch = 0
        loss = state.loss / state.pieces
        row = {"epoch": state.epoch, "step": state.step, "loss": loss, "lr": self.lr, "f1": None}
        state.loss = 0.0
        state.pieces = 0
        state.curve.append(row)
        state.finished = state.epoch >= self.epochs
        time_to_look = state.finished or state.epoch % self.eval_every == 0
        if time_to_look and self.dev:
            row["f1"] = self._evaluate_dev()
        if time_to_look or self._save_is_due():
            self._save()

    def _evaluate_dev(self) -> float:
        """Strict F1 on the dev split of the shrunk state, its prefix as it will be stored; the best state is kept."""
        with self.trainable.shrunk():
            prefix = self.trainable.baked()
            prefixes = {} if prefix is None else {"": prefix.to(torch.bfloat16)}
            bank = PrefixBank(prefixes, device=self.backbone.device, dtype=self.backbone.dtype)
            domain = None if prefix is None else ""
            tasks = [Task(s, self.examples.prompt, domain, self.examples.single) for s in self.dev]
            predictions = recognise(self.backbone, tasks, bank)
            f1 = evaluate(self.dev, predictions, self.examples.types).f1
            self._keep_best(f1)
        return f1

    def _keep_best(self, f1: float) -> None:
        """Keep the state if none before had this F1, else stop if patience ends."""
        state = self.state
        if state.best_f1 is None or f1 > state.best_f1:
            state.best_f1 = f1
            state.best_epoch = state.epoch
            state.stale = 0
            self.best = self.trainable.state()
            if self.run_dir is not None:
                self.run_dir.save_best(state.epoch, _on_cpu(self.best))
        else:
            state.stale += 1
            patience = self.config.patience
            state.finished |= patience is not None and patience <= state.stale

    def _report(self, epochs: float) -> None:
        if self.progress is not None:
            total = self.epochs * self.batches_per_epoch
            f1 = "" if self.state.best_f1 is None else f", best dev F1 {self.state.best_f1:.1f}"
            message = f"epoch {math.ceil(epochs)} of {self.epochs}, loss {self.state.loss / self.state.pieces:.3f}{f1}"
            self.progress(Progress(round(epochs / self.epochs * total), total, message))

    def _seconds(self) -> float:
        return self.state.seconds + time.monotonic() - self.started

    def _save_is_due(self) -> bool:
        return time.monotonic() - self.saved >= self.config.save_seconds

    def _save(self) -> None:
        """Write the checkpoint and the curve."""
        self.saved = time.monotonic()
        if self.run_dir is None:
            return
        tensors = {f"trained.{name}": tensor for name, tensor in self.trainable.state().items()}
        for name, parameter in self.trainable.parameters.items():
            tensors |= {f"optimizer.{name}.{key}": t for key, t in self.optimizer.state[parameter].items()}
        # the curve first: a run whose checkpoint says that it has finished has all its files
        self.run_dir.save_curve(self.state.curve, picture=self.state.finished)
        self.run_dir.save({**asdict(self.state), "seconds": self._seconds()}, _on_cpu(tensors))

    def _load(self) -> None:
        """Take up the checkpoint, if there is one."""
        loaded = None if self.run_dir is None else self.run_dir.load()
        if loaded is None:
            return
        state, tensors, self.best = loaded
        self.state = _State(**state)
        self.trainable.load({name.removeprefix("trained."): tensor for name, tensor in tensors.items()})
        for name, parameter in self.trainable.parameters.items():
            head = f"optimizer.{name}."
            moments = {key.removeprefix(head): tensor for key, tensor in tensors.items() if key.startswith(head)}
            self.optimizer.state[parameter] = {
                key: tensor if key == "step" else tensor.to(parameter.device) for key, tensor in moments.items()
            }


@contextmanager
def _checkpointing(t5: T5, on: bool) -> Iterator[None]:
    """Have a T5 compute layers again for the gradient, or not, until the context ends."""
    before = t5.checkpointing
    t5.checkpointing = on
    try:
        yield
    finally:
        t5.checkpointing = before


def _on_cpu(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
