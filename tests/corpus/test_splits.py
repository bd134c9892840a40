from __future__ import annotations

import pytest

from cpner.corpus import Corpus
from cpner.corpus.splits import split_of
from cpner.errors import CorpusError
from tests.corpus.support import LINE


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train.txt", "train"),
        ("engtrain.bio", "train"),
        ("restauranttest.bio", "test"),
        ("eng.testa", "dev"),
        ("eng.testb", "test"),
        ("esp.train", "train"),
        ("valid.jsonl", "dev"),
        ("val.json", "dev"),
        ("Validation.tsv", "dev"),
        ("en-test.conll", "test"),
        ("10-shot-train.txt", "train"),
        ("test_data.txt", "test"),
        ("data.txt", None),
        ("testimony.txt", None),
        ("trainer.txt", None),
    ],
)
def test_split_is_read_from_the_name(tmp_path, name, split):
    assert split_of(tmp_path / name) == split


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (["train.txt", "dev.txt", "test.txt"], ["train", "dev", "test"]),
        (["eng.train", "eng.testa", "eng.testb"], ["train", "dev", "test"]),
        (["restauranttrain.bio", "restauranttest.bio"], ["train", "test"]),
        (["test.conll"], ["test"]),
        (["train.txt", "README.md", "train.py", "few_shot/10-shot-train.txt", ".train.txt"], ["train"]),
        (["test.txt", "latest.txt"], ["test"]),
    ],
)
def test_folder_gives_the_splits_that_exist(write, tmp_path, names, splits):
    for name in names:
        write(f"news/{name}", LINE)

    corpus = Corpus.read(tmp_path / "news")

    assert corpus.name == "news"
    assert list(corpus.splits) == splits
    assert [bool(corpus.train), bool(corpus.dev), bool(corpus.test)] == [s in splits for s in ("train", "dev", "test")]


def test_two_files_for_a_split_are_refused(write, tmp_path):
    write("10-shot-train.txt", LINE)
    write("20-shot-train.txt", LINE)

    with pytest.raises(CorpusError, match=r"more than one file for train: 10-shot-train\.txt, 20-shot-train\.txt"):
        Corpus.read(tmp_path)


def test_folder_without_splits_is_refused(write, tmp_path):
    write("notes.txt", LINE)

    with pytest.raises(CorpusError, match=r"no file for train, dev or test .*; found notes\.txt"):
        Corpus.read(tmp_path)


@pytest.mark.parametrize("name", ["test.annotated", "emerging.test.gold2"])
def test_a_file_with_another_ending_is_read(write, tmp_path, name):
    write("train.conll", LINE)
    write(name, LINE)

    assert list(Corpus.read(tmp_path).splits) == ["train", "test"]


def test_files_of_lower_rank_are_left_out_and_told(write, tmp_path):
    write("train.conll", LINE)
    write("train.csv", LINE)
    write("train.annotated", LINE)

    corpus = Corpus.read(tmp_path)

    assert corpus.repairs.lines() == [
        "Note 1 x: file 'train.annotated' left out: 'train.conll' is the train split",
        "Note 1 x: file 'train.csv' left out: 'train.conll' is the train split",
    ]


def test_the_folder_of_data_is_looked_into(write, tmp_path):
    write("README.md", "")
    write("data/train.conll", LINE)

    assert list(Corpus.read(tmp_path).splits) == ["train"]
