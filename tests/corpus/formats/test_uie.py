from __future__ import annotations

import json

import pytest

from cpner.corpus import Corpus
from cpner.errors import CorpusError
from tests.corpus.support import MARKS, NAMES, TEXT, names

WORDS = {
    "text": "Ida Storm left Lund .",
    "tokens": ["Ida", "Storm", "left", "Lund", "."],
    "entity": [
        {"type": "person", "offset": [0, 1], "text": "Ida Storm"},
        {"type": "place", "offset": [3], "text": "Lund"},
    ],
}
CHARACTERS = {
    "sentence": TEXT,
    "entities": [{"name": TEXT[a:b], "type": t, "pos": [a, b]} for a, b, t in MARKS],
}


@pytest.mark.parametrize("record", [WORDS, CHARACTERS])
def test_both_kinds_are_read(write, record):
    corpus = Corpus.read(write("train.json", json.dumps(record)))

    assert names(corpus) == NAMES
    assert corpus.origins["train"].startswith("train.json: uie")


def test_relations_and_gaps_are_told(write):
    entity = [{"type": "person", "offset": [0, 2], "text": "Ida left"}]

    corpus = Corpus.read(write("train.json", json.dumps({**WORDS, "entity": entity, "relation": [{}]})))

    assert corpus.repairs == {
        "relation or event left out": 1,
        "discontinuous entity read from its first to its last part": 1,
    }


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({**CHARACTERS, "entities": [{"name": "Ida", "type": "person"}]}, "expected 'type' and 'pos'"),
        ({**WORDS, "entity": [{"type": "person", "text": "Ida"}]}, "expected 'type' and 'offset'"),
        (
            {**CHARACTERS, "entities": [{"name": "Bo", "type": "person", "pos": [2, 5]}]},
            "but the entity's text is 'Bo'",
        ),
    ],
)
def test_what_is_wrong_is_told(write, record, message):
    with pytest.raises(CorpusError, match=message):
        Corpus.read(write("train.json", json.dumps(record)))
