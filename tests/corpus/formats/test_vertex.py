from __future__ import annotations

import json

import pytest

from cpner.corpus import Corpus
from cpner.errors import CorpusError
from tests.corpus.support import MARKS, NAMES, TEXT, names

NEW = {
    "textContent": TEXT,
    "textSegmentAnnotations": [{"startOffset": str(a), "endOffset": b, "displayName": t} for a, b, t in MARKS],
}
OLD = {
    "text_snippet": {"content": TEXT},
    "annotations": [
        {"display_name": t, "text_extraction": {"text_segment": {"start_offset": a, "end_offset": b}}}
        for a, b, t in MARKS
    ],
}


@pytest.mark.parametrize("record", [NEW, OLD])
def test_both_kinds_of_names_are_read(write, record):
    assert names(Corpus.read(write("train.jsonl", json.dumps(record)))) == NAMES


def test_an_offset_of_0_may_be_left_out(write):
    record = {"textContent": "Ida left.", "textSegmentAnnotations": [{"endOffset": 3, "displayName": "person"}]}

    assert names(Corpus.read(write("train.jsonl", json.dumps(record)))) == [("person", "Ida")]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"textGcsUri": "gs://a/b", "textSegmentAnnotations": []}, "'textGcsUri' are not fetched"),
        ({"textContent": "a", "textSegmentAnnotations": [{"startOffset": 0}]}, "is no entity"),
    ],
)
def test_what_is_wrong_is_told(write, record, message):
    with pytest.raises(CorpusError, match=message):
        Corpus.read(write("train.jsonl", json.dumps(record)))
