"""Files that the tools' own libraries write, and what these read of ours; skipped where they are not installed."""

from __future__ import annotations

import json
import os

import pytest

from cpner.corpus import Corpus, Sentence
from tests.corpus.support import MARKS, NAMES, TEXT, names

CONFIG = (
    '<View><Labels name="label" toName="text"><Label value="person"/></Labels><Text name="text" value="$text"/></View>'
)
SENTENCES = [Sentence.from_text(TEXT, MARKS), Sentence.from_text("So did Bo.")]


@pytest.fixture
def corpus() -> Corpus:
    return Corpus.from_sentences(SENTENCES)


@pytest.mark.filterwarnings("ignore")  # of the libraries themselves
@pytest.mark.parametrize("kind", ["JSON", "JSON_MIN"])
def test_exports_of_label_studio_are_read(corpus, tmp_path, kind):
    sdk = pytest.importorskip("label_studio_sdk.converter")
    tasks = json.loads("".join(corpus_lines(corpus, tmp_path)))
    for number, task in enumerate(tasks):  # as the server numbers them
        task["id"] = number
        for annotation in task["annotations"]:
            annotation["id"] = number
            annotation["completed_by"] = {"id": 1}
    (tmp_path / "tasks.json").write_text(json.dumps(tasks), "utf-8")

    sdk.Converter(CONFIG, str(tmp_path)).convert(
        str(tmp_path / "tasks.json"), str(tmp_path / "out"), kind, is_dir=False
    )

    made = next(path for path in (tmp_path / "out").iterdir() if path.is_file())
    read = Corpus.read(made)
    assert names(read) == NAMES
    assert [sentence.text for sentence in read.train] == [sentence.text for sentence in SENTENCES]


@pytest.mark.filterwarnings("ignore")
def test_that_label_studio_loses_labels_in_conll_is_told(corpus, tmp_path):
    sdk = pytest.importorskip("label_studio_sdk.converter")
    tasks = [{**task, "id": 1} for task in json.loads("".join(corpus_lines(corpus, tmp_path)))]
    tasks[0]["annotations"][0].update(id=1, completed_by={"id": 1})
    (tmp_path / "tasks.json").write_text(json.dumps(tasks[:1]), "utf-8")

    sdk.Converter(CONFIG, str(tmp_path)).convert(
        str(tmp_path / "tasks.json"), str(tmp_path / "out"), "CONLL2003", is_dir=False
    )

    read = Corpus.read(next((tmp_path / "out").iterdir()))
    assert names(read) == [("person", "Ida Storm"), ("place", "Lund .")]  # the emoji moved its offsets
    assert read.repairs == {"file of Label Studio's export to CoNLL, which loses labels: its JSON has all": 1}


def corpus_lines(corpus: Corpus, folder) -> list[str]:
    """What is written for Label Studio."""
    [path] = corpus.write(folder / "written.json", "label-studio")
    return path.read_text("utf-8").splitlines()


@pytest.mark.filterwarnings("ignore")
def test_datasets_reads_what_is_written_and_writes_what_is_read(corpus, tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    pytest.importorskip("pyarrow")
    monkeypatch.setitem(os.environ, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    corpus.write(tmp_path / "written.jsonl", "huggingface")

    table = datasets.Dataset.from_json(str(tmp_path / "written.jsonl"), cache_dir=str(tmp_path / "cache"))
    tags = ["O", "B-person", "I-person", "B-place"]
    features = datasets.Features(
        {
            "tokens": datasets.Sequence(datasets.Value("string")),
            "ner_tags": datasets.Sequence(datasets.ClassLabel(names=tags)),
        }
    )
    table = table.cast(features)
    table.to_parquet(str(tmp_path / "train.parquet"))
    table.to_json(str(tmp_path / "numbers.jsonl"))
    table.save_to_disk(str(tmp_path / "disk" / "train"))

    read = Corpus.read(tmp_path / "train.parquet")
    assert [sentence.word_texts for sentence in read.train] == [sentence.word_texts for sentence in SENTENCES]
    assert names(read) == NAMES
    assert names(Corpus.read(tmp_path / "disk")) == NAMES
