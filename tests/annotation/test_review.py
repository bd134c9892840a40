"""The least sure texts of a run are found, however often it was stopped, and can be learnt from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cpner.annotation.inputs import Inputs
from cpner.annotation.review import review_lines, review_path
from cpner.annotation.run import Plan, annotate
from cpner.annotation.shards import Parts, Shard
from cpner.annotation.texts import Keys, Text
from cpner.annotation.worker import Reply
from cpner.corpus import Corpus
from cpner.recogniser import Recogniser
from tests.annotation.support import InThisProcess

NAMES = ("Ada Lovelace", "Joseph", "Regan", "Charles Babbage", "Phil")
TEXTS = [" and ".join(NAMES[(i + j) % 5] for j in range(1 + i % 4)) + f" left Rome {i}." for i in range(11)]


@pytest.mark.parametrize("stops", [(), (0, 1, 2)])
def test_the_least_sure_of_all_shards_come_first(tiny_folder: Path, tmp_path: Path, stops: tuple[int, ...]):
    source = tmp_path / "in.txt"
    source.write_text("\n".join(TEXTS), "utf-8")
    out = tmp_path / "out.jsonl.gz"
    plan = Plan(None, Keys(), 3, {}, review=4)

    for stop in stops:
        with pytest.raises(KeyboardInterrupt):
            annotate(Inputs(source), Parts(out), InThisProcess(tiny_folder, stop), plan)
        assert not review_path(out).exists()
    annotate(Inputs(source), Parts(out), InThisProcess(tiny_folder), plan)

    lines = [json.loads(line) for line in review_path(out).read_text("utf-8").splitlines()]
    ner = Recogniser.load(str(tiny_folder), device="cpu")
    answers = [ner.recognise([sentence], types=["person", "location"])[0] for sentence in sentences_of(TEXTS)]
    least = sorted(answer.score for answer in answers)[:4]
    assert [line["score"] for line in lines] == pytest.approx(least, abs=1e-3)
    assert [line["text"] for line in lines] == [TEXTS[line["row"] - 1] for line in lines]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.txt", "out.jsonl.gz", "out.review.jsonl"]


def sentences_of(texts: list[str]):
    from cpner.corpus import Sentence

    return [Sentence.from_text(text) for text in texts]


def test_what_was_corrected_is_a_corpus(tmp_path: Path):
    shard = Shard(2, [Text("Ada left", {}), Text("Joseph slept", {}), Text("nobody", {})], "2", 0)
    reply = Reply([[(0, 3, "person", 0.5)], [(0, 6, "person", 0.9)], []], scores=[0.4, 0.2, None])

    lines = review_lines(shard, reply, 6, 5)
    (tmp_path / "train.jsonl").write_bytes(lines)

    assert [json.loads(line)["row"] for line in lines.splitlines()] == [8, 7]
    assert [sentence.entities[0].text for sentence in Corpus.read(tmp_path).train] == ["Joseph", "Ada"]


@pytest.mark.parametrize("name", ["found.jsonl", "found.jsonl.xz", "found.parquet", "found.JSONL.GZ"])
def test_the_file_is_named_for_the_output(name: str):
    assert review_path(Path("a", name)) == Path("a", "found.review.jsonl")
