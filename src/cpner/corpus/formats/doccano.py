"""Doccano's JSONL: `{"text": ..., "label": [[start, end, type]]}`; with relations "entities" with "start_offset"."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from cpner.corpus.formats._file import File
from cpner.corpus.formats._records import types_in_words
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
    sentences = list(sentences)
    types = types_in_words(sentences)
    for i, sentence in enumerate(sentences):
        label = [[e.start, e.end, e.type] for e in sentence.entities]
        head = {"types": types} if types and i == 0 else {}  # doccano keeps it as metadata
        yield json.dumps({"text": sentence.text, "label": label, **head}, ensure_ascii=False)
