"""Offsets that count something else than characters."""

from __future__ import annotations

import json
import unicodedata

import pytest

from cpner.corpus import Corpus
from cpner.errors import CorpusError

TEXT = "Zoë Bränd \U0001f600 met\r\nÅsa in Lund."
NAMES = [("Zoë Bränd", "person"), ("Åsa", "person"), ("Lund", "place")]


def characters(text: str) -> list[tuple[int, int, str]]:
    return [(text.index(name), text.index(name) + len(name), type_) for name, type_ in NAMES]


def units(count) -> list[tuple[int, int, str]]:
    """Offsets by what `count` says of the text before them."""
    return [(count(TEXT[:start]), count(TEXT[:end]), type_) for start, end, type_ in characters(TEXT)]


COUNTS = {
    "UTF-16 units": units(lambda text: len(text.encode("utf-16-le")) // 2),
    "bytes of UTF-8": units(lambda text: len(text.encode())),
    "name the last character": [(start, end - 1, type_) for start, end, type_ in characters(TEXT)],
    "count from 1 read": [(start + 1, end + 1, type_) for start, end, type_ in characters(TEXT)],
    "count from 1 and": [(start + 1, end, type_) for start, end, type_ in characters(TEXT)],
    "a line end of two signs": units(lambda text: len(text.replace("\r\n", "\n"))),
    "parted letters": units(lambda text: len(unicodedata.normalize("NFD", text))),
}


def record(entities, text: str = TEXT, said: bool = False) -> str:
    names = dict(zip(map(tuple, entities), NAMES, strict=True)) if said else {}
    marks = [{"start": a, "end": b, "type": t, **({"text": names[a, b, t][0]} if said else {})} for a, b, t in entities]
    return json.dumps({"text": text, "entities": marks}, ensure_ascii=False) + "\n"


@pytest.mark.parametrize("said", [False, True])
@pytest.mark.parametrize("name", COUNTS)
def test_the_count_is_recognised_and_told(write, name, said):
    corpus = Corpus.read(write("train.jsonl", record(COUNTS[name], said=said)))

    assert [(entity.text, entity.type) for entity in corpus.train[0].entities] == NAMES
    (repair,) = corpus.repairs
    assert name in repair


@pytest.mark.parametrize("said", [False, True])
def test_offsets_of_composed_text_are_recognised(write, said):
    parted = unicodedata.normalize("NFD", TEXT)
    corpus = Corpus.read(write("train.jsonl", record(characters(TEXT), text=parted, said=False)))

    found = [unicodedata.normalize("NFC", entity.text) for entity in corpus.train[0].entities]
    assert found == [name for name, _ in NAMES]


def test_characters_are_characters_whatever_else_would_fit(write):
    corpus = Corpus.read(write("train.jsonl", record(characters(TEXT)) * 3))

    assert [(entity.text, entity.type) for entity in corpus.train[2].entities] == NAMES
    assert not corpus.repairs


def test_one_slip_in_a_file_changes_no_other_entity(write):
    slip = [(start + 1, end + 1, type_) for start, end, type_ in characters(TEXT)]
    path = write("train.jsonl", record(characters(TEXT)) * 5 + record(slip))

    corpus = Corpus.read(path)

    assert [(entity.text, entity.type) for entity in corpus.train[0].entities] == NAMES
    assert [len(sentence.unreachable) for sentence in corpus.train] == [0] * 5 + [3]
    told = next(line for line in corpus.repairs.lines() if line.startswith("Note 3 x: entity that begins or ends"))
    assert told.endswith("line 6)")


def test_a_text_that_no_count_explains_is_refused(write):
    wrong = json.dumps({"text": "Åsa left", "entities": [{"start": 0, "end": 3, "type": "x", "text": "Bo"}]})

    with pytest.raises(CorpusError, match="characters 0 to 3 are 'Åsa', but the entity's text is 'Bo'"):
        Corpus.read(write("train.jsonl", wrong))
