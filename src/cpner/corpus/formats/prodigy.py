"""Prodigy's JSONL: `{"text": ..., "spans": [{"start", "end", "label"}], "tokens": [...], "answer": "accept"}`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from cpner.corpus.formats._file import File
from cpner.corpus.formats._records import types_in_words
from cpner.corpus.formats.jsonl import read as read
from cpner.corpus.sentence import Sentence


def sniff(file: File) -> str | None:
    """Tell a file by its keys."""
    record = file.record
    marks = [key for key in ("answer", "_input_hash", "_task_hash") if key in record]
    return f"key {marks[0]!r}" if "text" in record and marks else None


def write(sentences: Iterable[Sentence]) -> Iterator[str]:
    """The lines of a file for `prodigy db-in`: entities inside words have no tokens of their own."""
    sentences = list(sentences)
    types = types_in_words(sentences)
    for number, sentence in enumerate(sentences):
        edges = sentence.words
        tokens = [
            {"text": sentence.text[a:b], "start": a, "end": b, "id": i, "ws": sentence.text[b : b + 1] == " "}
            for i, (a, b) in enumerate(edges)
        ]
        spans = []
        for span in sentence.gold:
            entity = sentence.entity(span)
            numbers = {"token_start": span.start, "token_end": span.end - 1} if len(span) == 3 else {}
            spans.append({"start": entity.start, "end": entity.end, **numbers, "label": entity.type})
        record = {"text": sentence.text, "tokens": tokens, "spans": spans, "answer": "accept"}
        head = {"types": types} if types and number == 0 else {}
        yield json.dumps({**record, **head}, ensure_ascii=False)
