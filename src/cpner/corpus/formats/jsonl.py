"""JSON lines with character offsets: `{"text": ..., "entities": [{"start", "end", "type"}]}`.

Offsets count Unicode code points; `end` is exclusive. Also read: "label" for "type", `[start, end, type]`
lists, and "spans", "labels" or "label" for "entities". Where an entity has a "text" it must be what its
offsets say, which finds files that count bytes or UTF-16 units.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import regex

from cpner.corpus.formats._records import (
    Mark,
    Record,
    check_inside,
    check_unicode,
    in_order,
    marks,
    records,
    show_keys,
)
from cpner.corpus.repairs import Place, Repairs
from cpner.corpus.sentence import Sentence
from cpner.errors import CorpusError

UNREACHABLE = "entity that begins or ends inside a word, so that no prediction can be it"
_INK = regex.compile(r"\S(?:.*\S)?", regex.DOTALL)  # the splitter's own notion of white space


def read(path: Path, text: str, repairs: Repairs) -> list[Sentence]:
    """Read the sentences of a file; words come from the text alone, by `split_words`.

    Args:
        path: Named in errors.
        text: The content of the file.
        repairs: Gains a count of what was mended.

    Raises:
        CorpusError: A line is no such record, or its entities overlap or leave the text.
    """
    sentences = []
    for place, record in records(path, text):
        sentence = _sentence(record, place, repairs)
        if sentence.words:
            sentences.append(sentence)
        else:
            repairs["empty sentence left out"] += 1
    if not sentences:
        raise CorpusError("holds no sentence", path=path)
    return sentences


def write(sentences: Iterable[Sentence]) -> Iterator[str]:
    """The lines of a file: the text of each sentence and its entities."""
    for sentence in sentences:
        entities = [{"start": e.start, "end": e.end, "type": e.type} for e in sentence.entities]
        yield json.dumps({"text": sentence.text, "entities": entities}, ensure_ascii=False)


def _sentence(record: Record, place: Place, repairs: Repairs) -> Sentence:
    text = record.get("text")
    if not isinstance(text, str):
        raise place.error(f"no 'text'; keys: {show_keys(record)}")
    check_unicode(text, place)
    trimmed = [_trim(mark, value, text, place, repairs) for mark, value in marks(record, place)]
    sentence = Sentence.from_text(text, in_order(trimmed, place, "character", repairs))
    repairs.note(UNREACHABLE, place, len(sentence.unreachable))
    return sentence


def _trim(mark: Mark, value: Any, text: str, place: Place, repairs: Repairs) -> Mark:
    """Check an entity's offsets and leave out white space around it."""
    check_inside(mark, len(text), place, "character")
    said = value.get("text") if isinstance(value, dict) else None
    if isinstance(said, str) and said.strip() != text[mark.start : mark.end].strip():
        shown = text[mark.start : mark.end]
        raise place.error(f"characters {mark.start} to {mark.end} are {shown!r}, but the entity's text is {said!r}")
    ink = _INK.search(text, mark.start, mark.end)
    if ink is None:
        raise place.error(f"the entity {mark.type!r} at characters {mark.start} to {mark.end} is only white space")
    repairs["white space around an entity left out"] += ink.span() != (mark.start, mark.end)
    return Mark(ink.start(), ink.end(), mark.type)
