from __future__ import annotations

import contextlib
import json
import os
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpner.corpus import Corpus, Sentence, Span, sample_names
from cpner.corpus.splits import split_of
from cpner.errors import ConfigError, CorpusError
from cpner.files import replacing, write_text

from .strategies import corpora, word_sentences

KEYS = st.sampled_from(["text", "tokens", "tokenized_text", "entities", "ner", "ner_tags", "start", "end", "type"])
LINE = "EU\tB-ORG\nsays\tO\n"


def sentence(*types: str) -> Sentence:
    return Sentence.from_words(["w"] * (len(types) + 1), [Span(i, i + 1, type_) for i, type_ in enumerate(types)])


# Reading folders and files


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
    with pytest.raises(ConfigError, match=r"No format 'conl'. Known: conll, jsonl, tokens. Did you mean 'conll'\?"):
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
    except CorpusError as error:
        assert "\n" not in str(error)
    else:
        assert all(sentence.words for sentence in corpus.train)


@given(st.recursive(st.none() | st.integers() | st.text(max_size=3), lambda x: st.lists(x) | st.dictionaries(KEYS, x)))
def test_any_json_is_a_corpus_or_a_clear_error(tmp_path_factory, record):
    path = tmp_path_factory.mktemp("any") / "train.jsonl"
    path.write_text(json.dumps(record))

    with contextlib.suppress(CorpusError):
        assert Corpus.read(path).train


# The object


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


# Writing


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


def test_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "train.conll"
    Corpus.from_sentences([sentence("a")]).write(path, "conll")
    before = path.read_text()

    with pytest.raises(CorpusError):
        Corpus.from_sentences([sentence("a"), Sentence("a b", [(0, 3)])]).write(path, "conll")

    assert path.read_text() == before
    assert list(tmp_path.iterdir()) == [path]


def test_place_that_cannot_be_written_is_named(write, tmp_path):
    for place, reason in ((write("file", "") / "out.jsonl", ""), (tmp_path, ": is a folder")):
        with pytest.raises(CorpusError, match=f"can't be written{reason}"), replacing(place):
            pass


@pytest.mark.skipif(os.name == "nt", reason="links, pipes and modes are those of Unix")
def test_written_files_keep_links_modes_and_pipes(tmp_path):
    file, link, pipe = tmp_path / "file", tmp_path / "link", tmp_path / "pipe"
    umask = os.umask(0o077)
    try:
        write_text(file, ["old"])
        assert file.stat().st_mode & 0o777 == 0o600
        file.chmod(0o640)
        link.symlink_to(file)
        write_text(link, ["new"])
    finally:
        os.umask(umask)
    assert link.is_symlink() and file.read_text() == "new\n" and file.stat().st_mode & 0o777 == 0o640

    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_text(pipe, ["through"])
    assert os.read(reader, 99) == b"through\n" and pipe.is_fifo()
    os.close(reader)


# Sampling


@given(corpora(word_sentences()), st.integers(1, 4), st.integers(0, 9))
def test_every_type_has_its_shots_or_all_there_are(sentences, shots, seed):
    corpus = Corpus.from_sentences(sentences, test=sentences[:1])

    sample = corpus.sample(shots=shots, seed=seed)

    def holders(chosen: list[Sentence]) -> Counter[str]:
        return Counter(type_ for s in chosen for type_ in {span.type for span in s.spans})

    held = holders(sample.train)
    assert all(held[type_] >= min(shots, n) for type_, n in holders(corpus.train).items())
    assert len(sample.train) <= shots * len(corpus.types)
    assert not Counter(sample.train) - Counter(corpus.train)
    assert (sample.test, sample.types) == (corpus.test, corpus.types)


def many() -> Corpus:
    types = ["a", "b", "c", "d"]
    return Corpus.from_sentences(Sentence.from_words([f"w{i}"], [Span(0, 1, types[i % 4])]) for i in range(200))


@pytest.mark.parametrize("size", [{"shots": 3}, {"count": 12}])
def test_samples_depend_on_the_seed_alone(size):
    texts = [[s.text for s in many().sample(**size, seed=seed).train] for seed in (0, 0, 1)]

    assert len(texts[0]) == 12
    assert texts[0] == texts[1] != texts[2]


def test_samples_are_the_same_on_every_machine():
    assert [s.text for s in many().sample(count=3, seed=7).train] == ["w4", "w28", "w41"]


def test_larger_counts_hold_smaller_ones():
    small, large = (many().sample(count=count, seed=3).train for count in (10, 20))

    assert set(small) < set(large)


def test_rare_types_come_first_so_that_few_sentences_do():
    both = [sentence("rare", "common") for _ in range(2)]
    corpus = Corpus.from_sentences([*(sentence("common") for _ in range(50)), *both])

    assert corpus.sample(shots=2).train == both


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ({}, "one of shots .* and count"),
        ({"shots": 1, "count": 1}, "one of shots .* and count"),
        ({"shots": 0}, "shots=0 asks for no sentence"),
        ({"count": 0}, "count=0 sentences asked for; expected 1 to 200"),
        ({"count": 201}, "count=201 sentences asked for; expected 1 to 200"),
    ],
)
def test_impossible_samples_are_refused(size, message):
    with pytest.raises(ConfigError, match=message):
        many().sample(**size)


def test_sample_needs_a_train_split():
    with pytest.raises(ConfigError, match="has no train split to sample from; it has test"):
        Corpus.from_sentences(test=[sentence("a")]).sample(shots=1)
