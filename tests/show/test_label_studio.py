from __future__ import annotations

import json
from typing import Any

from cpner.corpus.labelling import Labelling
from cpner.corpus.sentence import Entity
from cpner.show.entities import Tagged
from cpner.show.label_studio import predicted_tasks

TEXT = "💩 Ada"
FOUND = [Entity(2, 5, "person", "Ada", 0.75)]


def written(*tagged: Tagged, key: str = "text") -> Any:
    return json.loads("".join(predicted_tasks(tagged, Labelling(text_key=key), "v1")))


def test_a_task_stays_one_and_gets_a_prediction() -> None:
    task = {"id": 3, "data": {"text": TEXT}}

    [result] = written(Tagged(TEXT, FOUND, record=task, score=0.5))

    [prediction] = result.pop("predictions")
    assert result == task
    assert (prediction["model_version"], prediction["score"]) == ("v1", 0.5)
    assert prediction["result"][0]["value"] == {"start": 3, "end": 6, "text": "Ada", "labels": ["person"]}


def test_lines_and_other_records_become_data() -> None:
    line, record = written(Tagged(TEXT, [], record={}), Tagged(TEXT, [], record={"body": TEXT, "n": 1}), key="body")

    assert line["data"] == {"body": TEXT}
    assert record["data"] == {"body": TEXT, "n": 1}
    assert line["predictions"] == [{"model_version": "v1", "result": []}]


def test_nothing_is_an_empty_list() -> None:
    assert written() == []
