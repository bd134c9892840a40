"""Entities as tasks with predictions, which Label Studio imports."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from cpner.corpus.labelling import Labelling
from cpner.show.entities import Tagged


def predicted_tasks(tagged: Iterable[Tagged], labelling: Labelling, version: str) -> Iterator[str]:
    """Write tasks one by one, so that a long input needs no memory.

    Args:
        tagged: The texts; a record that is a task stays one, any other becomes the data of one.
        labelling: How regions are named.
        version: Of the model, as Label Studio shows it.

    Returns:
        Pieces of the output; joined they are a list in JSON.
    """
    before = "["
    for one in tagged:
        yield before + json.dumps(predicted_task(one, labelling, version), ensure_ascii=False)
        before = ",\n"
    yield "[]\n" if before == "[" else "]\n"


def predicted_task(tagged: Tagged, labelling: Labelling, version: str) -> dict[str, Any]:
    """A task with a prediction, of a text whose record is a task or becomes the data of one."""
    prediction = labelling.prediction(tagged.text, tagged.entities, tagged.score, version)
    return {**_task(tagged, labelling.text_key), "predictions": [prediction]}


def _task(one: Tagged, key: str) -> dict[str, Any]:
    data = one.record.get("data")
    if isinstance(data, dict) and data.get(key) == one.text:
        return dict(one.record)
    return {"data": one.record or {key: one.text}}
