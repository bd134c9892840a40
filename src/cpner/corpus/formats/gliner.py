"""GLiNER's JSON, `{"tokenized_text": [...], "ner": [[first, last, type]]}`, and GLiNER2's, with mentions alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import regex

from cpner.corpus.formats._file import File
from cpner.corpus.formats._offsets import Labelled, RawMark
from cpner.corpus.formats._options import Options
from cpner.corpus.formats._records import check_unicode, records, show_keys, types_in_words
from cpner.corpus.formats._sentences import at_least_one, sentences_of_texts
from cpner.corpus.formats.tokens import read as read
from cpner.corpus.repairs import Place, Repairs
from cpner.corpus.sentence import Sentence


def sniff(file: File) -> str | None:
    """Tell a file by its keys."""
    return "keys 'tokenized_text' and 'ner'" if {"tokenized_text", "ner"} <= file.record.keys() else None


def write(sentences: Iterable[Sentence]) -> Iterator[str]:
    """The lines of a list of records with inclusive ends."""
    sentences = list(sentences)
    types = types_in_words(sentences)
    before = "["
    for sentence in sentences:
        ner = [[start, end - 1, type_] for start, end, type_ in sentence.spans]
        head = {"types": types} if types and before == "[" else {}
        yield before + json.dumps({"tokenized_text": sentence.word_texts, "ner": ner, **head}, ensure_ascii=False)
        before = ","
    yield "]" if before == "," else "[]"


def sniff2(file: File) -> str | None:
    """Tell a file of GLiNER2 by its keys."""
    output = file.record.get("output")
    return (
        "keys 'input' and 'output'" if isinstance(output, dict) and isinstance(output.get("entities"), dict) else None
    )


def read2(file: File, options: Options, repairs: Repairs) -> list[Sentence]:
    """Read the sentences of a file of GLiNER2: each mention is an entity wherever it stands as words.

    Raises:
        CorpusError: A record has no text, or a mention that the text lacks.
    """
    labelled = []
    for place, record in records(file.path, file.text, options.progress):
        text = record.get("input")
        output = record.get("output")
        entities = output.get("entities") if isinstance(output, dict) else None
        if not isinstance(text, str) or not isinstance(output, dict) or not isinstance(entities, dict):
            raise place.error(f"no 'input' and 'output' with 'entities'; keys: {show_keys(record)}")
        check_unicode(text, place)
        repairs.note("other output left out", place, int(len(output) > 1 + ("entity_descriptions" in output)))
        marks = [m for type_, mentions in entities.items() for m in _occurrences(text, type_, mentions, place, repairs)]
        labelled.append(Labelled(place, text, marks))
    return at_least_one(sentences_of_texts(labelled, options, repairs), file.path)


def _occurrences(text: str, type_: str, mentions: Any, place: Place, repairs: Repairs) -> Iterator[RawMark]:
    if not isinstance(mentions, list) or not all(isinstance(mention, str) and mention.strip() for mention in mentions):
        raise place.error(f"the entities of {type_[:60]!r} are no list of texts")
    check_unicode(type_, place)
    for mention in dict.fromkeys(mentions):
        places = [m.span() for m in regex.finditer(rf"(?<!\w){regex.escape(mention.strip())}(?!\w)", text)]
        if not places:
            raise place.error(f"the text lacks the entity {mention[:60]!r}")
        repairs.note("mention that stands several times: each is an entity", place, int(len(places) > 1))
        yield from (RawMark(start, end, type_) for start, end in places)
