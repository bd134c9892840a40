"""What the two JSON formats share: records with their line numbers, and marks (start, end, type) put in order."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cpner.corpus.repairs import Place, Repairs

ENTITY_KEYS = ("entities", "spans", "ner", "labels", "label")
Record = dict[str, Any]


class Mark(NamedTuple):
    """An entity as the file has it: offsets in characters or words, `end` exclusive."""

    start: int
    end: int
    type: str


def records(path: Path, text: str) -> Iterator[tuple[Place, Record]]:
    """The objects of a file of JSON lines, or of one JSON list.

    Raises:
        CorpusError: A line is not JSON, or not an object.
    """
    lines = _list_items(path, text) if text.lstrip().startswith("[") else _lines(path, text)
    for place, record in lines:
        if not isinstance(record, dict):
            raise place.error(
                f"a JSON {type(record).__name__}; expected an object such as {{'text': ..., 'entities': ...}}"
            )
        yield place, record


def marks(record: Record, place: Place, *, inclusive: bool = False) -> list[tuple[Mark, Any]]:
    """The entities of a record, each with the value it came from; types are checked, offsets are only whole numbers.

    Args:
        record: Has a list under one of `ENTITY_KEYS`.
        place: Named in errors.
        inclusive: The file's ends name the last unit of an entity, not the one after.

    Raises:
        CorpusError: No list of entities, or one of another form.
    """
    key = entity_key(record)
    if key is None:
        raise place.error(f"no list of entities under {', '.join(ENTITY_KEYS)}; keys: {show_keys(record)}")
    return [(_mark(value, place, inclusive), value) for value in record[key]]


def entity_key(record: Record) -> str | None:
    """The key that holds a record's entities."""
    return next((key for key in ENTITY_KEYS if isinstance(record.get(key), list)), None)


def show_keys(record: Record) -> str:
    """The keys of a record on one line, for errors."""
    return json.dumps(list(record), ensure_ascii=False)[1:-1][:120] or "none"


def in_order(found: Sequence[Mark], place: Place, unit: str, repairs: Repairs) -> list[Mark]:
    """Sort entities and leave out identical ones.

    Raises:
        CorpusError: Two overlap.
    """
    ordered = sorted(set(found))
    repairs["duplicate entity left out"] += len(found) - len(ordered)
    repairs["sentence whose entities were not in order"] += sorted(found) != list(found)
    for left, right in itertools.pairwise(ordered):
        if right.start < left.end:
            raise place.error(
                f"{_name(left, unit)} and {_name(right, unit)} overlap; entities must not: keep one of the two"
            )
    return ordered


def check_inside(mark: Mark, limit: int, place: Place, unit: str) -> None:
    """Raise an error where an entity is empty or leaves its sentence."""
    if not 0 <= mark.start < mark.end <= limit:
        raise place.error(f"{_name(mark, unit)} is empty or lies outside the sentence of {limit} {unit}s")


def check_unicode(text: str, place: Place) -> None:
    """Raise an error at half of a surrogate pair, which JSON can spell but no file can hold."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise place.error(f"character {error.start} is half of a surrogate pair; write the whole character") from error


def _lines(path: Path, text: str) -> Iterator[tuple[Place, Any]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            place = Place(path, number)
            try:
                yield place, json.loads(line)
            except (ValueError, RecursionError) as error:
                raise place.error(f"not JSON: {error}; expected one object a line") from error


def _list_items(path: Path, text: str) -> Iterator[tuple[Place, Any]]:
    decoder = json.JSONDecoder()
    position, line, counted = text.index("[") + 1, 1, 0
    while True:
        while position < len(text) and (text[position].isspace() or text[position] == ","):
            position += 1
        line, counted = line + text.count("\n", counted, position), position
        if text[position : position + 1] == "]":
            return
        place = Place(path, line)
        try:
            item, position = decoder.raw_decode(text, position)
        except (ValueError, RecursionError) as error:
            raise place.error(f"not JSON: {error}; expected a list of objects") from error
        yield place, item


def _mark(value: Any, place: Place, inclusive: bool) -> Mark:
    if isinstance(value, dict):
        parts = [value.get("start"), value.get("end"), value.get("type", value.get("label"))]
    else:
        parts = list(value) if isinstance(value, list) else []
    if len(parts) == 3:
        start, end, type_ = parts
        if type(start) is int and type(end) is int and isinstance(type_, str) and type_.strip():
            return Mark(start, end + inclusive, type_)
    shown = json.dumps(value, ensure_ascii=False)[:80]
    raise place.error(f"{shown} is no entity; expected [start, end, type] or the same as keys")


def _name(mark: Mark, unit: str) -> str:
    return f"the entity {mark.type!r} at {unit}s {mark.start} to {mark.end}"
