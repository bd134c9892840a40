"""Training of a prefix with the backbone frozen (section 3.4, Eq. 4)."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cpner.backbone.hardware import dtype_name
from cpner.backbone.load import Backbone
from cpner.backbone.prefix import Prefix, config_dict
from cpner.backbone.reparameterisation import Reparameterisation
from cpner.corpus.sentence import Sentence
from cpner.corpus.type_names import check_words
from cpner.errors import ConfigError, TrainingError
from cpner.evaluation import evaluate
from cpner.progress import Progress, Report
from cpner.recognition.recognise import Task, recognise
from cpner.training.batch import Batch, cross_entropy
from cpner.training.config import TrainingConfig
from cpner.training.examples import Examples
from cpner.training.run_dir import RunDir, digest_sentences, digest_tensors

_LOOKS = 8  # at the dev split in a whole training, unless the settings say otherwise
_DROPOUT = 3  # stream of random numbers
_FREE = ("save_seconds", "checkpointing")  # settings that change no number: a resumed run may have others


@dataclass(frozen=True)
class TrainingResult:
    """What a training has made.

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

    Reading: the softmax of Eq. 4 runs over the pieces that a row could write at all (its options, its sentence, the
        template), since the decoder only ever chooses among these; `softmax="vocabulary"` takes all pieces.
        The paper keeps all that training changed, as `shrinkage=0` does.
    """
    config = config or TrainingConfig()
    check_types(types, [*train, *dev])
    examples = Examples(backbone, train, types, config)
    reparameterisation.to(backbone.device)
    run = None
    if run_dir is not None:
        identity = _identity(backbone, reparameterisation, train, dev, types, config)
        run = RunDir(run_dir, identity, resume=resume)
    with run or nullcontext():
        training = _Training(backbone, reparameterisation, examples, _some(dev, config.eval_limit), run, progress)
        return training.run()


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


def loss_of(backbone: Backbone, batch: Batch, prefix: Prefix) -> Tensor:
    """Mean cross-entropy of a batch's target pieces (Eq. 4), in nats.

    Args:
        prefix: one domain's, each part [L, 2, H, K, D]; every row gets it.
    """
    return cross_entropy(backbone.t5, batch, prefix.expand(batch.source.shape[0]))


class _Training:
    """One run of `train_prefix`: the trained part, the optimizer, and where the run stands."""

    def __init__(
        self,
        backbone: Backbone,
        reparameterisation: Reparameterisation,
        examples: Examples,
        dev: Sequence[Sentence],
        run: RunDir | None,
        progress: Report | None,
    ) -> None:
        self.backbone, self.trained, self.examples, self.dev = backbone, reparameterisation, examples, dev
        self.run_dir, self.progress, self.config = run, progress, examples.config
        c = self.config
        self.lr = c.lr or reparameterisation.lr  # the highest
        self.optimizer = torch.optim.AdamW(
            reparameterisation.parameters(), lr=self.lr, weight_decay=c.weight_decay, fused=True
        )
        self.a_pass = len(examples.epoch(0))  # batches of an epoch, about
        backbone.t5.checkpointing = c.checkpointing
        self.epochs = c.epochs_of(self.a_pass)
        self.every = c.eval_every or max(1, round(self.epochs / _LOOKS))
        self.begun = {name: p.detach().clone() for name, p in reparameterisation.named_parameters()}
        self.back = c.taken_back(len(examples.sentences))
        self.state = _State()
        self.best: dict[str, Tensor] = {}
        self.started = self.saved = time.monotonic()

    def run(self) -> TrainingResult:
        """Train to the end, from the checkpoint if there is one."""
        self._load()
        while not self.state.finished:
            self._epoch()
        self.trained.load_state_dict(self.best or self._shrunk().state_dict())
        state = self.state
        return TrainingResult(
            prefix=self.trained.bake().to("cpu"),
            reparameterisation={name: t.detach().cpu().clone() for name, t in self.trained.state_dict().items()},
            curve=state.curve,
            best_f1=state.best_f1,
            best_epoch=state.best_epoch or state.epoch,
            epochs=state.epoch,
            steps=state.step,
            seconds=self._seconds(),
        )

    def _epoch(self) -> None:
        """Train the rest of the current epoch, then look at the dev split if it is time."""
        state = self.state
        batches = self.examples.epoch(state.epoch)
        while state.batch < len(batches):
            lr = self._lr((state.epoch + state.batch / len(batches)) / self.epochs)
            self._step(self.examples.batch(state.epoch, batches[state.batch]), lr)
            state.batch, state.step = state.batch + 1, state.step + 1
            self._tell(state.epoch + state.batch / len(batches))
            if state.batch < len(batches) and time.monotonic() - self.saved >= self.config.save_seconds:
                self._save()
        state.epoch, state.batch = state.epoch + 1, 0
        row = {"epoch": state.epoch, "step": state.step, "loss": state.loss / state.pieces, "lr": lr, "f1": None}
        state.loss, state.pieces = 0.0, 0
        state.curve.append(row)
        state.finished = state.epoch >= self.epochs
        time_to_look = state.finished or state.epoch % self.every == 0
        if time_to_look and self.dev:
            row["f1"] = self._look()
        if time_to_look or time.monotonic() - self.saved >= self.config.save_seconds:
            self._save()

    def _step(self, batch: Batch, lr: float) -> None:
        """One update of what is trained; raises before anything changes if the loss is not a number."""
        loss = loss_of(self.backbone, batch, self._drop(self.trained()))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.trained.parameters(), self.config.clip)
        value = loss.item()
        if not (math.isfinite(value) and math.isfinite(norm.item())):
            what = "loss" if not math.isfinite(value) else "gradient"
            raise TrainingError(
                f"the {what} is not a number in epoch {self.state.epoch + 1}, step {self.state.step + 1}: "
                f"try a smaller lr than {self.lr}"
            )
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.optimizer.step()
        pieces = int((batch.labels >= 0).sum())
        self.state.loss += value * pieces
        self.state.pieces += pieces

    def _drop(self, prefix: Prefix) -> Prefix:
        """Dropout on what training adds to the start of the prefix, drawn from the seed and the step."""
        if not self.config.dropout:
            return prefix
        keep = 1 - self.config.dropout
        seed = np.random.SeedSequence([self.config.seed, _DROPOUT, self.state.step]).generate_state(1, np.uint64)
        generator = torch.Generator().manual_seed(int(seed[0]) >> 1)
        dropped = {}
        for name, part in prefix.parts.items():
            start, kept = self.trained.get_buffer(f"{name}_start"), torch.rand(part.shape, generator=generator) < keep
            dropped[name] = start + (part - start) * kept.to(part) / keep
        return Prefix(**dropped)

    def _lr(self, share: float) -> float:
        """The step size when this share of the training is over: a linear ramp, then a cosine to zero."""
        ramp = min(1.0, (self.state.step + 1) / max(1, self.config.lr_ramp_steps))
        return self.lr * ramp * 0.5 * (1 + math.cos(math.pi * min(1.0, share)))

    def _look(self) -> float:
        """Strict F1 on the dev split; the best state is kept."""
        state, c, shrunk = self.state, self.config, self._shrunk()
        prefix = shrunk.bake().to(torch.bfloat16)  # as it will be stored
        tasks = [Task(sentence, self.examples.types, self.examples.instructor, "") for sentence in self.dev]
        found = recognise(self.backbone, tasks, {"": prefix})
        f1 = evaluate(self.dev, found, self.examples.types).f1
        if state.best_f1 is None or f1 > state.best_f1:
            state.best_f1, state.best_epoch, state.stale = f1, state.epoch, 0
            self.best = shrunk.state_dict()
            if self.run_dir is not None:
                self.run_dir.save_best(state.epoch, self.best)
        else:
            state.stale += 1
            state.finished |= 0 < c.patience <= state.stale
        return f1

    @torch.no_grad()
    def _shrunk(self) -> Reparameterisation:
        """What is trained, and a share of the way back to where it began (WiSE-FT, Wortsman et al., CVPR 2022).

        Few sentences are soon known by heart: the way there is right, but it leads too far.
        """
        shrunk = copy.deepcopy(self.trained)
        for name, parameter in shrunk.named_parameters():
            parameter.lerp_(self.begun[name], self.back)
        return shrunk

    def _tell(self, epochs: float) -> None:
        if self.progress is not None:
            total = self.epochs * self.a_pass
            f1 = "" if self.state.best_f1 is None else f", best dev F1 {self.state.best_f1:.1f}"
            message = f"epoch {math.ceil(epochs)} of {self.epochs}, loss {self.state.loss / self.state.pieces:.3f}{f1}"
            self.progress(Progress(round(epochs / self.epochs * total), total, message))

    def _seconds(self) -> float:
        return self.state.seconds + time.monotonic() - self.started

    def _save(self) -> None:
        """Write the checkpoint and the curve."""
        self.saved = time.monotonic()
        if self.run_dir is None:
            return
        tensors = {f"trained.{name}": tensor for name, tensor in self.trained.state_dict().items()}
        for name, parameter in self.trained.named_parameters():
            tensors |= {f"optimizer.{name}.{key}": t for key, t in self.optimizer.state[parameter].items()}
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        # the curve first: a run whose checkpoint says that it has finished has all its files
        self.run_dir.save_curve(self.state.curve, picture=self.state.finished)
        self.run_dir.save({**asdict(self.state), "seconds": self._seconds()}, tensors)

    def _load(self) -> None:
        """Take up the checkpoint, if there is one."""
        loaded = None if self.run_dir is None else self.run_dir.load()
        if loaded is None:
            return
        state, tensors, self.best = loaded
        self.state = _State(**state)
        self.trained.load_state_dict(
            {name.removeprefix("trained."): t for name, t in tensors.items() if name.startswith("trained.")}
        )
        for name, parameter in self.trained.named_parameters():
            head = f"optimizer.{name}."
            own = {key.removeprefix(head): t for key, t in tensors.items() if key.startswith(head)}
            self.optimizer.state[parameter] = {k: t if k == "step" else t.to(parameter.device) for k, t in own.items()}


def _identity(
    backbone: Backbone,
    reparameterisation: Reparameterisation,
    train: Sequence[Sentence],
    dev: Sequence[Sentence],
    types: Sequence[str],
    config: TrainingConfig,
) -> dict[str, Any]:
    """What two runs must share to be the same one."""
    settings = {name: value for name, value in asdict(config).items() if name not in _FREE}
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


def _some(sentences: Sequence[Sentence], limit: int) -> list[Sentence]:
    """At most `limit` sentences, evenly spread; 0 takes all."""
    if not limit or len(sentences) <= limit:
        return list(sentences)
    return [sentences[i * len(sentences) // limit] for i in range(limit)]
