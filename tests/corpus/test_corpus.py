from __future__ import annotations

import contextlib
import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpner.corpus import Corpus, Sentence, sample_names
from cpner.corpus.formats import WRITTEN, Options
from cpner.errors import ConfigError, CorpusError, CpnerError
from cpner.progress import Progress
from tests.corpus.support import LINE, sentence

KEYS = st.sampled_from(["text", "tokens", "tokenized_text", "entities", "ner", "ner_tags", "start", "end", "type"])


@pytest.mark.parametrize(
    ("file", "name", "split"),
    [("ai/train.txt", "ai", "train"), ("ai/test.txt", "ai", "test"), ("ai/tweets.conll", "tweets", "train")],
)
def test_file_is_the_split_that_its_name_says(write, file, name, split):
    corpus = Corpus.read(write(file, LINE))

    assert (corpus.name, list(corpus.splits)) == (name, [split])


def test_splits_may_be_of_several_formats(write, tmp_path):
    write("train.txt", LINE)
    write("test.jsonl", '{"text": "EU says", "entities": [[0, 2, "ORG"]]}')

    corpus = Corpus.read(tmp_path)

    assert corpus.train == corpus.test


def test_missing_path_is_looked_for_in_the_data_folder(write, tmp_path, monkeypatch):
    write("data/news/train.txt", LINE)
    monkeypatch.setenv("CPNER_DATA", str(tmp_path / "data"))

    assert len(Corpus.read("news").train) == 1
    with pytest.raises(CorpusError, match=r"nowhere: no such folder or file \(also not in CPNER_DATA"):
        Corpus.read("nowhere")


def test_path_that_exists_wins_over_the_data_folder(write, tmp_path, monkeypatch):
    write("data/news/train.txt", LINE)
    write("news/dev.txt", LINE)
    monkeypatch.setenv("CPNER_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)

    assert list(Corpus.read("news").splits) == ["dev"]


def test_every_sample_domain_is_read():
    for name in sample_names():
        corpus = Corpus.read(f"sample:{name}")
        assert corpus.name == name
        assert corpus.train
        assert not corpus.repairs


def test_unknown_sample_domain_is_refused():
    with pytest.raises(CorpusError, match="no sample domain 'nothing'"):
        Corpus.read("sample:nothing")


def test_unknown_format_is_refused(write):
    with pytest.raises(ConfigError, match=r"No format 'conl'. Known: argilla, azure, .*, zip. Did you mean 'conll'\?"):
        Corpus.read(write("train.txt", LINE), format="conl")


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("{ O\nx B-P\n", "train.txt"),
        ("[ O\n1 B-P\n", "train.txt"),
        ("[1] O\n{} B-P\n", "train"),
        ("{}\tO\nx\tB-P\n", "train.conll"),
        ("[{}]\tO\nx\tB-P\n", "train.conll"),
    ],
)
def test_conll_that_begins_like_json_is_conll(write, content, name):
    assert len(Corpus.read(write(name, content)).train[0].words) == 2


@given(st.binary() | st.text('OB-x \t\n\r#1{}[]":,é').map(str.encode))
def test_any_bytes_are_a_corpus_or_a_clear_error(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("any") / "train"
    path.write_bytes(content)

    try:
        corpus = Corpus.read(path)
    except CpnerError as error:
        assert "\n" not in str(error)
    else:
        assert all(sentence.words for sentence in corpus.train)


@given(st.recursive(st.none() | st.integers() | st.text(max_size=3), lambda x: st.lists(x) | st.dictionaries(KEYS, x)))
def test_any_json_is_a_corpus_or_a_clear_error(tmp_path_factory, record):
    path = tmp_path_factory.mktemp("any") / "train.jsonl"
    path.write_text(json.dumps(record))

    with contextlib.suppress(CorpusError):
        assert Corpus.read(path).train


def test_types_are_ordered_by_frequency_then_alphabet():
    corpus = Corpus.from_sentences(
        [sentence("b", "a"), sentence("c")], test=[sentence("c", "a")], dev=[sentence("d", "c")]
    )

    assert corpus.types == ["c", "a", "b", "d"]
    assert list(corpus.splits) == ["train", "dev", "test"]


def test_given_types_are_kept_and_must_hold_all():
    assert Corpus.from_sentences([sentence("b")], types=["z", "b"]).types == ["z", "b"]
    with pytest.raises(CorpusError, match=r"entities of type 'b'; its types are \['z'\]"):
        Corpus.from_sentences([sentence("b")], types=["z"])


@pytest.mark.parametrize("type_", ["", "a:b", "f(x)", "two  blanks", " a"])
def test_types_that_would_break_the_template_are_refused(type_):
    with pytest.raises(CorpusError, match="can't name a type"):
        Corpus.from_sentences([sentence(type_)])


def test_unknown_split_is_refused():
    with pytest.raises(CorpusError, match="has a split 'valid'; expected train, dev, test"):
        Corpus("x", {"valid": []})


def test_statistics_count_each_split():
    corpus = Corpus.from_sentences([sentence("b", "a", "b"), sentence()], test=[sentence("a")])

    assert corpus.statistics() == {
        "splits": {
            "train": {
                "sentences": 2,
                "entities": 3,
                "types": {"b": 2, "a": 1},
                "words": 5,
                "longest": 4,
                "without_entities": 1,
            },
            "test": {
                "sentences": 1,
                "entities": 1,
                "types": {"a": 1},
                "words": 2,
                "longest": 2,
                "without_entities": 0,
            },
        }
    }


def test_folder_gets_a_file_for_each_split(tmp_path):
    corpus = Corpus.from_sentences([sentence("a")], test=[sentence("b")])

    assert corpus.write(tmp_path / "out", "conll") == [tmp_path / "out/train.conll", tmp_path / "out/test.conll"]
    assert corpus.write(tmp_path / "out", "conll")  # its own files may be replaced
    assert Corpus.read(tmp_path / "out").splits == corpus.splits


def test_other_files_for_the_splits_are_not_joined(write, tmp_path):
    write("train.txt", LINE)

    with pytest.raises(CorpusError, match=r"already holds train\.txt; choose an empty folder"):
        Corpus.from_sentences([sentence("a")]).write(tmp_path, "conll")


def test_folders_may_have_dots(tmp_path):
    assert Corpus.from_sentences([sentence("a")]).write(tmp_path / "news.v2") == [tmp_path / "news.v2/train.jsonl"]


def test_several_splits_need_a_folder(tmp_path):
    corpus = Corpus.from_sentences([sentence("a")], test=[sentence("b")])

    with pytest.raises(CorpusError, match="one file can't hold the splits train, test"):
        corpus.write(tmp_path / "out.jsonl")


def test_entities_that_a_format_has_no_place_for_are_told(tmp_path):
    corpus = Corpus.from_sentences([Sentence.from_text("Hamburgers", [(0, 7, "place")])])

    with pytest.warns(UserWarning, match="conll has no place for 1 entities inside words: left out"):
        corpus.write(tmp_path / "out.conll", "conll")
    corpus.write(tmp_path / "out.jsonl", "jsonl")
    assert Corpus.read(tmp_path / "out.jsonl").train == corpus.train


def test_what_a_file_would_lose_is_not_written(tmp_path, monkeypatch):
    corpus = Corpus.from_sentences([Sentence.from_text("Ada left Rome.", [(0, 3, "person")])])
    place = tmp_path / "train.jsonl"
    place.write_text("before", "utf-8")
    whole = WRITTEN["jsonl"]

    for spoil, message in (
        ('"end": 3', "could not be read again"),
        ('{"start": 0, "end": 3, "type": "person"}', "lose entities, as 'Ada'"),
        ("Rome", "lose letters"),
    ):  # fmt: skip
        lines = [line.replace(spoil, "") for line in whole.write(corpus.train)]
        broken = dataclasses.replace(whole, write=lambda sentences, lines=lines: iter(lines))
        monkeypatch.setitem(WRITTEN, "jsonl", broken)
        with pytest.raises(CorpusError, match=message):
            corpus.write(place)

    assert place.read_text("utf-8") == "before"
    assert list(tmp_path.iterdir()) == [place]


def test_an_empty_name_is_told():
    with pytest.raises(CorpusError, match="the name of the corpus is empty"):
        Corpus.read("")


@pytest.mark.parametrize("content", ["", "\n \n", "\ufeff", "\n\ufeff\n", "\r\ufeff\r\ufeff"])
def test_a_file_of_blank_lines_and_byte_order_marks_is_empty(write, content):
    with pytest.raises(CorpusError, match="is empty; expected sentences with entities"):
        Corpus.read(write("train.jsonl", content))


@pytest.mark.parametrize("name", [name for name, format_ in WRITTEN.items() if not format_.binary])
def test_reading_is_reported_to_its_end_in_every_format(name, tmp_path):
    sentences = [sentence("person", "city")] * 5
    Corpus.from_sentences(sentences).write(path := tmp_path / f"train{WRITTEN[name].suffix}", name)
    reports = []

    corpus = Corpus.read(path, format=name, options=Options(progress=reports.append))

    assert len(corpus.train) == 5
    ends = [report for report in reports if report.total]
    assert ends and all(report.done == report.total for report in ends)
    assert all(report.message.startswith("reading train.") for report in reports)


def test_reading_a_folder_is_reported_as_one_task(write, tmp_path):
    record = '{"text": "Vane left.", "entities": []}\n'
    write("train.jsonl", record * 3)
    write("test.jsonl", record)
    reports = []

    Corpus.read(tmp_path, options=Options(progress=reports.append))

    size = len(record)
    assert reports == [
        Progress(3 * size, 4 * size, "reading train.jsonl: 3 of 3 lines"),
        *[Progress(3 * size, 4 * size, "reading train.jsonl: 3 of 3 texts")] * 2,
        Progress(4 * size, 4 * size, "reading test.jsonl: 1 of 1 lines"),
        *[Progress(4 * size, 4 * size, "reading test.jsonl: 1 of 1 texts")] * 2,
    ]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (
            "a.jsonl",
            '{"text": "a", "entities": []}\n{"text": "b", "entities": [{"start": 0, "end": 1, "type": "x\\u0007"}]}\n',
        ),
        ("a.conll", f"Ada B-name\n\nRome B-{'x' * 300}\n"),
    ],
)
def test_a_name_that_cannot_stand_is_told_with_its_line(write, name, content):
    line = 2 if name.endswith("jsonl") else 3

    with pytest.raises(CorpusError, match=rf"{name}, line {line}: 'x.* can't name a type"):
        Corpus.read(write(name, content))
