"""The texts that are least sure to be right, for people to check: kept shard by shard, gathered when all are there.

A line is a labelled sentence, so that what was corrected can be learnt from as it is.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from cpner.annotation.outputs import ENDINGS
from cpner.annotation.shards import Shard
from cpner.annotation.worker import Reply, entities_of
from cpner.show.entities import entities_json

_ENDING = ".review.jsonl"


def review_path(out: Path) -> Path:
    """Where the least sure texts of OUT go: beside it, `found.review.jsonl` for `found.jsonl.gz`."""
    ending = next(one for one in ENDINGS if out.name.lower().endswith(one))
    return out.with_name(out.name[: -len(ending)] + _ENDING)


def review_lines(shard: Shard, reply: Reply, before: int, count: int) -> bytes:
    """The least sure texts of a shard as lines of JSON, the least sure first.

    Args:
        shard: the texts.
        reply: what was found in them, with a score for each text.
        before: texts of the shards before it.
        count: lines at most.
    """
    rows = zip(shard.texts, entities_of(shard.texts, reply.entities), reply.scores, strict=True)
    records = [
        {"text": text, "entities": entities_json(entities), "row": before + i, "score": round(score, 4)}
        for i, (text, entities, score) in enumerate(rows, 1)
        if score is not None
    ]
    return _joined(heapq.nsmallest(count, records, key=_order))


def gather(files: Sequence[Path], count: int) -> bytes:
    """The least sure texts of all shards, of what `review_lines` made of each."""
    return _joined(heapq.nsmallest(count, _records(files), key=_order))


def _records(files: Iterable[Path]) -> Iterator[dict[str, Any]]:
    for file in files:
        with file.open("rb") as lines:
            yield from map(json.loads, lines)


def _order(record: dict[str, Any]) -> tuple[float, int]:
    return record["score"], record["row"]


def _joined(records: Iterable[dict[str, Any]]) -> bytes:
    return "".join(f"{json.dumps(record, ensure_ascii=False)}\n" for record in records).encode()
