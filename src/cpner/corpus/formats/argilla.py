"""Argilla's records: the text under `fields`, the entities under `responses` of those who submitted them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cpner.corpus.formats._file import File
from cpner.corpus.formats._offsets import Labelled
from cpner.corpus.formats._options import Options
from cpner.corpus.formats._records import Record, check_unicode, raw_mark, records, show_keys
from cpner.corpus.formats._sentences import at_least_one, sentences_of_texts
from cpner.corpus.repairs import Place, Repairs
from cpner.corpus.sentence import Sentence


def sniff(file: File) -> str | None:
    """Tell records by their keys."""
    record = file.record
    return "keys 'fields' and 'responses'" if _is_dict(record.get("fields")) and "responses" in record else None


def read(file: File, options: Options, repairs: Repairs) -> list[Sentence]:
    """Read the sentences of records; of several submitted answers the first is taken, drafts and suggestions never.

    Raises:
        CorpusError: A record has no text, or an entity that is none.
    """
    labelled = []
    for place, record in records(file.path, file.text, options.progress):
        text = _text(record, place)
        answers = list(_answers(record))
        if answers:
            labelled.append(Labelled(place, text, [raw_mark(value, place) for value in answers[0]]))
            repairs.note("further response to a record left out", place, len(answers) - 1)
        else:
            repairs.mend("record without a submitted response left out", place)
    return at_least_one(sentences_of_texts(labelled, options, repairs), file.path)


def _text(record: Record, place: Place) -> str:
    fields = record.get("fields")
    texts = [value for value in fields.values() if isinstance(value, str)] if isinstance(fields, dict) else []
    if not isinstance(fields, dict) or not texts:
        raise place.error(f"no text under 'fields'; keys: {show_keys(record)}")
    text = fields["text"] if isinstance(fields.get("text"), str) else max(texts, key=len)
    check_unicode(text, place)
    return str(text)


def _answers(record: Record) -> Iterator[list[Any]]:
    """The lists of entities that were submitted."""
    responses = record.get("responses")
    for answers in responses.values() if isinstance(responses, dict) else []:
        for answer in answers if isinstance(answers, list) else []:
            value = (
                answer.get("value") if _is_dict(answer) and answer.get("status", "submitted") == "submitted" else None
            )
            if isinstance(value, list) and all(map(_is_dict, value)):
                yield value


def _is_dict(value: Any) -> bool:
    return isinstance(value, dict)
