"""JSON lines with words: `{"tokens": [...], "spans": [[start, end, type]]}` or `{"tokens": [...], "ner_tags": [...]}`.

Offsets count words; `end` is exclusive. It is inclusive in GLiNER's files, which are known by their keys:
"tokenized_text" for the words or "ner" for the entities. Each record read so is counted among the repairs.
Tags may be numbers where their names are known.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from cpner.corpus.formats import _tags as tags
from cpner.corpus.formats._file import File
from cpner.corpus.formats._options import Options
from cpner.corpus.formats._records import (
    ENTITY_KEYS,
    Record,
    are_strings,
    check_unicode,
    entity_key,
    gold,
    raw_marks,
    records,
    shorten,
    show,
    show_keys,
    types_in_words,
)
from cpner.corpus.formats._sentences import at_least_one, sentence_of_words
from cpner.corpus.repairs import Place, Repairs
from cpner.corpus.sentence import Sentence, Span
from cpner.errors import CorpusError

TOKEN_KEYS = ("tokens", "tokenized_text", "words")
TAG_KEYS = ("ner_tags", "tags")


class Words(NamedTuple):
    """The words of a record, and its entities or, where it has them, its tags."""

    place: Place
    words: list[str]
    spans: list[Span]
    tags: list[str] | None = None


def sniff(file: File) -> str | None:
    """Tell a file by its keys.

    Raises:
        CorpusError: The first record has both words and a text, so that offsets could count either.
    """
    record = file.record
    key = token_key(record)
    if key is None:
        return "words" if word_lists(record) and "text" not in record else None
    if "text" in record and tag_key(record) is None and not any(k in record for k in ("tokenized_text", "ner")):
        raise CorpusError(
            "the first record has both words and 'text', so offsets could count either; "
            "name the format: 'jsonl' (characters) or 'tokens' (words)",
            path=file.path,
        )
    return f"words under {key!r}"


def read(file: File, options: Options, repairs: Repairs) -> list[Sentence]:
    """Read the sentences of a file.

    Raises:
        CorpusError: A line is no such record, or its entities overlap or leave the sentence.
    """
    words = (
        words_of(r, place, options, repairs)
        for place, r in gold(records(file.path, file.text, options.progress), repairs)
    )
    return at_least_one(sentences_of(words, options, repairs), file.path)


def sentences_of(rows: Iterable[Words], options: Options, repairs: Repairs) -> list[Sentence]:
    """The sentences of records, of whose tags the scheme shows only in all together."""
    records_ = list(rows)
    decoded = iter(tags.decode([one.tags for one in records_ if one.tags is not None], repairs))
    sentences = []
    counted = options.counted(records_, records_[0].place.path, "sentences") if records_ else ()
    for place, words, spans, own_tags in counted:
        entities = spans if own_tags is None else next(decoded)
        sentence = sentence_of_words(words, entities, place, repairs, options)
        if sentence is not None:
            sentences.append(sentence)
    return sentences


def write(sentences: Iterable[Sentence]) -> Iterator[str]:
    """The lines of a file: the words of each sentence and its entities with exclusive ends."""
    sentences = list(sentences)
    types = types_in_words(sentences)
    for i, sentence in enumerate(sentences):
        head = {"types": types} if types and i == 0 else {}
        yield json.dumps({"tokens": sentence.word_texts, "spans": sentence.spans, **head}, ensure_ascii=False)


def token_key(record: Record) -> str | None:
    """The key that holds a record's words as strings."""
    return next((key for key in TOKEN_KEYS if are_strings(record.get(key))), None)


def word_lists(record: Record) -> list[list[Any]]:
    """The lists under the keys of words, whatever they hold."""
    return [record[key] for key in TOKEN_KEYS if isinstance(record.get(key), list)]


def tag_key(record: Record) -> str | None:
    """The key that holds a tag for each word."""
    key = token_key(record)
    known = next((key for key in TAG_KEYS if key in record), None)
    if known or key is None or not record[key]:
        return known
    return next((k for k in ENTITY_KEYS if record.get(k) and are_strings(record[k])), None)


def words_of(record: Record, place: Place, options: Options, repairs: Repairs) -> Words:
    """The words and entities of a record.

    Raises:
        CorpusError: It lacks them, or has them twice.
    """
    key = token_key(record)
    if key is None:
        odd = [word for words in word_lists(record) for word in words if not isinstance(word, str)]
        what = f"the word {show(odd[0])} is no string" if odd else f"keys: {show_keys(record)}"
        raise place.error(f"no list of words under {', '.join(TOKEN_KEYS)}; {what}")
    other = next((k for k in TOKEN_KEYS if k != key and record.get(k) and are_strings(record[k])), None)
    if other is not None and record[other] != record[key]:
        raise place.error(f"words under both {key!r} and {other!r}; keep one of the two")
    words = record[key]
    check_unicode(" ".join(words), place)
    if not words:
        return Words(place, [], [])
    tagged = tag_key(record)
    own_tags = None if tagged is None else _tags(record, tagged, len(words), place, options, repairs)
    marked = entity_key({k: v for k, v in record.items() if k != tagged}, place)
    if tagged is not None and (marked is None or not record[marked]):
        return Words(place, words, [], own_tags)
    if own_tags is not None and set(own_tags) != {"O"}:
        raise place.error(f"entities under both {tagged!r} and {marked!r}; keep one of the two")
    if tagged is not None:
        repairs.mend("empty list of entities beside a filled one left out", place)
    return Words(place, words, _spans({k: v for k, v in record.items() if k != tagged}, key, place, repairs))


def _tags(record: Record, key: str, count: int, place: Place, options: Options, repairs: Repairs) -> list[str]:
    given = record[key]
    names = options.tag_names
    if isinstance(given, list) and names and all(type(tag) is int for tag in given):
        odd = next((tag for tag in given if not 0 <= tag < len(names)), None)
        if odd is not None:
            raise place.error(f"the tag {odd} has no name; {len(names)} names are given, for 0 to {len(names) - 1}")
        given = [names[tag] for tag in given]
    if not are_strings(given):
        raise place.error(
            f"{key!r} must be tags as strings, such as 'B-person'; put the names in place of numbers, "
            "or give them in order (tag names)"
        )
    if len(given) != count:
        raise place.error(f"{len(given)} tags for {count} words")
    stripped = [tags.strip_tag(tag) for tag in given]
    repairs.mend("white space in a tag left out", place, sum(map(str.__ne__, given, stripped)))
    for tag in stripped:
        check_unicode(tag, place)
        if not tags.is_tag(tag):
            raise place.error(f"{shorten(tag)} is no tag; expected O or one of B, I, E, S, L, U with '-' and a type")
    return stripped


def _spans(record: Record, key: str, place: Place, repairs: Repairs) -> list[Span]:
    inclusive = key == "tokenized_text" or entity_key(record) == "ner"
    marks = raw_marks(record, place, repairs)
    repairs.mend("sentence read with inclusive ends (GLiNER's keys)", place, int(inclusive and bool(marks)))
    return [Span(mark.start, mark.end + inclusive, mark.type) for mark in marks]
