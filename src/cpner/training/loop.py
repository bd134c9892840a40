"""Training of a prefix with the backbone frozen (section 3.4, Eq. 4): epochs, looks at the dev split, resuming."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cpner.backbone.hardware import dtype_name
from cpner.backbone.load import Backbone
from cpner.backbone.prefix import Prefix
from cpner.backbone.reparameterisation import Reparameterisation
from cpner.backbone.shape import config_dict
from cpner.backbone.t5 import T5
from cpner.corpus.sentence import Sentence
from cpner.corpus.type_names import check_words
from cpner.errors import ConfigError
from cpner.evaluation import evaluate
from cpner.progress import Progress, Report
from cpner.recognition.recognise import Task, recognise
from cpner.training.batch import Batch, cross_entropy
from cpner.training.config import TrainingConfig
from cpner.training.examples import Examples
from cpner.training.optimise import Group, Step, adamw, optimise
from cpner.training.run_dir import RunDir, digest_sentences, digest_tensors
from cpner.training.trainable import Trainable

_LOOKS = 8  # at the dev split in a whole training, unless the settings say otherwise
_FREE = ("save_seconds", "checkpointing")  # settings that change no number: a resumed run may have others


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


@dataclass(frozen=True)
class TrainingResult:
    """A trained prefix, and how its training went.

    Attributes:
        prefix: the best prefix, shrunk and baked, in float32 on the CPU.
        reparameterisation: the state that yields it: P, its network if it has one, the start.
        curve: for each epoch `epoch`, `step`, `loss` (nats a target piece), `lr`, and `f1` (dev, 0 to 100, or None).
        best_f1: strict F1 on the dev split (0 to 100) of the prefix; None without a dev split.
        best_epoch: the epoch after which the prefix was taken, from 1.
        epochs: how many were trained.
        steps: how many updates that were.
        seconds: how long it took, all parts of a resumed run together.
    """

    prefix: Prefix = field(repr=False)
    reparameterisation: dict[str, Tensor] = field(repr=False)
    curve: list[dict[str, Any]] = field(repr=False)
    best_f1: float | None
    best_epoch: int
    epochs: int
    steps: int
    seconds: float

    @classmethod
    def of(cls, reparameterisation: Reparameterisation, course: Course) -> TrainingResult:
        """What a reparameterisation yields now."""
        state = {name: t.detach().cpu().clone() for name, t in reparameterisation.state_dict().items()}
        return cls(reparameterisation.bake().to("cpu"), state, **vars(course))


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


def train_prefix(
    backbone: Backbone,
    reparameterisation: Reparameterisation,
    train: Sequence[Sentence],
    dev: Sequence[Sentence],
    types: Sequence[str],
    config: TrainingConfig | None = None,
    *,
    run_dir: str | Path | None = None,
    resume: bool = False,
    progress: Report | None = None,
) -> TrainingResult:
    """Minimise E[-log p(y | x)] over P, with LM_θ frozen (Eq. 4).

    Args:
        reparameterisation: where to begin; it ends as the best state.
        train: sentences to learn from; one that is longer than the backbone's window is cut.
        dev: sentences by whose strict F1 the best state is chosen; none keeps the last state.
        types: the domain's entity types in words; all that occur in `train` are among them.
        config: settings; None takes the defaults.
        run_dir: folder for checkpoints and the curve; None keeps nothing.
        resume: go on from the checkpoint in `run_dir`, if there is one. On a CPU with as many threads the result is the
            same to the bit as that of a run that was never stopped.
        progress: called after every step.

    Raises:
        ConfigError: a type can't be a type, or a sentence has an entity of another.
        TrainingError: there is nothing to learn from, the loss is not a number, or `run_dir` can't be used.

    Reading: the paper keeps all that training changed, as `shrinkage=0` does.
    """
    config = config or TrainingConfig()
    check_types(types, [*train, *dev])
    examples = Examples(backbone, train, types, config)
    reparameterisation.to(backbone.device)
    run = None
    if run_dir is not None:
        identity = _identity(backbone, reparameterisation, train, dev, types, config)
        run = RunDir(run_dir, identity, resume=resume)
    group = Group(dict(reparameterisation.named_parameters()), config.lr or reparameterisation.lr)
    start = reparameterisation.start
    trainable = Trainable([group], config, len(examples.sentences), reparameterisation, start)
    with run or nullcontext():
        course = train_epochs(backbone, trainable, examples, dev, run=run, progress=progress)
    return TrainingResult.of(reparameterisation, course)


def check_types(types: Sequence[str], sentences: Sequence[Sentence]) -> None:
    """Refuse types that the template can't hold, doubles, none at all, and entities of other types.

    Raises:
        ConfigError: see above.
        CorpusError: a type's words can't stand in the template.
    """
    if isinstance(types, str) or not types or len(set(types)) < len(types):
        hint = "" if types else "; a corpus without entities has none"
        raise ConfigError(f"types {types!r} must be a list of at least one type, each named once{hint}")
    for type_ in types:
        check_words(type_)
    others = {span.type for sentence in sentences for span in sentence.spans} - set(types)
    if others:
        raise ConfigError(f"sentences have entities of type {sorted(others)[0]!r}, which is none of {list(types)}")


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
    training = _Training(backbone, trainable, examples, _some(dev, examples.config.eval_limit), run, progress)
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
            domain = None if prefix is None else ""
            tasks = [Task(s, self.examples.prompt, domain) for s in self.dev]
            predictions = recognise(self.backbone, tasks, prefixes)
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


def _identity(
    backbone: Backbone,
    reparameterisation: Reparameterisation,
    train: Sequence[Sentence],
    dev: Sequence[Sentence],
    types: Sequence[str],
    config: TrainingConfig,
) -> dict[str, Any]:
    """What two runs must share to be the same one."""
    settings = {name: value for name, value in config.written().items() if name not in _FREE}
    return {
        "backbone": backbone.fingerprint,
        "dtype": dtype_name(backbone.dtype),
        **{f"prefix {name}": value for name, value in config_dict(reparameterisation.config).items()},
        "start": digest_tensors(reparameterisation.state_dict()),
        "types": list(types),
        "train sentences": digest_sentences(train),
        "dev sentences": digest_sentences(dev),
        **settings,
    }


def _some(sentences: Sequence[Sentence], limit: int | None) -> list[Sentence]:
    """At most `limit` sentences, evenly spread; None takes all."""
    if limit is None or len(sentences) <= limit:
        return list(sentences)
    return [sentences[i * len(sentences) // limit] for i in range(limit)]
