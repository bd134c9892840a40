"""What is written of a shard, and how shards become one file."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path

import pytest

from cpner.annotation.outputs import JsonLines, PredictedTasks
from cpner.annotation.shards import Shard
from cpner.annotation.texts import Keys, Text
from cpner.annotation.worker import Reply
from cpner.corpus.labelling import Labelling

SHARD = Shard(0, [Text("💩 Ada", {"text": "💩 Ada", "id": 7}), Text("", {})], "0", 0)
REPLY = Reply([[(2, 5, "person", 0.5)], []], scores=[0.25, None])
ENTITY = {"start": 2, "end": 5, "type": "person", "text": "Ada", "score": 0.5}


def test_a_line_has_the_keys_of_its_record():
    added = JsonLines("news", Keys(), Path("out.jsonl")).write(SHARD, REPLY)
    into = JsonLines("news", Keys(into="x"), Path("out.jsonl")).write(SHARD, REPLY)

    first, _ = map(json.loads, added.splitlines())
    assert first == {"text": "💩 Ada", "id": 7, "domain": "news", "entities": [ENTITY]}
    assert [json.loads(line) for line in into.splitlines()] == [
        {"text": "💩 Ada", "id": 7, "x": [ENTITY]},
        {"text": "", "x": []},
    ]


@pytest.mark.parametrize(("name", "unpack"), [("out.jsonl", bytes), ("out.jsonl.gz", gzip.decompress)])
def test_lines_are_joined_in_order(tmp_path: Path, name, unpack):
    parts = [tmp_path / "0", tmp_path / "1"]
    parts[0].write_bytes(b'{"a": 1}\n{"a": 2}\n')
    parts[1].write_bytes(b'{"a": 3}\n')
    file = io.BytesIO()

    count = JsonLines(None, Keys(), Path(name)).join(parts, file)

    assert (count, unpack(file.getvalue())) == (3, b'{"a": 1}\n{"a": 2}\n{"a": 3}\n')


def test_tasks_become_a_list_with_predictions(tmp_path: Path):
    output = PredictedTasks("news", Keys(), Path("out.json"), Labelling(labels={"person": "PER"}), "news-1")
    task = {"id": 3, "data": {"text": "💩 Ada"}}
    shards = [SHARD, Shard(1, [Text("💩 Ada", task), Text("", {})], "1", 0)]
    parts = [tmp_path / shard.name for shard in shards]
    for part, shard in zip(parts, shards, strict=True):
        part.write_bytes(output.write(shard, REPLY))
    file = io.BytesIO()

    count = output.join(parts, file)

    tasks = json.loads(file.getvalue())
    predictions = [task.pop("predictions") for task in tasks]
    assert count == 4
    assert tasks == [{"data": {"text": "💩 Ada", "id": 7}}, {"data": {"text": ""}}, task, {"data": {"text": ""}}]
    assert [(one["model_version"], one.get("score")) for [one] in predictions] == [
        ("news-1", 0.25),
        ("news-1", None),
    ] * 2
    value = {"start": 3, "end": 6, "text": "Ada", "labels": ["PER"]}  # in UTF-16 units
    assert predictions[2][0]["result"][0]["value"] == value
