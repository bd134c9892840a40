"""What tests of pretraining share."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from cpner.pretraining.batches import Batches
from cpner.pretraining.config import PretrainConfig
from cpner.pretraining.prepare import Prepared
from cpner.pretraining.run import pretrain
from tests.support import tiny_config


class Stopped(Exception):
    """The power went off."""


def make_batches(data: Prepared, length: int = 40, *, align: bool = False, **values: object) -> Batches:
    config = replace(tiny_config().data, **values)  # type: ignore[arg-type]
    return Batches(data.pool, data.text, data.vocabulary, config, length, align=align)


def fresh(prepared_folder: Path, folder: Path) -> Path:
    return Path(shutil.copytree(prepared_folder, folder))


def run(out: Path, config: PretrainConfig, stop: int | None = None, **more: Any) -> list[dict[str, Any]]:
    """The records of a run; it breaks off at step `stop`."""
    records: list[dict[str, Any]] = []

    def report(record: dict[str, Any]) -> None:
        records.append(record)
        if stop is not None and record.get("step") == stop:
            raise Stopped

    pretrain([], None, out, config, report=report, **more)
    return records
