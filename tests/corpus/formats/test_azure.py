from __future__ import annotations

import json

import pytest

from cpner.corpus import Corpus
from cpner.errors import CorpusError
from tests.corpus.support import MARKS, NAMES, TEXT, UTF16, names


def project(marks=UTF16, location: str = "texts/a.txt", count: str = "Utf16CodeUnit", dataset: str = "Train") -> str:
    labels = [{"category": t, "offset": a, "length": b - a} for a, b, t in marks]
    entities = [{"regionOffset": 0, "regionLength": 30, "labels": labels}]
    document = {"location": location, "language": "en", "dataset": dataset, "entities": entities}
    other = {"location": "texts/b.txt", "dataset": "Train", "entities": []}
    return json.dumps({"stringIndexType": count, "assets": {"entities": [], "documents": [document, other]}})


@pytest.fixture
def texts(write):
    write("texts/a.txt", TEXT)
    write("texts/b.txt", "So did Bo.")


def test_offsets_count_utf16_and_texts_lie_beside(write, texts):
    corpus = Corpus.read(write("train.json", project()))

    assert [sentence.text for sentence in corpus.train] == [TEXT, "So did Bo."]
    assert names(corpus) == NAMES
    assert not corpus.repairs


def test_a_project_may_count_characters_and_have_data_sets(write, texts):
    corpus = Corpus.read(write("train.json", project(MARKS, count="UnicodeCodePoint", dataset="Test")))

    assert names(corpus) == NAMES
    assert corpus.repairs == {"data sets Test, Train read as one split": 1}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (project(location="../a.txt"), "lies outside the folder of the file"),
        (project(location="/etc/hostname"), "lies outside the folder of the file"),
        (project(location="c.txt"), "no text 'c.txt' beside the file"),
        (project(count="TextElements_v8"), "offsets count 'textelements_v8'"),
        (project([(0, 2, "")]), "is no entity"),
    ],
)
def test_what_is_wrong_is_told(write, texts, content, message):
    with pytest.raises(CorpusError, match=message):
        Corpus.read(write("train.json", content))


@pytest.mark.parametrize("content", ["{}", '{"assets": 1}', '{"assets": {"documents": {}}}'])
def test_another_file_is_refused_where_it_is_taken_for_a_project(write, content):
    with pytest.raises(CorpusError, match="no documents; expected a project"):
        Corpus.read(write("train.json", content), format="azure")


def test_a_second_project_is_not_dropped(write, texts):
    project = json.dumps({"assets": {"documents": [{"location": "a.txt", "entities": []}]}})

    with pytest.raises(CorpusError, match="several JSON objects; expected one"):
        Corpus.read(write("train.json", f"{project}\n{project}\n"), format="azure")
