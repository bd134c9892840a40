from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cpner.annotation.tasks import Tasks
from cpner.annotation.texts import Keys

GOOD = {"id": 7, "data": {"text": "💩 Ada", "link": "a"}, "meta": {"by": "me"}, "annotations": [{"result": []}]}


def export(folder: Path, tasks: Any) -> Path:
    path = folder / "tasks.json"
    path.write_text(json.dumps(tasks), encoding="utf-8")
    return path


def test_a_task_keeps_its_number_and_data_and_leaves_what_was_annotated(tmp_path: Path) -> None:
    tasks = Tasks(export(tmp_path, [GOOD]), keys=Keys())

    [one] = tasks

    assert one.text == "💩 Ada"
    assert one.record == {key: GOOD[key] for key in ("id", "data", "meta")}
    assert (tasks.count, tasks.skipped, tasks.error) == (1, 0, None)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"id": 1, "text": "Ada"}, "without 'data'"),
        ({"data": {"body": "Ada"}}, "no text under 'text'; it has 'body'"),
        ({"data": {"text": "Ada", "more": "\ud83d"}}, "surrogate"),
    ],
)
def test_a_bad_task_ends_the_reading_or_is_left_out(tmp_path: Path, bad: Any, message: str) -> None:
    path = export(tmp_path, [GOOD, bad, GOOD])
    told: list[str] = []

    stopped = Tasks(path, keys=Keys())
    skipping = Tasks(path, keys=Keys(), skip=True, tell=told.append)

    assert len(list(stopped)) == 1
    assert message in str(stopped.error)
    assert len(list(skipping)) == 2
    assert (skipping.count, skipping.skipped, skipping.error) == (3, 1, None)
    assert message in told[0]


def test_a_file_that_breaks_off_gives_what_is_before(tmp_path: Path) -> None:
    path = export(tmp_path, [GOOD, GOOD])
    path.write_text(path.read_text("utf-8")[:-20], encoding="utf-8")

    tasks = Tasks(path, keys=Keys())

    list(tasks)
    assert "JSON" in str(tasks.error)
