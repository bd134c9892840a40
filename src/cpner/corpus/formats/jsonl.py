"""JSON lines with character offsets: `{"text": ..., "entities": [{"start", "end", "type"}]}`.

Offsets count Unicode code points; `end` is exclusive. Also read: "label" for "type", `[start, end, type]`
lists, and "spans", "labels", "label" or "ents" for "entities". Where an entity has a "text" it must be what its
offsets say. Offsets that count UTF-16 units, bytes or the like are read where it is certain that they do.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from cpner.corpus.formats._file import File
from cpner.corpus.formats._offsets import Labelled
from cpner.corpus.formats._options import Options
from cpner.corpus.formats._records import Record, check_unicode, gold, raw_marks, records, show_keys, types_in_words
from cpner.corpus.formats._sentences import at_least_one, sentences_of_texts
from cpner.corpus.repairs import Place, Repairs
from cpner.corpus.sentence import Sentence


def sniff(file: File) -> str | None:
    """Tell a file by its first record or, where that is broken, by its ending."""
    if file.record:
        return "objects with texts"
    return f"the ending {file.ending}" if file.ending in (".jsonl", ".json", ".ndjson") else None


def read(file: File, options: Options, repairs: Repairs) -> list[Sentence]:
    """Read the sentences of a file; words come from the text alone, by `split_words`.

    Raises:
        CorpusError: A line is no such record, or its entities overlap or leave the text.
    """
    labelled = []
    for place, record in gold(records(file.path, file.text, options.progress), repairs):
        labelled.append(Labelled(place, text_of(record, place), raw_marks(record, place, repairs)))
        repairs.note("relation left out", place, len(record.get("relations") or ()))
    return at_least_one(sentences_of_texts(labelled, options, repairs), file.path)


def write(sentences: Iterable[Sentence]) -> Iterator[str]:
    """The lines of a file: the text of each sentence and its entities; names that no rule gives are in the first."""
    sentences = list(sentences)
    types = types_in_words(sentences)
    for i, sentence in enumerate(sentences):
        entities = [{"start": e.start, "end": e.end, "type": e.type} for e in sentence.entities]
        head = {"types": types} if types and i == 0 else {}
        yield json.dumps({"text": sentence.text, "entities": entities, **head}, ensure_ascii=False)


def text_of(record: Record, place: Place) -> str:
    """The text of a record.

    Raises:
        CorpusError: It has none, or one with half of a surrogate pair.
    """
    text = record.get("text")
    if not isinstance(text, str):
        raise place.error(f"no 'text'; keys: {show_keys(record)}")
    check_unicode(text, place)
    return text
