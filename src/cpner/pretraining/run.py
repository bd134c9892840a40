"""Pretraining of a backbone: span corruption and NER instruction tuning, from text to a folder that loads.

One command on CPU or CUDA, on one device or several (Accelerate). A run folder holds the vocabulary, the data as
arrays, checkpoints, a log of losses and scores (`log.jsonl`), and at the end the backbone.
"""

from __future__ import annotations

import gc
import json
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, Subset

from cpner.backbone.checkpoint import write_backbone
from cpner.backbone.hardware import keep_freed_memory, native_dtype
from cpner.backbone.known_types import read_known_types, write_known_types
from cpner.backbone.load import load, locate
from cpner.backbone.ranges import FILE as RANGES
from cpner.backbone.ranges import measure_ranges, write_ranges
from cpner.backbone.shape import T5Shape
from cpner.backbone.t5 import T5
from cpner.backbone.tagger import write_tagger
from cpner.errors import ConfigError, TrainingError
from cpner.machine import deaf_to_interrupts
from cpner.pretraining.batches import Batches
from cpner.pretraining.carry_over import View, carry_over
from cpner.pretraining.checkpoint import Checkpoint, Position
from cpner.pretraining.config import PretrainConfig
from cpner.pretraining.cost import Cost
from cpner.pretraining.distillation import Distiller, Words
from cpner.pretraining.measure import held_out_examples, measure
from cpner.pretraining.objectives import Loss
from cpner.pretraining.optimizer import ScaledAdamW
from cpner.pretraining.prepare import Prepared, prepare
from cpner.pretraining.start import blend, copying_heads, grown
from cpner.pretraining.teacher import Teacher
from cpner.progress import Progress, ignore
from cpner.training.batch import Batch

Report = Callable[[dict[str, Any]], None]
_MEASURED = 128  # lines of text, and pieces of each, that scales of a teacher's states are measured on
_AHEAD = 16  # batches that each worker makes ahead
_CARRIED = 0.25  # how fast what was carried over from a teacher learns, beside the rest: fast steps would lose it


def pretrain(
    text: Sequence[Path],
    labelled: Path | None,
    out: Path,
    config: PretrainConfig,
    *,
    resume: bool = False,
    report: Report = lambda _: None,
    announce: Callable[[Cost], None] | None = None,
    progress: Callable[[Progress], None] = ignore,
) -> Path:
    """Train a backbone and write it to `out/backbone`.

    Args:
        text: files of plain text, one paragraph a line (.txt or .txt.xz); may be empty where none is needed.
        labelled: folder of labelled sentences (NAME.jsonl or NAME.jsonl.xz, with types.json); None where not needed.
        out: the run folder; vocabulary and arrays that it holds already are used again.
        resume: go on from the folder's last checkpoint.
        report: called with each record of the log, and how far the run is: `steps`, and `share` from 0 to 1.
        announce: called once, before the first step, with what the run will cost.
        progress: called now and then, before that, with how much of the data is read.

    Raises:
        ConfigError: `out` holds a checkpoint of another configuration, or one and `resume` is false.
        CorpusError: a file can't be read, or holds too little.
        TrainingError: the loss is not a number.
    """
    from accelerate import Accelerator
    from accelerate.utils import DistributedDataParallelKwargs, set_seed

    if not resume and Checkpoint(out).exists:
        raise ConfigError(f"{out} holds a checkpoint already: go on with --resume, or choose another folder")
    unused = DistributedDataParallelKwargs(find_unused_parameters=True)  # text has no use for the tagger
    keep_freed_memory()
    cpu = not torch.accelerator.is_available()  # Accelerate joins processes on CPUs only when told
    native = native_dtype("cpu" if cpu else torch.accelerator.current_accelerator() or "cpu")
    precision = "bf16" if native == torch.bfloat16 else "no"
    accelerator = Accelerator(mixed_precision=precision, cpu=cpu, kwargs_handlers=[unused])
    set_seed(config.seed)
    with accelerator.main_process_first():
        data = prepare(text, labelled, out, config, progress=progress if accelerator.is_main_process else ignore)
    run = _Run(accelerator, data, out, config, report)
    if announce and accelerator.is_main_process:
        announce(Cost.estimate(run.t5, run.batches, run.per_step))
    run.train()
    run.finish()
    return out / "backbone"


class _Run:
    """The state of a run: model, optimiser, batches, and how far it is."""

    def __init__(self, accelerator: Any, data: Prepared, out: Path, config: PretrainConfig, report: Report) -> None:
        self.accelerator = accelerator
        self.out = out
        self.config = config
        self.report = report
        self.per_step = config.accumulation * accelerator.num_processes  # batches of a step
        self.names = set() if data.pool is None else data.pool.names()
        if config.start is not None:
            self.names |= read_known_types(locate(config.start))
        pool, held = data.pool.split(config.held_out, config.seed) if data.pool is not None else (None, None)
        length = config.steps * self.per_step
        teacher = None if config.teacher is None else Teacher.load(config.teacher)
        self.batches = Batches(
            pool, data.text, data.vocabulary, config.data, length, align=config.compile, teacher=teacher
        )
        self.examples = [] if held is None else held_out_examples(held, self.batches)

        self.t5 = _model(data, config)
        distiller: Distiller | None = None
        if teacher is not None:
            distiller = Distiller(teacher, _carry_over(self.t5, teacher, data, config), accelerator.device)
        self.model = Loss(self.t5, config.tagging if held else 0.0, config.seed, distiller)
        self.average: AveragedModel | None = None
        if config.average:
            self.average = AveragedModel(self.t5, multi_avg_fn=get_ema_multi_avg_fn(config.average))  # type: ignore[no-untyped-call]
            self.average.to(accelerator.device)
        rate = config.carried or (1.0 if teacher is None else _CARRIED)
        optimizer = ScaledAdamW(self.model, lr=config.lr, slow=("t5.embedding", "t5.encoder"), rate=rate)
        self.checkpoint = Checkpoint(out)
        position = Position()
        if self.checkpoint.exists:
            position = self.checkpoint.load(self.model, optimizer, config, self.average)
        self.step = position.step
        self.pieces = position.pieces
        self.saved = position.step
        self.started = time.monotonic() - position.seconds
        self.loss, self.optimizer = accelerator.prepare(self.model, optimizer)
        if config.compile:
            for layer in (*self.t5.encoder.layers, *self.t5.decoder.layers):
                layer.compile(dynamic=True)  # layer by layer: all of a kind share their code, made in seconds
        self.losses: dict[str, list[Tensor]] = {}  # by kind of batch, since the last record

    def train(self) -> None:
        """Take the steps that are left."""
        c = self.config
        stream = self._stream()
        while self.step < c.steps and (share := self._share()) < 1:
            norm = self._step(stream, _schedule(self.step, share, c))
            last = self.step == c.steps
            if self.accelerator.is_main_process:
                if self.step % c.log_every == 0 or last:
                    self._log(share, norm, scores=self.step % c.evaluate_every == 0 or last)
                if self.step % c.save_every == 0 or last:
                    self._save()

    def finish(self) -> None:
        """Save what the last checkpoint lacks, measure, and write the backbone."""
        if self.accelerator.is_main_process:
            if self.step > self.saved:
                self._save()
            final = {"step": self.step, "seconds": round(self._elapsed(), 1), "million_pieces": self._millions()}
            self._write_backbone()
            self._write_ranges()
            scores = self._scores()
            self._append({"final": scores})
            self.report({"final": {**final, **scores}})
        self.accelerator.wait_for_everyone()

    @property
    def best(self) -> T5:
        """What is measured and written: the model, or the average of its weights."""
        return self.t5 if self.average is None else cast(T5, self.average.module)

    def _write_backbone(self) -> None:
        window = self.config.data.max_source // 2  # hardly a source is longer; there it marks every word
        folder = self.out / "backbone"
        (folder / RANGES).unlink(missing_ok=True)  # of earlier weights
        write_backbone(self.best, self.out / "tokenizer", folder, window=window)
        if self.model.tagger is not None:  # as it is: at the end of the schedule it hardly moves
            write_tagger(self.model.tagger, folder)
        if self.names:
            write_known_types(self.names, folder)

    def _write_ranges(self) -> None:
        """What predicting in 8 bits needs."""
        backbone = load(str(self.out / "backbone"), device="cpu", precision="float32")
        write_ranges(measure_ranges(backbone.t5, backbone.vocabulary), self.out / "backbone")

    def _stream(self) -> Iterator[Batch]:
        """This process's batches from where the run stands."""
        first = self.step * self.per_step + self.accelerator.process_index
        world = self.accelerator.num_processes
        workers = self.config.workers
        if workers:  # a descriptor for each tensor means a talk with a busy worker, 40 ms a batch; a file's name, 4
            torch.multiprocessing.set_sharing_strategy("file_system")  # type: ignore[no-untyped-call]
        loader = DataLoader(
            Subset(self.batches, range(first, len(self.batches), world)),
            batch_size=None,
            num_workers=workers,
            prefetch_factor=_AHEAD if workers else None,
            worker_init_fn=_start_worker,
            pin_memory=self.accelerator.device.type == "cuda",
        )
        with deaf_to_interrupts():  # processes start with the iterator
            return iter(loader)

    def _step(self, stream: Iterator[Batch], lr: float) -> Tensor:
        """One step of the optimiser; returns the norm of the gradients."""
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        for left in reversed(range(self.config.accumulation)):
            batch = next(stream)
            self.pieces += batch.pieces * self.accelerator.num_processes  # about: others' batches are of like size
            batch = batch.to(self.accelerator.device)
            with self.accelerator.no_sync(self.loss) if left else nullcontext():  # the last one sums all devices'
                loss = self.loss(batch)
                self.accelerator.backward(loss / self.config.accumulation)
            self.losses.setdefault(batch.kind, []).append(loss.detach())
        norm = torch.nn.utils.clip_grad_norm_(list(self.model.parameters()), self.config.clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.average is not None:
            self.average.update_parameters(self.t5)
        self.step += 1
        return norm

    def _share(self) -> float:
        """How much of the schedule is over, 0 to 1; all processes agree on it."""
        if self.config.minutes is None:
            return self.step / self.config.steps
        share = self._elapsed() / (60 * self.config.minutes)
        if self.accelerator.num_processes == 1:
            return share
        return float(self.accelerator.reduce(torch.tensor(share, device=self.accelerator.device), "mean"))

    def _log(self, share: float, norm: Tensor, *, scores: bool) -> None:
        seconds = self._elapsed()
        record = {"step": self.step, "seconds": round(seconds, 1)}
        record |= {"lr": round(self.optimizer.param_groups[0]["lr"], 6), "norm": round(float(norm), 3)}
        means = {f"loss_{kind}": round(float(torch.stack(v).mean()), 4) for kind, v in self.losses.items()}
        record |= means
        record |= {"million_pieces": self._millions(), "pieces_per_second": round(self.pieces / max(seconds, 1e-9))}
        if not all(math.isfinite(mean) for mean in means.values()):
            lr = self.config.lr
            raise TrainingError(f"the loss is not a number at step {self.step}: lower lr ({lr}) and start again")
        if scores:
            record |= self._scores()
            if self.average is not None:
                self._write_backbone()
        self.losses = {}
        self._append(record)
        self.report({**record, "steps": self.config.steps, "share": share})

    def _scores(self) -> dict[str, Any]:
        return measure(self.best, self.batches, self.examples) if self.examples else {}

    def _save(self) -> None:
        position = Position(self.step, self._elapsed(), self.pieces)
        self.checkpoint.save(self.model, self.optimizer, self.config, position, self.average)
        self.saved = self.step

    def _append(self, record: dict[str, Any]) -> None:
        with (self.out / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    def _elapsed(self) -> float:
        return time.monotonic() - self.started

    def _millions(self) -> float:
        return round(self.pieces / 1e6, 3)


def _model(data: Prepared, config: PretrainConfig) -> T5:
    """A model as the run starts: with the weights of a backbone, or fresh ones."""
    if config.start is not None:
        return grown(load(config.start, device="cpu", precision="float32").t5, **config.shape).requires_grad_(True)
    kind: dict[str, Any] = {} if config.teacher is None else {"activation": "gelu", "gated": False}
    t5 = T5(T5Shape(vocab_size=-(-data.vocabulary.size // 128) * 128, **config.sizes, **kind))  # type: ignore[arg-type]
    t5.initialise(config.seed)
    if config.copying and config.teacher is None:
        copying_heads(t5)
    if data.lexicon is not None:
        blend(t5, data.lexicon)
    return t5


def _carry_over(t5: T5, teacher: Teacher, data: Prepared, config: PretrainConfig) -> list[View]:
    """Start with the teacher's weights, their scales measured on some lines of the run's text."""
    if data.text is None:
        raise ConfigError("a teacher needs plain text to be measured on: give --text, and raise data.distilled")
    words = Words(data.vocabulary)
    pieces, bounds = data.text
    lines = np.random.default_rng(config.seed).choice(len(bounds) - 1, min(_MEASURED, len(bounds) - 1), replace=False)
    texts = [words(pieces[bounds[line] : bounds[line + 1]][:_MEASURED]) for line in np.sort(lines)]
    return carry_over(t5, teacher, data.vocabulary, texts, seed=config.seed)


def _schedule(step: int, share: float, config: PretrainConfig) -> float:
    """The learning rate: a linear rise, a level, and a cosine down to its floor."""
    fallen = max(0.0, min(1.0, share) - (1 - config.decay)) / config.decay
    cosine = 0.5 * (1 + math.cos(math.pi * fallen))
    return config.lr * min(1.0, (step + 1) / config.ramp) * (config.floor + (1 - config.floor) * cosine)


def _start_worker(_: int) -> None:
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # else each forked worker warns that it will not use threads
    gc.freeze()  # what was forked stays: to look through it for garbage, time and again, costs a third of the time
