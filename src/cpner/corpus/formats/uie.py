"""What UIE and B2NER learn from: words with lists of word numbers, or texts with `pos`."""

from __future__ import annotations

from typing import Any

from cpner.corpus.formats._file import File
from cpner.corpus.formats._offsets import Labelled, RawMark
from cpner.corpus.formats._options import Options
from cpner.corpus.formats._records import are_strings, check_unicode, list_of, records, show, show_keys
from cpner.corpus.formats._sentences import at_least_one, sentences_of_texts
from cpner.corpus.formats.tokens import Words, sentences_of
from cpner.corpus.repairs import Place, Repairs
from cpner.corpus.sentence import Sentence, Span


def sniff(file: File) -> str | None:
    """Tell a file by its keys."""
    record = file.record
    if are_strings(record.get("tokens")) and isinstance(record.get("entity"), list):
        return "keys 'tokens' and 'entity'"
    return (
        "keys 'sentence' and 'entities'" if "sentence" in record and isinstance(record.get("entities"), list) else None
    )


def read(file: File, options: Options, repairs: Repairs) -> list[Sentence]:
    """Read the sentences of a file: all its records are of one of the two kinds.

    Raises:
        CorpusError: A record is of neither kind, or an entity has no offsets.
    """
    words: list[Words] = []
    labelled: list[Labelled] = []
    for place, record in records(file.path, file.text, options.progress):
        tokens = record.get("tokens")
        text = record.get("sentence")
        if are_strings(tokens) and isinstance(tokens, list):
            check_unicode(" ".join(tokens), place)
            words.append(
                Words(place, tokens, [_span(value, place, repairs) for value in list_of(record, "entity", place)])
            )
            repairs.note(
                "relation or event left out", place, sum(len(list_of(record, k, place)) for k in ("relation", "event"))
            )
        elif isinstance(text, str):
            check_unicode(text, place)
            labelled.append(
                Labelled(place, text, [_mark(value, place) for value in list_of(record, "entities", place)])
            )
        else:
            raise place.error(f"no 'tokens' and no 'sentence'; keys: {show_keys(record)}")
    sentences = sentences_of(words, options, repairs) + sentences_of_texts(labelled, options, repairs)
    return at_least_one(sentences, file.path)


def _span(value: Any, place: Place, repairs: Repairs) -> Span:
    offset = value.get("offset") if isinstance(value, dict) else None
    type_ = value.get("type") if isinstance(value, dict) else None
    if isinstance(offset, list) and offset and all(type(n) is int for n in offset) and isinstance(type_, str) and type_:
        check_unicode(type_, place)
        gap = len(set(offset)) != len(offset) or max(offset) - min(offset) >= len(offset)
        repairs.note("discontinuous entity read from its first to its last part", place, int(gap))
        return Span(min(offset), max(offset) + 1, type_)
    raise place.error(f"{show(value)} is no entity; expected 'type' and 'offset', the numbers of its words")


def _mark(value: Any, place: Place) -> RawMark:
    pos = value.get("pos") if isinstance(value, dict) else None
    type_ = value.get("type") if isinstance(value, dict) else None
    if isinstance(pos, list) and list(map(type, pos)) == [int, int] and isinstance(type_, str) and type_:
        check_unicode(type_, place)
        name = value.get("name")
        return RawMark(pos[0], pos[1], type_, name if isinstance(name, str) else None)
    raise place.error(f"{show(value)} is no entity; expected 'type' and 'pos', its start and end")
