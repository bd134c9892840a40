"""Formats that need the tool itself; skipped where it is not installed."""

from __future__ import annotations

import json
import zlib

import pytest

from cpner.corpus import Corpus, Sentence
from cpner.corpus.formats import Options
from cpner.errors import CorpusError, MissingExtraError
from tests.support import cpner

SENTENCES = [
    Sentence.from_text("\U0001f600 Ida  Storm-Ek left\nLund.", [(2, 15, "person"), (21, 25, "political body")]),
    Sentence.from_text("So did Bo."),
]


def found(corpus: Corpus) -> list[tuple[str, str]]:
    return [(entity.type, entity.text) for sentence in corpus.train for entity in sentence.entities]


def test_docbin_comes_back(tmp_path):
    pytest.importorskip("spacy")
    Corpus.from_sentences(SENTENCES).write(tmp_path, "docbin")

    corpus = Corpus.read(tmp_path)

    assert corpus.train == SENTENCES


def test_spacy_trains_on_what_doccano_exported(tmp_path):
    spacy = pytest.importorskip("spacy")
    train = pytest.importorskip("spacy.cli.train")
    init_config = pytest.importorskip("spacy.cli.init_config")
    exported = [
        {"id": 1, "text": "\U0001f600 Ida Storm left Lund.", "label": [[2, 11, "PERSON"], [17, 21, "CITY"]]},
        {"id": 2, "text": "Bo stays in Rome", "label": [[0, 2, "PERSON"], [12, 16, "CITY"]]},
    ]
    (tmp_path / "all.jsonl").write_text("\n".join(map(json.dumps, exported)) + "\n", "utf-8")
    data = str(tmp_path / "train.spacy")
    assert cpner("corpora", "convert", tmp_path / "all.jsonl", data, "--format", "docbin").exit_code == 0
    config = init_config.init_config(lang="xx", pipeline=["ner"], optimize="efficiency")
    config.to_disk(tmp_path / "config.cfg")
    settings = {"paths.train": data, "paths.dev": data, "training.max_steps": 1, "training.eval_frequency": 1}

    train.train(tmp_path / "config.cfg", tmp_path / "model", overrides=settings)

    trained = spacy.load(tmp_path / "model/model-last")
    assert trained.get_pipe("ner").labels == ("city", "person")


def test_docbin_of_spacy_is_read(tmp_path):
    spacy = pytest.importorskip("spacy")
    tokens = pytest.importorskip("spacy.tokens")
    document = spacy.blank("en")("Ida Storm left Lund.")
    document.ents = [tokens.Span(document, 0, 2, label="PERSON"), tokens.Span(document, 3, 4, label="GPE")]
    document.spans["sc"] = [tokens.Span(document, 1, 2, label="NAME")]
    tokens.DocBin(docs=[document]).to_disk(tmp_path / "train.spacy")

    corpus = Corpus.read(tmp_path)

    assert found(corpus) == [("person", "Ida Storm"), ("geopolitical entity", "Lund")]
    assert corpus.repairs == {"group of spans left out": 1}


def test_docbin_whose_labels_have_no_name_is_an_error(tmp_path):
    spacy = pytest.importorskip("spacy")
    tokens = pytest.importorskip("spacy.tokens")
    document = spacy.blank("en")("Ida left.")
    document.ents = [tokens.Span(document, 0, 1, label="NAME OF OURS")]
    data = zlib.decompress(tokens.DocBin(docs=[document]).to_bytes())
    (tmp_path / "train.spacy").write_bytes(zlib.compress(data.replace(b"NAME OF OURS", b"NAME OF HERS")))

    with pytest.raises(CorpusError, match=r"train\.spacy: is no DocBin: \[E\d+\]"):
        Corpus.read(tmp_path)


def test_docbin_that_unpacks_to_too_much_is_refused(tmp_path):
    pytest.importorskip("spacy")
    packing = zlib.compressobj()
    data = b"".join(packing.compress(bytes(1 << 20)) for _ in range(257)) + packing.flush()
    (tmp_path / "train.spacy").write_bytes(data)

    with pytest.raises(CorpusError, match="unpacks to more than 256 MB"):
        Corpus.read(tmp_path)


@pytest.mark.parametrize("data", [b"", b"no DocBin"])
def test_broken_docbin_is_an_error(tmp_path, data):
    pytest.importorskip("spacy")
    (tmp_path / "train.spacy").write_bytes(data)

    with pytest.raises(CorpusError, match=r"train\.spacy: is no DocBin"):
        Corpus.read(tmp_path)


def table(pyarrow, named: bool):
    made = pyarrow.table({"tokens": [["Ida", "Storm", "left"], ["Bo"]], "ner_tags": [[1, 2, 0], [1]]})
    names = {"names": ["O", "B-PER", "I-PER"], "_type": "ClassLabel"}
    features = {"ner_tags": {"feature": names, "_type": "Sequence"}}
    metadata = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    return made.replace_schema_metadata(metadata) if named else made


def test_shards_of_parquet_are_one_split(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    for i in range(2):
        parquet.write_table(table(pyarrow, named=True), tmp_path / f"train-0000{i}-of-00002.parquet")

    corpus = Corpus.read(tmp_path)

    assert found(corpus) == [("person", "Ida Storm"), ("person", "Bo")] * 2


def test_numbers_without_names_are_refused_or_named_by_the_user(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    path = tmp_path / "train.arrow"
    with pyarrow.OSFile(str(path), "wb") as file, pyarrow.ipc.new_stream(file, table(pyarrow, False).schema) as out:
        out.write_table(table(pyarrow, False))

    with pytest.raises(CorpusError, match="tag names"):
        Corpus.read(path)
    assert found(Corpus.read(path, options=Options(tag_names=("O", "B-PER", "I-PER")))) == [
        ("person", "Ida Storm"),
        ("person", "Bo"),
    ]


@pytest.mark.parametrize(("name", "module"), [("train.spacy", "spacy"), ("train.parquet", "pyarrow")])
def test_a_tool_that_is_missing_is_named(tmp_path, monkeypatch, name, module):
    monkeypatch.setitem(__import__("sys").modules, module, None)
    (tmp_path / name).write_bytes(b"x")

    with pytest.raises(MissingExtraError, match=r"pip install 'cpner\[formats\]'"):
        Corpus.read(tmp_path)
