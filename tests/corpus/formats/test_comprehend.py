from __future__ import annotations

import pytest

from cpner.corpus import Corpus
from cpner.errors import CorpusError
from tests.corpus.support import NAMES, TEXT, names

HEAD = "File, Line, Begin Offset, End Offset, Type\n"
ROWS = "a.txt, 1, 2, 11, PERSON\na.txt, 1, 17, 21, PLACE\n"


def test_lines_count_from_0_and_all_are_sentences(write):
    write("a.txt", f"So did Bo.\r\n{TEXT}\r\n")

    corpus = Corpus.read(write("train.csv", HEAD + ROWS))

    assert [sentence.text for sentence in corpus.train] == ["So did Bo.", TEXT]
    assert names(corpus) == NAMES
    assert corpus.origins["train"].startswith("train.csv: comprehend")


def test_a_file_may_be_one_text(write):
    write("a.txt", f"{TEXT}\nSo did Bo.")

    corpus = Corpus.read(write("train.csv", HEAD + ROWS.replace(", 1,", ",,")))

    assert len(corpus.train) == 1
    assert names(corpus) == NAMES


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("Text,Type\nIda Storm,PERSON\n", "an entity list has no sentences to learn from"),
        (HEAD + "b.txt,0,0,1,X\n", r"line 1: no text 'b\.txt' beside the file"),
        (HEAD + "a.txt,9,0,1,X\n", "has no line 9, counted from 0"),
        (HEAD + "a.txt,0,x,1,X\n", "line 2: expected whole numbers"),
        (HEAD + "a.txt,0,1\n", "line 2: 3 columns; the first row has 5"),
        (HEAD + "a.txt,0,0,1,X\na.txt,,0,1,X\n", "entities with a line and without"),
    ],
)
def test_what_is_wrong_is_told(write, content, message):
    write("a.txt", TEXT)

    with pytest.raises(CorpusError, match=message):
        Corpus.read(write("train.csv", content))


def test_another_table_is_refused_where_it_is_taken_for_one(write):
    with pytest.raises(CorpusError, match=r"line 1: its columns are .*expected file, line, begin offset"):
        Corpus.read(write("train.csv", "word,tag\nBo,B-X\n"), format="comprehend")
