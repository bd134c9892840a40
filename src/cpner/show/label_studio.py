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
        prediction = labelling.prediction(one.text, one.entities, one.score, version)
        yield before + json.dumps({**_task(one, labelling.text_key), "predictions": [prediction]}, ensure_ascii=False)
        before = ",\n"
    yield "[]\n" if before == "[" else "]\n"


def _task(one: Tagged, key: str) -> dict[str, Any]:
    data = one.record.get("data")
    if isinstance(data, dict) and data.get(key) == one.text:
        return dict(one.record)
    return {"data": one.record or {key: one.text}}
