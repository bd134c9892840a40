"""A run that was stopped at any shard ends as one that was not."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from cpner.annotation.inputs import Inputs
from cpner.annotation.run import Plan, annotate, duration
from cpner.annotation.shards import Parts
from cpner.annotation.texts import Keys
from cpner.errors import CorpusError
from cpner.progress import Progress
from tests.annotation.support import TEXTS, InThisProcess

LINES = [json.dumps({"text": text, "id": i}) for i, text in enumerate(TEXTS * 3)]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    file = tmp_path / "in.jsonl"
    file.write_text("\n".join(LINES), "utf-8")
    return file


def run(source: Path, out: Path, engine: InThisProcess, report=lambda progress: None, skip: bool = False):
    plan = Plan(None, Keys(), 3, {})
    return annotate(Inputs(source, skip=skip), Parts(out), engine, plan, report)


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.gz"])
def test_stops_change_nothing(tiny_folder: Path, source: Path, tmp_path: Path, name: str):
    whole = tmp_path / f"whole-{name}"
    run(source, whole, InThisProcess(tiny_folder))

    out = tmp_path / name
    for stop in (0, 1, 1, 1):
        with pytest.raises(KeyboardInterrupt):
            run(source, out, InThisProcess(tiny_folder, stop))
        assert not out.exists()
    last = InThisProcess(tiny_folder)
    summary = run(source, out, last)

    assert out.read_bytes() == whole.read_bytes()
    assert (last.done, summary.texts, summary.annotated) == (1, 12, 3)
    data = gzip.decompress(out.read_bytes()) if name.endswith("gz") else out.read_bytes()
    assert [json.loads(line)["id"] for line in data.splitlines()] == list(range(12))
    assert not list(tmp_path.glob("*.parts"))


def test_a_bad_line_keeps_what_was_done_and_may_be_mended(tiny_folder: Path, source: Path, tmp_path: Path):
    source.write_text("\n".join([*LINES[:7], "{", *LINES[7:]]), "utf-8")
    out = tmp_path / "out.jsonl"
    engine = InThisProcess(tiny_folder)

    with pytest.raises(CorpusError, match="line 8: not JSON"):
        run(source, out, engine)
    assert engine.done == 2 and not out.exists()
    source.write_text("\n".join(LINES), "utf-8")
    summary = run(source, out, InThisProcess(tiny_folder))

    assert (summary.texts, summary.annotated) == (12, 6)
    assert [json.loads(line)["id"] for line in out.read_text("utf-8").splitlines()] == list(range(12))


def test_lines_left_out_are_counted(tiny_folder: Path, source: Path, tmp_path: Path):
    source.write_text("\n".join([*LINES[:7], "{", *LINES[7:]]), "utf-8")

    summary = run(source, tmp_path / "out.jsonl", InThisProcess(tiny_folder), skip=True)

    assert (summary.texts, summary.skipped, summary.read) == (12, 1, 13)


def test_an_empty_input_is_no_result(tiny_folder: Path, tmp_path: Path):
    (tmp_path / "in.txt").touch()

    with pytest.raises(CorpusError, match="no text to annotate"):
        run(tmp_path / "in.txt", tmp_path / "out.jsonl", InThisProcess(tiny_folder))
    assert [path.name for path in tmp_path.iterdir()] == ["in.txt"]


def test_progress_tells_rate_and_time_left(tiny_folder: Path, source: Path, tmp_path: Path):
    reports: list[Progress] = []

    run(source, tmp_path / "out.jsonl", InThisProcess(tiny_folder), reports.append)

    assert [report.done for report in reports] == sorted(report.done for report in reports)
    assert reports[-1].done == reports[-1].total == source.stat().st_size
    assert "6 texts, " in reports[1].message and reports[1].message.endswith(" left")


def test_durations_are_for_people():
    assert [duration(seconds) for seconds in (4.4, 95, 12_000)] == ["4 s", "2 min", "3 h 20 min"]
