"""Nothing of a record is left out without a word."""

from __future__ import annotations

import gzip
import json
import lzma
import os
import threading

import pytest

from cpner.corpus import Corpus
from cpner.corpus.formats import Options, open_lines
from cpner.errors import CorpusError, FileError

LINE = '{"text": "Bo left.", "entities": [[0, 2, "person"]]}'


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        (f"[{LINE}]\n{LINE}\n", 2, "text after the end of the list"),
        (f"[{LINE}\n]\n\n[]", 4, "text after the end of the list"),
        (f"[{LINE}]]", 1, "text after the end of the list"),
        ('{"text": "Bo", "entities": [[0, 2, "x"]], "entities": []}', 1, 'the key "entities" twice'),
        ('{"text": "Bo", "entities": [{"start": 0, "end": 1, "end": 2, "type": "x"}]}', 1, 'the key "end" twice'),
        ('{"text": "Bo", "entities": [[0, 2, "x"]], "spans": [[0, 2, "y"]]}', 1, "under both 'entities' and 'spans'"),
        (
            '{"text": "Bo", "spans": [{"start": 0, "end": 2, "type": "x", "label": "y"}]}',
            1,
            "two things under type and",
        ),
        ('{"tokens": ["Bo"], "words": ["Al"], "spans": []}', 1, "words under both 'tokens' and 'words'"),
        ('{"tokens": ["Bo"], "tags": ["B-x"], "spans": [[0, 1, "y"]]}', 1, "under both 'tags' and 'spans'"),
        ('{"text": "Bo", "entities": [[0, 2, "a\\ud800b"]]}', 1, "half of a surrogate pair"),
        ('{"tokens": ["Bo"], "tags": ["B-a\\ud800"]}', 1, "half of a surrogate pair"),
    ],
)
def test_what_says_two_things_is_refused(write, content, line, message):
    path = write("train.jsonl", content)

    with pytest.raises(CorpusError, match=message) as caught:
        Corpus.read(path)

    assert (caught.value.path, caught.value.line) == (path, line)


def test_an_empty_list_beside_a_filled_one_is_told(write):
    records = [
        {"text": "Bo left.", "entities": [], "label": [[0, 2, "person"]]},
        {"text": "Al left.", "entities": [[0, 2, "person"]], "spans": []},
    ]
    corpus = Corpus.read(write("train.jsonl", "\n".join(map(json.dumps, records))), format="jsonl")

    assert [[entity.text for entity in sentence.entities] for sentence in corpus.train] == [["Bo"], ["Al"]]
    assert corpus.repairs == {"empty list of entities beside a filled one left out": 2}


def test_only_accepted_answers_are_gold(write):
    answers = [{"text": f"{name} left.", "spans": [{"start": 0, "end": 2, "label": "PER"}], "answer": answer}
               for name, answer in [("Bo", "accept"), ("Al", "reject"), ("Cy", "ignore")]]  # fmt: skip
    path = write("train.jsonl", "\n".join(map(json.dumps, answers)))

    corpus = Corpus.read(path)

    assert [sentence.text for sentence in corpus.train] == ["Bo left."]
    assert corpus.repairs.lines() == [
        f"Mended 2 x: record whose answer is not 'accept' left out (first: {path}, line 2)"
    ]


NESTED = '{"text": "New York Times", "entities": [[0, 8, "place"], [0, 14, "paper"], [4, 8, "county"]]}'


@pytest.mark.parametrize(("policy", "kept"), [("longest", ["New York Times"]), ("first", ["New York"])])
def test_overlaps_are_settled_as_asked_and_told(write, policy, kept):
    path = write("train.jsonl", NESTED)

    with pytest.raises(CorpusError, match="overlap"):
        Corpus.read(path)
    corpus = Corpus.read(path, options=Options(overlaps=policy))

    assert [entity.text for entity in corpus.train[0].entities] == kept
    assert corpus.repairs[f"overlapping entity left out ({policy} kept)"] == 2


@pytest.mark.parametrize("key", ["label", "labels", "ner", "ner_tags", "tags"])
def test_tags_are_found_under_any_key(write, key):
    path = write("train.jsonl", json.dumps({"tokens": ["Bo", "left"], key: ["B-PER", "O"]}))

    assert [entity.text for entity in Corpus.read(path).train[0].entities] == ["Bo"]


def test_words_of_white_space_are_left_out_with_their_entities(write):
    record = {"tokens": ["\ufeff", "Bo", "\u2003", "Ek", "\u00a0"], "spans": [[0, 1, "x"], [1, 4, "person"]]}

    path = write("train.jsonl", json.dumps(record))
    corpus = Corpus.read(path)
    corpus.write(path, "tokens")
    assert Corpus.read(path).train == corpus.train

    assert corpus.train[0].word_texts == ["Bo", "Ek"]
    assert [entity.text for entity in corpus.train[0].entities] == ["Bo Ek"]
    assert corpus.repairs == {"word of white space left out": 3, "entity of white space left out": 1}


@pytest.mark.parametrize(("ending", "pack"), [(".gz", gzip.compress), (".xz", lzma.compress)])
def test_packed_files_are_read(tmp_path, ending, pack):
    (tmp_path / f"train.jsonl{ending}").write_bytes(pack(LINE.encode()))
    (tmp_path / f"test.txt{ending}").write_bytes(pack(b"Bo\tB-person\n"))

    corpus = Corpus.read(tmp_path)

    assert [len(corpus.train), len(corpus.test)] == [1, 1]


@pytest.mark.parametrize("cut", [0, 20, -3])
def test_broken_packed_files_are_an_error(tmp_path, cut):
    path = tmp_path / "train.txt.xz"
    path.write_bytes(lzma.compress(b"\xff" * 100)[: cut or None])

    with pytest.raises((FileError, CorpusError), match=r"train\.txt\.xz"):
        Corpus.read(path)
    with pytest.raises((FileError, CorpusError), match=r"train\.txt\.xz"):
        list(open_lines(path))


@pytest.mark.parametrize("read", [Corpus.read, lambda path: list(open_lines(path))])
def test_pipes_are_read_once_and_devices_refused(tmp_path, read):
    from pathlib import Path

    with pytest.raises(FileError, match="/dev/zero: is a device"):
        read(Path("/dev/zero"))
    pipe = tmp_path / "train"
    os.mkfifo(pipe)
    threading.Thread(target=pipe.write_bytes, args=(b"Bo O\n\xff\n",), daemon=True).start()
    with pytest.raises(FileError, match="line 2: byte 0xff is not UTF-8"):
        read(pipe)


def test_lines_beyond_all_bounds_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("cpner.corpus.formats._file.LONGEST_LINE", 1000)
    path = tmp_path / "train.txt"
    path.write_text("Bo O\n" + "x" * 2000 + " O\n")

    with pytest.raises(CorpusError, match="line 2: is longer than"):
        Corpus.read(path)
    with pytest.raises(CorpusError, match="line 2: is longer than"):
        list(open_lines(path))


def test_a_packed_bomb_stops_at_the_bound(tmp_path, monkeypatch):
    monkeypatch.setattr("cpner.corpus.formats._file.LARGEST_FILE", 1 << 20)
    path = tmp_path / "train.txt.gz"
    path.write_bytes(gzip.compress(b"x" * (8 << 20)))

    with pytest.raises(CorpusError, match="holds more than"):
        Corpus.read(path)


@pytest.mark.parametrize("ending", [".gz", ".xz"])
def test_files_are_packed_as_their_ending_says(write, tmp_path, ending):
    corpus = Corpus.read(write("train.jsonl", LINE))

    corpus.write(tmp_path / f"a/train.jsonl{ending}")
    first = (tmp_path / f"a/train.jsonl{ending}").read_bytes()
    corpus.write(tmp_path / f"a/train.jsonl{ending}")

    assert (tmp_path / f"a/train.jsonl{ending}").read_bytes() == first != LINE.encode()
    assert Corpus.read(tmp_path / "a").train == corpus.train


def test_a_line_of_words_without_end_is_no_table(write):
    with pytest.raises(CorpusError, match="has lines of 5,000 columns, which are no table"):
        Corpus.read(write("train.txt", "a " * 4999 + "O"))
