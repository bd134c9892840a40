from __future__ import annotations

import json

import pytest

from tests.support import cpner


def test_evaluate_follows_the_contract(corpus, stored, tmp_path):
    picture = tmp_path / "e.png"

    result = cpner("evaluate", corpus, "--domain", "one", "--store", stored, "--plot", picture, "--json")

    printed = json.loads(result.stdout)
    assert set(printed) >= {"precision", "recall", "f1", "support", "per_type", "string"}
    assert printed["support"] == 2
    assert list(printed["per_type"]) == ["person", "location"]
    assert set(printed["string"]) == {"precision", "recall", "f1"}
    assert all(0 <= printed[figure] <= 100 for figure in ("precision", "recall", "f1"))
    assert result.stderr.splitlines()[-1] == f"Wrote {picture}"
    assert picture.exists()


@pytest.mark.parametrize(
    "options", [("--domain", "one", "--split", "dev"), ("--zero-shot",), ("--domain", "one", "--free")]
)
def test_evaluate_prints_a_table(corpus, stored, tiny_folder, options):
    result = cpner("evaluate", corpus, *options, "--store", stored, "--backbone", tiny_folder)

    assert result.exit_code == 0, result.stderr
    assert "all (micro)" in result.stdout


def test_zero_shot_needs_no_store(corpus, tiny_folder):
    result = cpner("evaluate", corpus, "--zero-shot", "--backbone", tiny_folder, "--json")

    assert (result.exit_code, json.loads(result.stdout)["support"]) == (0, 2)


def test_a_split_that_is_not_there(stored, corpus):
    result = cpner("evaluate", corpus / "test.jsonl", "--domain", "one", "--store", stored, "--split", "dev")

    assert result.exit_code == 2
    assert "no split 'dev'" in result.stderr


def test_count_scores_on_so_many_sentences(corpus, stored):
    options = ("--domain", "one", "--store", stored, "--split", "train", "--json")

    support = [
        json.loads(cpner("evaluate", corpus, *options, *more).stdout)["support"] for more in ((), ("--count", 2))
    ]

    assert support == [6, 2]  # sentences 1 and 3 of 4: two persons or places, and none


def test_texts_are_read_by_sentence_or_whole(corpus, stored):
    options = ("--domain", "one", "--store", stored, "--json")
    answers = [cpner("evaluate", corpus, *options, *more) for more in ((), ("--by-sentence",), ("--whole-texts",))]

    assert [answer.exit_code for answer in answers] == [0, 0, 0]
    assert answers[0].stdout == answers[1].stdout


def test_words_that_predict_cuts_otherwise_are_told(stored, tmp_path):
    (tmp_path / "test.conll").write_text("Vienna-based\tB-person\n.\tO\n\nAda\tB-person\n.\tO\n", "utf-8")
    command = ("evaluate", tmp_path / "test.conll", "--domain", "one", "--store", stored, "--json")

    as_in_the_file = cpner(*command)
    as_in_text = cpner(*command, "--words", "text")

    assert "1 of 2 sentences have words that predict cuts otherwise" in as_in_the_file.stderr
    assert "--words text" in as_in_the_file.stderr
    assert "words" not in as_in_text.stderr
    assert json.loads(as_in_text.stdout)["support"] == json.loads(as_in_the_file.stdout)["support"] == 2
