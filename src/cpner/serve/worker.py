"""The process of one training: `python -m cpner.serve.worker FOLDER`. It tells of itself as JSON lines."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import threading
import time
from pathlib import Path
from typing import Any

import msgspec

from cpner.corpus import Corpus
from cpner.errors import CpnerError
from cpner.progress import Progress
from cpner.serve.job_folder import JobFolder, JobRecord, write
from cpner.serve.routes.domains import sentences_of
from cpner.store import Store

_BETWEEN = 0.25  # seconds between two events of progress
_MESSAGE = re.compile(r"epoch (\d+) of (\d+), loss ([\d.]+)(?:, best dev F1 ([\d.]+))?")
_NICE = 10  # a training lets the server go first


def main(path: str) -> int:
    """Run a job to its end; the exit code is 0 if the domain is stored."""
    threading.Thread(target=_die_with_parent, daemon=True).start()
    with contextlib.suppress(OSError):
        os.nice(_NICE)
    job = JobFolder(Path(path))
    try:
        if not (job.path / "result.json").exists():
            _train(job)
        _install(job)
    except CpnerError as error:
        _tell("error", {"error": str(error)})
        return 2
    return 0


def _train(job: JobFolder) -> None:
    import torch

    from cpner.ner import CPNER

    record = job.record
    torch.set_num_threads(record.threads)
    ner = CPNER.load(record.backbone, store=record.store, device=record.device, precision=record.precision)
    splits, text = job.corpus()
    corpus = Corpus.from_sentences(
        sentences_of(splits.train), sentences_of(splits.dev), sentences_of(splits.test),
        name=record.domain, types=record.types,
    )  # fmt: skip
    before = _before(job, ner, corpus)
    result = _learn(ner, record, corpus, text, job.path / "run")
    after = _score(ner, record.domain, corpus)
    ner.save(job.path / "made", domains=[record.domain])
    report = {
        "dev_f1": result.best_f1,
        "epochs": result.epochs,
        "steps": result.steps,
        "seconds": round(result.seconds, 1),
        "curve": result.curve,
        "sources": ner.card(record.domain).sources,
        "before": before,
        "after": after,
    }
    write(job.path / "result.json", report)


def _learn(ner: Any, record: JobRecord, corpus: Corpus, text: list[str], run_dir: Path) -> Any:
    from cpner.training import TrainingConfig
    from cpner.training.run import Run
    from cpner.transfer.mixing import Mixing

    config = TrainingConfig.from_dict(record.settings)
    run = Run(run_dir, resume=True, progress=_Reporter())
    if record.kind == "self-train":
        return ner.self_train(record.domain, text, corpus if corpus.splits else None, config, run=run)
    options = {"mixing": Mixing(**record.mixing), "run": run}
    if record.kind == "transfer":
        options["strategy"] = record.strategy
        return ner.transfer(record.domain, record.sources, corpus, config, **options)
    return ner.fit(record.domain, corpus, record.sources, config, **options)


def _before(job: JobFolder, ner: Any, corpus: Corpus) -> dict[str, Any] | None:
    """Scores of the domain as it was before the training; taken once, also if that is stopped and goes on."""
    path = job.path / "before.json"
    if not path.exists():
        known = job.record.domain in ner.domains
        write(path, _score(ner, job.record.domain, corpus) if known else None)
    scores: dict[str, Any] | None = msgspec.json.decode(path.read_bytes())
    return scores


def _score(ner: Any, domain: str, corpus: Corpus) -> dict[str, Any] | None:
    """Scores on the test sentences; None if there are none."""
    if not corpus.test:
        return None
    evaluation = ner.evaluate(corpus, domain)
    return {name: round(getattr(evaluation, name), 2) for name in ("precision", "recall", "f1", "support")}


def _install(job: JobFolder) -> None:
    """Put the domain that was made into the store."""
    made = Store(job.path / "made").load(job.record.domain)
    Store(job.record.store, create=True).save(made, dtype=None)


class _Reporter:
    """Tells of progress, not too often."""

    def __init__(self) -> None:
        self.last = 0.0

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if now - self.last < _BETWEEN and progress.done < progress.total:
            return
        self.last = now
        data: dict[str, Any] = {"done": progress.done, "total": progress.total}
        if match := _MESSAGE.match(progress.message):
            data |= {"epoch": int(match[1]), "epochs": int(match[2]), "loss": float(match[3])}
            data["dev_f1"] = float(match[4]) if match[4] else None
        _tell("progress", data)


def _tell(event: str, data: dict[str, Any]) -> None:
    sys.stdout.write(msgspec.json.encode({"event": event, "data": data}).decode() + "\n")
    sys.stdout.flush()


def _die_with_parent() -> None:
    """End this process when the server has ended, which closes our standard input."""
    while os.read(0, 1):  # not by way of `sys.stdin`, whose lock would be held when the process ends
        pass
    os._exit(3)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
