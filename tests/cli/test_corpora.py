from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cpner.cli.corpora import corpora
from cpner.corpus import Corpus, public
from cpner.corpus.public import datasets
from cpner.errors import CpnerError
from tests.support import CONTENT, cpner, shell

TRAIN = "EU\tB-ORG\nmeets\tO\nPeter\tI-PER\n\nit\tO\nmeets\tO\n\nPeter\tB-PER\n"


@pytest.fixture(autouse=True)
def folder(write, tmp_path, monkeypatch):
    """A corpus `news` in the working folder."""
    write("news/train.txt", TRAIN)
    write("news/test.txt", "EU\tB-ORG\n")
    monkeypatch.chdir(tmp_path)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(corpora, arguments, catch_exceptions=False)


def test_stats_print_json_that_programs_read():
    result = run("stats", "news", "--json")

    splits = json.loads(result.stdout)["splits"]
    assert {key: splits["train"][key] for key in ("sentences", "entities", "types")} == {
        "sentences": 3,
        "entities": 3,
        "types": {"person": 2, "organization": 1},
    }
    assert splits["test"]["entities"] == 1


def test_stats_print_a_table_and_repairs_beside_it():
    result = run("stats", "news")

    rows = [line.split() for line in result.stdout.splitlines()]
    assert ["train", "test"] in rows
    assert ["person", "2", "0"] in rows
    assert ["sentences", "3", "1"] in rows
    assert result.stderr == "Mended 1 x: entity that began with I- without B-\n"


@pytest.mark.parametrize(("name", "content"), [("t.toml", 'ORG = "company"'), ("t.json", '{"ORG": "company"}')])
def test_types_are_named_by_a_file(write, name, content):
    write(name, content)

    assert json.loads(run("stats", "news", "--json", "--names", name).stdout)["splits"]["test"]["types"] == {
        "company": 1
    }


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.toml", "ORG = ", "t.toml can't be read"),
        ("t.json", "[]", "t.json must map each type's code to its words"),
        ("t.toml", "ORG = 3", "t.toml must map"),
    ],
)
def test_files_of_types_are_checked(write, name, content, message):
    write(name, content)

    with pytest.raises(CpnerError, match=message):
        run("stats", "news", "--names", name)


@pytest.mark.parametrize("format", ["conll", "jsonl", "tokens"])
def test_convert_writes_what_is_read_back(format):
    result = run("convert", "news", "out", "--format", format)

    assert result.stdout == ""
    assert result.stderr.count("Wrote out/") == 2
    assert Corpus.read("out").splits == Corpus.read("news").splits


def test_convert_reads_the_format_that_is_named(write):
    write("both.jsonl", '{"text": "a b", "tokens": ["a", "b"], "entities": [[0, 1, "x"]]}')

    run("convert", "both.jsonl", "out.jsonl", "--from", "tokens")

    assert len(Corpus.read("out.jsonl").train) == 1


def test_convert_goes_by_the_ending_and_spares_its_input(write):
    before = '{"text": "a b", "entities": [{"start": 0, "end": 1, "type": "x"}]}\n'
    write("in.jsonl", before)

    run("convert", "in.jsonl", "out.conll")
    assert Path("out.conll").read_text().startswith("a\tB-x\n")
    for arguments in (("in.jsonl",), ("other.jsonl", "--format", "conll"), ("other.conll", "--format", "jsonl")):
        assert run("convert", "in.jsonl", *arguments).exit_code == 2
    assert Path("in.jsonl").read_text() == before and not Path("other.conll").exists()


def test_convert_writes_one_split_to_standard_output():
    result = run("convert", "news/test.txt", "-")

    assert json.loads(result.stdout) == {"text": "EU", "entities": [{"start": 0, "end": 2, "type": "organization"}]}
    refused = run("convert", "news", "-")
    assert refused.exit_code == 2 and "can't hold the splits train, test" in refused.stderr
    assert not Path("-").exists()


def test_sample_keeps_the_test_split():
    run("sample", "news", "out", "--shots", "1", "--seed", "3", "--format", "conll")

    sample = Corpus.read("out")
    assert sample.train == Corpus.read("news").sample(shots=1, seed=3).train
    assert sample.test == Corpus.read("news").test


def test_list_names_every_dataset_with_its_licence():
    table = run("list").stdout
    data = json.loads(run("list", "--json").stdout)

    assert list(data["datasets"]) == list(datasets())
    for name, dataset in datasets().items():
        assert f"{name}: {dataset.title}" in table
        assert dataset.licence in table


def test_fetch_prints_the_files_and_nothing_else(server, write, monkeypatch):
    files = {
        name.split(".")[0]: {
            "name": name,
            "url": f"{server.url}/toy/{name}",
            "size": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "sentences": 1,
            "entities": 1,
        }
        for name, content in CONTENT.items()
    }
    texts = dict.fromkeys(("title", "text", "origin", "licence", "note"), "toy")
    table = write("table.json", json.dumps({name: {**texts, "types": {}, "files": files} for name in ("toy", "toy2")}))
    monkeypatch.setattr(public, "_TABLE", table)
    datasets.cache_clear()
    try:
        result = run("fetch", "toy", "--out", "data")
        with pytest.raises(CpnerError, match="404"):
            run("fetch", "all", "--out", "data", "--base-url", server.url)
    finally:
        datasets.cache_clear()

    assert (result.stdout, result.stderr) == ("data/toy/train.txt\ndata/toy/test.txt\n", "")
    assert server.requests[-1] == "/toy2/train.txt"


@pytest.mark.parametrize("command", ["list", "stats", "convert", "sample", "fetch"])
def test_every_command_has_an_example(command):
    help_text = run(command, "--help").stdout

    assert f"Example:\n    cpner corpora {command}" in help_text


def test_a_sample_keeps_the_words_of_the_corpus(tmp_path):
    (tmp_path / "in.conll").write_text("well-known\tO\n(Ada)\tB-person\n\n", "utf-8")

    cpner("corpora", "sample", tmp_path / "in.conll", tmp_path / "out", "--count", 1)
    (tmp_path / "in.jsonl").write_text('{"text": "Ada left.", "entities": []}', "utf-8")
    cpner("corpora", "sample", tmp_path / "in.jsonl", tmp_path / "texts", "--count", 1)

    assert Corpus.read(tmp_path / "out").train[0].word_texts == ["well-known", "(Ada)"]
    assert (tmp_path / "texts" / "train.jsonl").exists()


RECORD = '{"text": "Vane left.", "entities": [{"start": 0, "end": 4, "type": "person"}]}\n'


def test_the_reading_of_a_corpus_shows_progress(write, monkeypatch):
    reports = []
    monkeypatch.setattr("cpner.cli.corpus.progress_bar", lambda: contextlib.nullcontext(reports.append))

    run("stats", str(write("big.jsonl", RECORD * 3)))

    messages = dict.fromkeys(report.message for report in reports)
    assert list(messages) == ["reading big.jsonl: 3 of 3 lines", "reading big.jsonl: 3 of 3 texts"]


@pytest.mark.slow
def test_a_log_hears_of_the_reading_of_a_large_corpus_and_not_of_a_small_one(write, tmp_path):
    write("small.jsonl", RECORD)
    write("large.jsonl", RECORD * 200_000)

    result = shell("for size in small large; do cpner corpora stats $size.jsonl --json 2>$size; done", tmp_path)

    assert (tmp_path / "small").read_text() == ""
    assert "%  reading large.jsonl: " in (tmp_path / "large").read_text()
    assert '"sentences": 200000' in result.stdout
