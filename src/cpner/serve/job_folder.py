"""A training of the server as a folder, `STORE/.jobs/ID`, which survives every kill.

job.json      what is asked for, and how it stands
corpus.json   the labelled sentences
events.jsonl  what was told of its progress, numbered from 1
before.json   scores of the domain as it was, if it was there
run/          checkpoints of the training
made/         a store with the domain that came of it
result.json   how the training went; written when `made` is whole
log.txt       what the training wrote to standard error
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import msgspec

from cpner.files import replacing
from cpner.serve.schema import JobAnswer, JobRequest, Splits

FOLDER = ".jobs"
JobState = Literal["queued", "running", "done", "failed", "cancelled"]
OPEN_STATES = ("queued", "running")


class JobRecord(msgspec.Struct):
    """What `job.json` holds.

    Attributes:
        id: names the folder; later jobs sort after earlier ones.
        backbone: as `CPNER.load` takes it.
        device: the same.
        precision: the same.
        threads: of the training.
        store: folder of the domains.
    """

    id: str
    kind: str
    domain: str
    created: str
    backbone: str
    device: str
    precision: str
    threads: int
    store: str
    sources: list[str]
    strategy: str
    mixing: dict[str, Any]
    settings: dict[str, Any]
    types: list[str] | None
    state: JobState = "queued"
    error: str | None = None


class JobFolder:
    """An open folder of a job.

    Args:
        path: the folder, which has a `job.json`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.record = msgspec.json.decode((path / "job.json").read_bytes(), type=JobRecord)
        self.events = _count_lines(path / "events.jsonl")
        self.progress: dict[str, Any] | None = None
        self._told = False

    @classmethod
    def create(cls, root: Path, asked: JobRequest, sources: list[str], **values: Any) -> JobFolder:
        """Make the folder of a new job."""
        now = datetime.now(UTC)
        name = f"{now:%Y%m%dT%H%M%S%f}-{secrets.token_hex(3)}"
        record = JobRecord(
            id=name, kind=asked.kind, domain=asked.domain, created=now.isoformat(timespec="seconds"), sources=sources,
            strategy=asked.strategy, mixing=msgspec.structs.asdict(asked.mixing), settings=asked.settings,
            types=asked.types, **values,
        )  # fmt: skip
        path = root / name
        path.mkdir(parents=True)
        write(path / "corpus.json", {"corpus": asked.corpus, "text": asked.text})
        write(path / "job.json", record)  # last: a folder without it is no job
        return cls(path)

    @property
    def is_open(self) -> bool:
        """Whether the job waits or runs."""
        return self.record.state in OPEN_STATES

    @property
    def is_cancelled(self) -> bool:
        """Whether somebody stopped it."""
        return self.record.state == "cancelled"

    def corpus(self) -> tuple[Splits, list[str]]:
        """The labelled sentences, and the texts without labels."""
        data = msgspec.json.decode((self.path / "corpus.json").read_bytes())
        return msgspec.convert(data["corpus"], Splits), data["text"]

    def set_state(self, state: JobState, error: str | None = None) -> None:
        """Write down how the job stands, and tell it as an event."""
        self.record.state = state
        self.record.error = error
        write(self.path / "job.json", self.record)
        self.add_event("state", {"state": state, "error": error})

    def add_event(self, event: str, data: dict[str, Any]) -> None:
        """Tell something of the job; called by the server alone that trains for the store."""
        if not self._told:
            _mend(self.path / "events.jsonl")
            self._told = True
        self.events += 1
        if event == "progress":
            self.progress = data
        line = msgspec.json.encode({"id": self.events, "event": event, "data": data}) + b"\n"
        with open(self.path / "events.jsonl", "ab") as file:
            file.write(line)

    def events_after(self, number: int) -> Iterator[dict[str, Any]]:
        """The events with a higher number."""
        try:
            with open(self.path / "events.jsonl", "rb") as file:
                for line in file:
                    event = msgspec.json.decode(line)
                    if event["id"] > number:
                        yield event
        except (FileNotFoundError, msgspec.DecodeError):  # none yet, or a line that a kill cut off
            return

    def answer(self) -> JobAnswer:
        """The job as JSON shows it."""
        record = self.record
        result = None
        if record.state == "done":
            result = msgspec.json.decode((self.path / "result.json").read_bytes())
        return JobAnswer(
            record.id, record.kind, record.domain, record.state, record.created, self.progress, result, record.error
        )

    def remove(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.path, ignore_errors=True)


def write(path: Path, value: Any) -> None:
    """Write JSON, all or nothing."""
    with replacing(path, sync=True) as file:
        file.write(msgspec.json.encode(value))


def _count_lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def _mend(path: Path) -> None:
    """Leave out a last line that a kill cut off."""
    if path.exists() and not (data := path.read_bytes()).endswith(b"\n"):
        os.truncate(path, data.rfind(b"\n") + 1)
