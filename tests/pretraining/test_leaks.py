"""Benchmark sentences in pretraining data."""

from __future__ import annotations

import json
import lzma
from pathlib import Path

import pytest

from cpner.corpus.formats import open_lines
from cpner.errors import CorpusError
from cpner.pretraining import leaks
from cpner.pretraining.leaks import check_leaks, normalise
from tests.support import cpner

LONG = "In 1843 , Ada Lovelace published notes on Babbage 's engine ."
SHORT = "Ada met Babbage ."
OTHER = "The quick brown fox jumps over the lazy dog again and again ."


def write(folder: Path, sentences: dict[str, list[str]], text: list[str], labelled: list[str] = []) -> list[Path]:  # noqa: B006
    folder.mkdir(exist_ok=True)
    for split, own in sentences.items():
        lines = ["\n".join(f"{word} O" for word in sentence.split()) + "\n" for sentence in own]
        (folder / "benchmarks" / "history").mkdir(parents=True, exist_ok=True)
        (folder / "benchmarks" / "history" / f"{split}.txt").write_text("\n".join(lines), "utf-8")
    (folder / "text.txt").write_text("\n".join(text) + "\n", "utf-8")
    (folder / "ner").mkdir()
    records = [json.dumps({"text": line, "entities": []}, ensure_ascii=False) for line in labelled]
    (folder / "ner" / "a.jsonl").write_text("\n".join(records) + "\n", "utf-8")
    return [folder / "text.txt"]


def test_normalise_keeps_letters_and_digits() -> None:
    assert normalise("Élan—“Vital” no. 3_b\n").decode() == "élanvitalno3b"


def test_sentences_inside_paragraphs_are_found(tmp_path: Path) -> None:
    paragraph = "Before. In 1843, Ada Lovelace published “notes” on Babbage’s engine. After."
    text = write(tmp_path, {"train": [OTHER], "dev": [OTHER], "test": [LONG, SHORT]}, ["x", paragraph, SHORT + " Then"])

    leak = check_leaks(tmp_path / "benchmarks", text).benchmarks["history"]

    assert (leak.sentences, leak.found, leak.short, leak.short_found) == (2, 1, 1, 0)
    assert leak.files == {"text.txt": 1} and leak.examples == [normalise(LONG).decode()]


def test_train_sentences_are_no_leak(tmp_path: Path) -> None:
    text = write(tmp_path, {"train": [LONG], "test": [OTHER]}, [LONG])

    assert check_leaks(tmp_path / "benchmarks", text).benchmarks["history"].found == 0


def test_sentences_across_two_paragraphs_are_not_found(tmp_path: Path) -> None:
    text = write(tmp_path, {"test": [LONG]}, [LONG[:30], LONG[30:]])

    assert check_leaks(tmp_path / "benchmarks", text).benchmarks["history"].found == 0


def test_short_sentences_are_found_as_whole_paragraphs(tmp_path: Path) -> None:
    text = write(tmp_path, {"test": [SHORT, LONG]}, ["y"], labelled=[SHORT.upper(), "x " + LONG])

    leak = check_leaks(tmp_path / "benchmarks", text, tmp_path / "ner").benchmarks["history"]

    assert (leak.found, leak.short_found) == (1, 1)
    assert leak.files == leak.short_files == {"a.jsonl": 1}


def test_only_the_text_of_labelled_sentences_is_searched(tmp_path: Path) -> None:
    write(tmp_path, {"test": ["a b c d e f g h entities"]}, ["y"], labelled=["a b c d e f g h", "É"])

    assert check_leaks(tmp_path / "benchmarks", [], tmp_path / "ner").benchmarks["history"].found == 0


def test_files_of_one_name_are_told_apart(tmp_path: Path) -> None:
    text = [write(tmp_path / name, {"test": [LONG]}, [line])[0] for name, line in (("a", LONG), ("b", OTHER))]

    leak = check_leaks(tmp_path / "a" / "benchmarks", text).benchmarks["history"]

    assert leak.found == 1 and leak.files == {str(text[0]): 1}


@pytest.mark.parametrize("line", ["", *("x" * n for n in range(1, 26))])
def test_texts_shorter_than_a_window_are_searched(tmp_path: Path, line: str) -> None:
    text = write(tmp_path, {"test": [LONG, "a b c d e f g hijkl"]}, [line])  # windows of both widths

    assert check_leaks(tmp_path / "benchmarks", text).benchmarks["history"].found == 0


def test_search_agrees_with_plain_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaks, "_CHUNK", 500)  # many chunks
    words = ["ada", "babbage", "café", "notes", "on", "the", "engine", "of", "1843", "and", "more"]
    text = [" ".join(words[(i * j) % 11] for j in range(2, 40)) for i in range(60)]
    sentences = [" ".join(line.split()[k : k + 8 + k % 5]) for k, line in enumerate(text[:25])]
    sentences += ["one two three four five six seven eight", "1 2 3 4 5 6 7 8"]

    leak = check_leaks(tmp_path / "benchmarks", write(tmp_path, {"test": sentences}, text)).benchmarks["history"]

    lines = [normalise(line) for line in text]
    expected = sum(any(normalise(s) in line for line in lines) for s in sentences if len(normalise(s)) >= 12)
    assert leak.found == expected > 10
    assert leak.short >= 1  # eight words of one letter each are compared as a whole


def test_unreadable_folders_are_left_out_and_told(tmp_path: Path) -> None:
    text = write(tmp_path, {"test": [LONG]}, [LONG])
    (tmp_path / "benchmarks" / "licenses").mkdir()

    result = check_leaks(tmp_path / "benchmarks", text)

    assert list(result.benchmarks) == ["history"] and "no file for train" in result.skipped["licenses"]
    assert json.loads(json.dumps(result.to_json()))["benchmarks"]["history"]["found"] == 1
    with pytest.raises(CorpusError, match="no sub-folder"):
        check_leaks(tmp_path / "ner", text)


@pytest.mark.parametrize("chunk", [1, 1 << 20])
def test_clean_data_holds_no_sentence_and_nothing_else_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(leaks, "_CHUNK", chunk)
    lines = ["First, é.", f"Then: {LONG} So it was.", "", OTHER, LONG.lower(), "Last."]
    (text,) = write(tmp_path, {"test": [LONG, SHORT]}, lines, labelled=[SHORT, "x " + SHORT, LONG])
    packed = tmp_path / "more.txt.xz"
    packed.write_bytes(lzma.compress(f"{SHORT}\n{OTHER}\n".encode()))
    (tmp_path / "ner" / "types.json").write_text('{"a": {"types": ["person"]}}', "utf-8")
    benchmarks, clean = tmp_path / "benchmarks", tmp_path / "clean"
    data = ("--text", text, "--text", packed, "--ner", tmp_path / "ner")

    told = cpner("leaks", benchmarks, *data, "--clean", clean, "--json")

    assert told.exit_code == 0 and "with 5 lines left out" in told.stderr
    numbers = {Path(path).name: own for path, own in json.loads(told.stdout)["lines"].items()}
    assert numbers == {"text.txt": [2, 5], "more.txt.xz": [1], "a.jsonl": [1, 3]}
    assert (clean / "text.txt").read_text("utf-8").split("\n") == ["First, é.", "", OTHER, "Last.", ""]
    assert list(open_lines(clean / "more.txt.xz")) == [OTHER + "\n"]
    assert [json.loads(line)["text"] for line in open_lines(clean / "ner" / "a.jsonl")] == ["x " + SHORT]
    assert (clean / "ner" / "types.json").read_bytes() == (tmp_path / "ner" / "types.json").read_bytes()
    again = check_leaks(benchmarks, [clean / "text.txt", clean / "more.txt.xz"], clean / "ner")
    assert again.lines == {} and again.benchmarks["history"].found == again.benchmarks["history"].short_found == 0


def test_clean_data_is_never_written_over_other_data(tmp_path: Path) -> None:
    (text,) = write(tmp_path, {"test": [LONG]}, [LONG])
    (tmp_path / "other").mkdir()
    other = tmp_path / "other" / "text.txt"
    other.write_text("x\n", "utf-8")
    itself = cpner("leaks", tmp_path / "benchmarks", "--text", text, "--clean", tmp_path)
    same = cpner("leaks", tmp_path / "benchmarks", "--text", text, "--text", other, "--clean", tmp_path / "clean")

    assert (itself.exit_code, same.exit_code) == (2, 2)
    assert "text.txt would be written over itself" in itself.stderr and "have the same name" in same.stderr
    assert text.read_text("utf-8") == LONG + "\n" and not (tmp_path / "clean").exists()
