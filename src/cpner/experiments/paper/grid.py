"""Grids of experiments: each cell is run once and kept as one JSON file, so that a run can go on where it stopped.

Warm-ups of sources and targets are made first, and shared by all cells that begin at them. Cells are independent then,
and may run in several processes.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cpner.backbone.shape import PrefixConfig, config_dict
from cpner.corpus import Span
from cpner.errors import ConfigError
from cpner.evaluation import Evaluation, evaluate
from cpner.experiments.paper.budget import Budget
from cpner.experiments.paper.cells import BASELINES, Cell
from cpner.experiments.paper.runner import SHARED_LOOP, Outcome, Runner, prefix_of
from cpner.files import digest, write_text
from cpner.machine import commit, deaf_to_interrupts, describe_machine, end_with_parent, set_threads, versions
from cpner.progress import Progress, Report, ignore
from cpner.training import TrainingConfig
from cpner.training.run_dir import digest_sentences
from cpner.transfer.mixing import Mixing

if TYPE_CHECKING:
    from cpner.backbone.load import Backbone
    from cpner.cluster import Cluster

Task = tuple[str, Cell]  # what is done, and of which cell
Record = dict[str, Any]
_COLD = ("chain", "zero-label", "zero-shot", "floor", *BASELINES)  # strategies that begin at no warm-up of the target


@dataclass(frozen=True)
class Setup:
    """What all cells of a grid share; the results of two setups never mix.

    Attributes:
        backbone: name or folder of the backbone.
        data: the folder with the public datasets (see `corpora fetch`).
        out: where results and warm-ups are kept.
        budget: what a cell may cost.
        config: training settings.
        device: None picks CUDA where there is one.
        mixing: how sources are weighed, where a variant does not say so.
        length: positions of prefixes, but for the paper's; None takes the default.
    """

    backbone: str
    data: Path
    out: Path
    budget: Budget = field(default_factory=Budget)
    config: TrainingConfig = field(default_factory=TrainingConfig)
    device: str | None = None
    mixing: Mixing = field(default_factory=Mixing)
    length: int | None = None


class Grid:
    """Runs cells and keeps their results.

    Args:
        setup: what all cells share.
        report: called after each task that was not done before.
    """

    def __init__(self, setup: Setup, report: Report = ignore) -> None:
        self.setup = setup
        self.report = report

    @cached_property
    def backbone(self) -> Backbone:
        """The backbone, loaded when it is first needed."""
        from cpner.backbone.load import load_in_floats

        return load_in_floats(self.setup.backbone, self.setup.device)

    @cached_property
    def folder(self) -> Path:
        """Where results and warm-ups with these very weights and settings are."""
        settings = json.dumps(self._settings(), sort_keys=True)
        return self.setup.out / "cells" / f"{self.backbone.fingerprint}-{digest([settings.encode()])[:8]}"

    @cached_property
    def runner(self) -> Runner:
        """What trains."""
        setup = self.setup
        warm = self.folder / "warm"
        return Runner(self.backbone, setup.data, warm, setup.budget, setup.config, setup.mixing, setup.length)

    def run(self, cells: Sequence[Cell], jobs: int | None = None, cluster: Cluster | None = None) -> list[Record]:
        """Run the cells that have no result yet; the results of all, in order.

        Args:
            jobs: cells at a time: processes, with several GPUs in turn on them. None for 1, or of a cluster for all
                that it has room for.
            cluster: machines that share the folders of the setup; None for this machine.

        Raises:
            ConfigError: the machines of the cluster do not share the folder of results.
        """
        stages = [stage for stage in self.stages(cells) if stage]
        done = 0
        total = sum(map(len, stages))

        def count(message: str) -> None:
            nonlocal done
            done += 1
            if message:
                self.report(Progress(done, total, message))

        if cluster is not None:
            self._run_on(cluster, stages, jobs, count)
        elif jobs is None or jobs == 1:
            for kind, cell in (task for stage in stages for task in stage):
                count(self.do(kind, cell))
        elif stages:
            import torch

            threads = max(1, torch.get_num_threads() // jobs)
            context = get_context("spawn")  # a forked process can't use CUDA, nor torch's threads
            number = context.Value("i", 0)
            with ProcessPoolExecutor(jobs, context, _begin, (self.setup, threads, number)) as pool:
                try:
                    for stage in stages:
                        with deaf_to_interrupts():  # processes start as tasks are given out
                            futures = [pool.submit(_do, *task) for task in stage]
                        for ended in as_completed(futures):
                            count(ended.result())
                except BaseException:  # Ctrl-C, for one: the rest is not waited for
                    for process in active_children():
                        process.kill()
                    raise
        return [record for cell in cells if (record := self.result(cell)) is not None]

    def _run_on(
        self, cluster: Cluster, stages: Sequence[Sequence[Task]], jobs: int | None, count: Callable[[str], None]
    ) -> None:
        import torch

        threads = torch.get_num_threads()
        gpus = 1 if self.setup.device != "cpu" and cluster.has_gpus() else 0
        setup = replace(self.setup, data=self.setup.data.resolve(), out=self.setup.out.resolve())
        if Path(setup.backbone).is_dir():
            setup = replace(setup, backbone=str(Path(setup.backbone).resolve()))
        for stage in stages:
            tasks = ((task, (setup, threads, *task)) for task in stage)
            for (kind, cell), message in cluster.run(do_on_ray, tasks, most=jobs, cpus=threads, gpus=gpus):
                if kind == "cell" and self.result(cell) is None:
                    raise ConfigError(f"a result is not in {setup.out}: --out must be a folder that all machines share")
                count(message)

    def stages(self, cells: Iterable[Cell]) -> list[list[Task]]:
        """What is to be done, as groups of tasks that need only what groups before them made."""
        todo = [cell for cell in dict.fromkeys(cells) if self.result(cell) is None]
        sources = dict.fromkeys(("source", c.source(name)) for c in todo for name in c.sources)
        chains = {(c.sources, c.store): ("chain", c) for c in todo if c.strategy == "chain"}
        warm = {c.warm: ("warm", c.warm) for c in todo if c.strategy not in _COLD}
        return [list(sources), [*chains.values(), *warm.values()], [("cell", cell) for cell in todo]]

    def do(self, kind: str, cell: Cell) -> str:
        """Do a task of `stages`, and say what was done; empty if it was done before."""
        started = time.monotonic()
        if kind == "cell":
            outcome = self.runner.run(cell)
            record = self._record(cell, outcome, time.monotonic() - started)
            write_text(self._file(cell), [json.dumps(record, indent=1, ensure_ascii=False)])
            f1 = "" if record["f1"] is None else f": F1 {record['f1']:.2f}"
            return f"{cell.key} seed {cell.seed}{f1} in {record['seconds']:.0f} s"
        if not getattr(self.runner, kind)(cell):
            return ""
        what = f"warm-up of {kind if kind == 'source' else 'target'} {cell.target}"
        what = f"chain of {', '.join(cell.sources)}" if kind == "chain" else f"{what} ({cell.size})"
        return f"{what}, seed {cell.seed} in {time.monotonic() - started:.0f} s"

    def result(self, cell: Cell) -> Record | None:
        """The kept result of a cell; None where there is none, or one that must be made anew."""
        file = self._file(cell)
        if not file.is_file():
            return None
        record: Record = json.loads(file.read_text("utf-8"))
        return None if is_outdated(record) else record

    def _record(self, cell: Cell, outcome: Outcome, seconds: float) -> Record:
        corpus = outcome.corpus
        scores: dict[str, Any] = {"f1": None}
        spans = None
        if outcome.predicted is not None:
            scores = _scores(evaluate(corpus.test, outcome.predicted, corpus.types))
            spans = [write_spans(prediction.span for prediction in row) for row in outcome.predicted]
        return {
            "cell": cell.to_json(),
            "backbone": self.setup.backbone,
            "backbone_fingerprint": self.backbone.fingerprint,
            "settings": self._settings(prefix_of(cell, self.setup.length)),
            **scores,
            **outcome.facts,
            "sentences": {split: len(sentences) for split, sentences in corpus.splits.items()},
            "data": {split: digest_sentences(sentences) for split, sentences in corpus.splits.items()},
            "seconds": round(seconds, 1),
            **_machine(self.backbone),
            "found": spans,
        }

    def _settings(self, prefix: PrefixConfig | None = None) -> dict[str, Any]:
        settings: dict[str, Any] = {
            "budget": asdict(self.setup.budget),
            "training": self.setup.config.written(),
            "prefix": config_dict(prefix or PrefixConfig()),
        }
        if self.setup.mixing != Mixing():
            settings["mixing"] = asdict(self.setup.mixing)
        if self.setup.length is not None:
            settings["length"] = self.setup.length
        return json.loads(json.dumps(settings))  # type: ignore[no-any-return]

    def _file(self, cell: Cell) -> Path:
        return self.folder / f"{cell.key}-seed{cell.seed}.json"


def is_outdated(record: Record) -> bool:
    """Whether a record is of a loop that the rows beside it did not share: without dropout of prefixes, for one."""
    return Cell.from_json(record["cell"]).tunes and record.get("loop") != SHARED_LOOP


def write_spans(spans: Iterable[Span]) -> str:
    """Spans of words as a line of JSON can hold them, "0-2 person; 5-6 location"."""
    return "; ".join(f"{span.start}-{span.end} {span.type}" for span in spans)


def read_spans(line: str) -> list[Span]:
    """The inverse of `write_spans`."""
    parts = re.findall(r"(\d+)-(\d+) (.+?)(?:; |$)", line)
    return [Span(int(start), int(end), type_) for start, end, type_ in parts]


def _scores(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "f1": evaluation.f1,
        "precision": evaluation.precision,
        "recall": evaluation.recall,
        "string_f1": evaluation.string.f1,
    }


def _machine(backbone: Backbone) -> dict[str, Any]:
    """Where and with what a result was made."""
    machine = describe_machine(backbone.device)
    return {
        "commit": commit(),
        "device": "{device} ({processor}, {threads} threads)".format(**machine),
        "dtype": backbone.precision,
        "versions": versions("transformers"),
    }


_grids: list[Grid] = []  # a worker process's


def _begin(setup: Setup, threads: int, number: Any) -> None:
    import torch

    end_with_parent()
    with number.get_lock():
        mine = number.value
        number.value += 1
    torch.set_num_threads(threads)
    device = setup.device
    if device is None and torch.cuda.device_count() > 1:
        device = f"cuda:{mine % torch.cuda.device_count()}"
    _grids.append(Grid(replace(setup, device=device)))


def _do(kind: str, cell: Cell) -> str:
    return _grids[0].do(kind, cell)


def do_on_ray(setup: Setup, threads: int, kind: str, cell: Cell) -> str:
    """Do a task in a process of a cluster, which keeps its grid for the next one."""
    if not _grids or _grids[0].setup != setup:
        set_threads(threads)
        _grids[:] = [Grid(setup)]
    return _do(kind, cell)
