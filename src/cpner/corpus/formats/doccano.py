"""Doccano's JSONL: `{"text": ..., "label": [[start, end, type]]}`; with relations "entities" with "start_offset"."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from cpner.corpus.formats._file import File
from cpner.corpus.formats.jsonl import read as read
from cpner.corpus.sentence import Sentence


def sniff(file: File) -> str | None:
    """Tell an export by its keys."""
    record = file.record
    if "text" not in record:
        return None
    for key in ("label", "labels", "entities", "annotations"):
        value = record.get(key)
        if isinstance(value, list) and value and isinstance(value[0], dict) and "start_offset" in value[0]:
            return f"{key!r} with 'start_offset'"
    return "'label' with triples" if isinstance(record.get("label"), list) else None


def write(sentences: Iterable[Sentence]) -> Iterator[str]:
    """The lines of a file that doccano imports as JSONL."""
    for sentence in sentences:
        label = [[e.start, e.end, e.type] for e in sentence.entities]
        yield json.dumps({"text": sentence.text, "label": label}, ensure_ascii=False)
