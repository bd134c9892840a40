"""What spaCy writes as JSON: `Doc.to_json()`, tuples of training, and the training format of its second version."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cpner.corpus.formats import _tags as tags
from cpner.corpus.formats._file import File
from cpner.corpus.formats._offsets import Labelled
from cpner.corpus.formats._options import Options
from cpner.corpus.formats._records import Record, check_unicode, list_of, raw_marks, show, values
from cpner.corpus.formats._sentences import at_least_one, sentences_of_texts
from cpner.corpus.formats.jsonl import text_of
from cpner.corpus.formats.tokens import Words, sentences_of
from cpner.corpus.repairs import Place, Repairs
from cpner.corpus.sentence import Sentence


def sniff(file: File) -> str | None:
    """Tell a file by its first value."""
    first = file.first
    if _is_pair(first):
        return "pairs of a text and its entities"
    if "paragraphs" in file.record:
        return "key 'paragraphs'"
    return "keys 'text' and 'ents'" if {"text", "ents"} <= file.record.keys() else None


def read(file: File, options: Options, repairs: Repairs) -> list[Sentence]:
    """Read the sentences of a file.

    Raises:
        CorpusError: A value is none of the three kinds.
    """
    labelled: list[Labelled] = []
    words: list[Words] = []
    for place, value in values(file.path, file.text, options.progress):
        if _is_pair(value):
            value = {"text": value[0], **value[1]}
        if not isinstance(value, dict):
            raise place.error(f"{show(value)} is no document; expected [text, {{'entities': ...}}] or an object")
        if "paragraphs" in value:
            words += _paragraphs(value, place, repairs)
        else:
            labelled.append(Labelled(place, text_of(value, place), raw_marks(value, place, repairs)))
    sentences = sentences_of_texts(labelled, options, repairs) + sentences_of(words, options, repairs)
    return at_least_one(sentences, file.path)


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], dict)


def _paragraphs(document: Record, place: Place, repairs: Repairs) -> Iterator[Words]:
    for paragraph in list_of(document, "paragraphs", place):
        if not isinstance(paragraph, dict):
            raise place.error(f"{show(paragraph)} is no paragraph; expected an object with 'sentences'")
        for sentence in list_of(paragraph, "sentences", place):
            tokens = sentence.get("tokens") if isinstance(sentence, dict) else None
            if not isinstance(tokens, list) or not all(
                isinstance(t, dict) and isinstance(t.get("orth"), str) for t in tokens
            ):
                raise place.error("a sentence of 'paragraphs' has no tokens with 'orth'")
            given = [token.get("ner", "-") for token in tokens]
            repairs.note("word whose tag is unknown ('-') read as O", place, given.count("-"))
            readable = ["O" if tag in ("-", "") else tag for tag in given]
            for tag in readable:
                if not isinstance(tag, str) or not tags.is_tag(tag):
                    raise place.error(f"{show(tag)} is no tag; expected O or one of B, I, L, U with '-' and a type")
                check_unicode(tag, place)
            yield Words(place, [token["orth"] for token in tokens], [], readable)
