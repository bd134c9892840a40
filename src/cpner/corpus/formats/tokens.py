"""JSON lines with words: `{"tokens": [...], "spans": [[start, end, type]]}` or `{"tokens": [...], "ner_tags": [...]}`.

Offsets count words; `end` is exclusive, but inclusive in GLiNER's files, which are known by their keys:
"tokenized_text" for the words or "ner" for the entities. Each record read so is counted among the repairs.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from cpner.corpus.formats import _tags as tags
from cpner.corpus.formats._records import (
    Record,
    check_inside,
    check_unicode,
    entity_key,
    in_order,
    marks,
    records,
    show_keys,
)
from cpner.corpus.repairs import Place, Repairs
from cpner.corpus.sentence import Sentence, Span
from cpner.errors import CorpusError

TOKEN_KEYS = ("tokens", "tokenized_text", "words")
TAG_KEYS = ("ner_tags", "tags")


def read(path: Path, text: str, repairs: Repairs) -> list[Sentence]:
    """Read the sentences of a file.

    Args:
        path: Named in errors.
        text: The content of the file.
        repairs: Gains a count of what was mended.

    Raises:
        CorpusError: A line is no such record, or its entities overlap or leave the sentence.
    """
    words: list[list[str]] = []
    spans: list[list[Span]] = []
    tagged: dict[int, list[str]] = {}  # by sentence: the tags' scheme shows only in all of them together
    for place, record in records(path, text):
        found = _words(record, place, repairs)
        if not found:
            repairs["empty sentence left out"] += 1
            continue
        key = next((key for key in TAG_KEYS if key in record), None)
        if key:
            tagged[len(words)] = _tags(record, key, len(found), place)
        words.append(found)
        spans.append([] if key else _spans(record, len(found), place, repairs))
    if not words:
        raise CorpusError("holds no sentence", path=path)
    for i, decoded in zip(tagged, tags.decode(list(tagged.values()), repairs), strict=True):
        spans[i] = decoded
    return [Sentence.from_words(*both) for both in zip(words, spans, strict=True)]


def write(sentences: Iterable[Sentence]) -> Iterator[str]:
    """The lines of a file: the words of each sentence and its entities with exclusive ends."""
    for sentence in sentences:
        yield json.dumps({"tokens": sentence.word_texts, "spans": sentence.spans}, ensure_ascii=False)


def token_key(record: Record) -> str | None:
    """The key that holds a record's words as strings."""
    return next((key for key in TOKEN_KEYS if _are_strings(record.get(key))), None)


def word_lists(record: Record) -> list[list[Any]]:
    """The lists under the keys of words, whatever they hold."""
    return [record[key] for key in TOKEN_KEYS if isinstance(record.get(key), list)]


def _are_strings(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _words(record: Record, place: Place, repairs: Repairs) -> list[str]:
    key = token_key(record)
    if key is None:
        odd = [word for words in word_lists(record) for word in words if not isinstance(word, str)]
        what = f"the word {json.dumps(odd[0])[:80]} is no string" if odd else f"keys: {show_keys(record)}"
        raise place.error(f"no list of words under {', '.join(TOKEN_KEYS)}; {what}")
    words = [word.strip(" \t\r\n") for word in record[key]]
    if not all(words):
        raise place.error(f"word {words.index('')} is empty; leave it out and count the entities' offsets without it")
    check_unicode(" ".join(words), place)
    repairs["white space around a word left out"] += sum(map(str.__ne__, words, record[key]))
    return words


def _tags(record: Record, key: str, count: int, place: Place) -> list[str]:
    found = record[key]
    if not _are_strings(found):
        raise place.error(f"{key!r} must be tags as strings, such as 'B-person'; put the names in place of numbers")
    if len(found) != count:
        raise place.error(f"{len(found)} tags for {count} words")
    for tag in found:
        if not tags.is_tag(tag):
            raise place.error(f"{tag!r} is no tag; expected O or one of B, I, E, S, L, U with '-' and a type")
    return list(found)


def _spans(record: Record, count: int, place: Place, repairs: Repairs) -> list[Span]:
    inclusive = token_key(record) == "tokenized_text" or entity_key(record) == "ner"
    found = [mark for mark, _ in marks(record, place, inclusive=inclusive)]
    repairs["sentence read with inclusive ends (GLiNER's keys)"] += inclusive and bool(found)
    for mark in found:
        check_inside(mark, count, place, "word")
    return [Span(*mark) for mark in in_order(found, place, "word", repairs)]
