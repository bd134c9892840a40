"""Entities of a corpus file counted in the plainest way, without cpner; None where the file is no plain one."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from typing import Any

_TAG = re.compile(r"O|[BI]-\S+")


def _rows(text: str) -> list[Any] | None:
    try:
        if text.lstrip().startswith("["):
            return json.loads(text, object_pairs_hook=_once)
        return [json.loads(line, object_pairs_hook=_once) for line in text.split("\n") if line.strip()]
    except (ValueError, RecursionError):
        return None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key twice")
    return dict(pairs)


def _marked(text: str, keys: set[str], marks: Callable[[dict[str, Any]], set[Any]]) -> int | None:
    rows = _rows(text)
    if not rows or not all(isinstance(row, dict) and set(row) == keys for row in rows):
        return None
    try:
        return sum(len(marks(row)) for row in rows)
    except (TypeError, KeyError, ValueError, IndexError, AttributeError):
        return None


def _triple(start: Any, end: Any, type_: Any, size: int) -> tuple[int, int, str]:
    if type(start) is not int or type(end) is not int or not isinstance(type_, str) or not 0 <= start < end <= size:
        raise ValueError("no mark")
    return start, end, type_


def jsonl(text: str) -> int | None:
    """Text with character offsets."""

    def marks(row: dict[str, Any]) -> set[Any]:
        return {_triple(mark["start"], mark["end"], mark["type"], len(row["text"])) for mark in row["entities"]}

    return _marked(text, {"text", "entities"}, marks)


def doccano(text: str) -> int | None:
    """Text with triples."""

    def marks(row: dict[str, Any]) -> set[Any]:
        return {_triple(*mark, len(row["text"])) for mark in row["label"]}

    return _marked(text, {"text", "label"}, marks)


def tokens(text: str) -> int | None:
    """Words with word offsets."""

    def marks(row: dict[str, Any]) -> set[Any]:
        return {_triple(*mark, len(row["tokens"])) for mark in row["spans"]}

    return _marked(text, {"tokens", "spans"}, marks)


def gliner(text: str) -> int | None:
    """Words with inclusive ends."""

    def marks(row: dict[str, Any]) -> set[Any]:
        return {_triple(a, b + 1, type_, len(row["tokenized_text"])) for a, b, type_ in row["ner"]}

    return _marked(text, {"tokenized_text", "ner"}, marks)


def huggingface(text: str) -> int | None:
    """Words with tags."""

    def marks(row: dict[str, Any]) -> set[Any]:
        if len(row["tokens"]) != len(row["ner_tags"]) or not all(map(_TAG.fullmatch, row["ner_tags"])):
            raise ValueError("no tags")
        return {i for i, tag in enumerate(row["ner_tags"]) if tag[0] == "B"}

    return _marked(text, {"tokens", "ner_tags"}, marks)


def conll(text: str) -> int | None:
    """A word, a tab and a tag a line."""
    rows = [line.split("\t") for line in text.split("\n") if line.strip()]
    return _tagged([row for row in rows if not row[0].startswith("#")])


def csv_rows(text: str) -> int | None:
    """A word, a comma and a tag a row."""
    try:
        return _tagged([row for row in csv.reader(io.StringIO(text), strict=True) if any(map(str.strip, row))])
    except csv.Error:
        return None


def _tagged(rows: list[list[str]]) -> int | None:
    if any(len(row) != 2 or not row[0].strip() or not _TAG.fullmatch(row[1]) for row in rows):
        return None
    return sum(row[1][0] == "B" for row in rows)


COUNTS: dict[str, Callable[[str], int | None]] = {
    "jsonl": jsonl, "doccano": doccano, "tokens": tokens, "gliner": gliner, "huggingface": huggingface,
    "conll": conll, "csv": csv_rows,
}  # fmt: skip
