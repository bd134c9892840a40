from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support import cpner


def test_fit_checks_its_settings_before_it_trains(corpus, store):
    result = cpner("fit", corpus, "--domain", "new", "--sources", "two", "--top-k", 3, "--store", store)

    assert result.exit_code == 2 and "top_k from 1 to the number of sources" in result.stderr
    assert not (store / ".runs").exists()


@pytest.mark.parametrize(("sources", "expected"), [(None, set()), ("two", {"two"}), ("auto", {"one", "two"})])
def test_fit_uses_the_sources_it_is_given(corpus, store, sources, expected):
    given = () if sources is None else ("--sources", sources, "--share", 0.5)

    result = cpner("fit", corpus, "--domain", "three", *given, "--store", store, "--epochs", 1, "--json")

    assert result.exit_code == 0, result.stderr
    assert set(json.loads(result.stdout)["sources"]) == expected
    assert (store / "three" / "curve.json").exists()
    assert not (store / ".runs").exists()


def wide(folder: Path, dev: int) -> Path:
    """A corpus with as many training as dev sentences."""
    line = json.dumps({"text": "Ada left Rome.", "entities": [{"start": 0, "end": 3, "type": "person"}]})
    for split, count in {"train": 60, "dev": dev}.items():
        if count:
            (folder / f"{split}.jsonl").write_text("\n".join([line] * count), "utf-8")
    return folder


@pytest.mark.parametrize(
    ("dev", "options", "said"),
    [
        (70, ("--count", 10), "dev split: 50 of 70 sentences are looked at, as 10 are learnt from"),
        (70, ("--count", 10, "--dev-count", 3), "dev split: 3 of 70 sentences are looked at"),
        (70, ("--dev-count", 4), "dev split: 4 of 70 sentences are looked at"),
        (70, (), None),
        (0, ("--dev-share", 0.25), "dev split: 15 of 60 training sentences, held out"),
        (0, ("--count", 8, "--dev-share", 0.25), "dev split: 2 of 8 training sentences, held out"),
    ],
)
def test_the_dev_split_is_in_proportion_and_told(tmp_path, tiny_folder, dev, options, said):
    (tmp_path / "corpus").mkdir()
    where = ("--domain", "d", "--store", tmp_path / "store", "--backbone", tiny_folder, "--epochs", 1)

    result = cpner("fit", wide(tmp_path / "corpus", dev), *where, *options, "--json")

    assert result.exit_code == 0, result.stderr
    assert [line.split(";")[0] for line in result.stderr.splitlines() if "dev split" in line] == (
        [said] if said else []
    )
    assert json.loads(result.stdout)["best_f1"] is not None


def test_a_share_for_dev_needs_a_corpus_without_one(tmp_path, tiny_folder):
    where = ("--domain", "d", "--store", tmp_path / "store", "--backbone", tiny_folder)

    result = cpner("fit", wide(tmp_path, 1), *where, "--dev-share", 0.5)

    assert result.exit_code == 2 and "without a dev split" in result.stderr


@pytest.mark.slow
def test_from_label_studio_and_back(tmp_path, tiny_folder):
    """An export is fitted as it is; what is predicted counts offsets as browsers do."""
    text = "\U0001f600 Ada met Joseph in Rome."
    regions = [
        {"type": "labels", "from_name": "label", "to_name": "text", "value": {"start": a, "end": b, "labels": [t]}}
        for a, b, t in [(3, 6, "person"), (11, 17, "person"), (21, 25, "DNA")]
    ]
    task = {"id": 1, "data": {"text": text}, "annotations": [{"result": regions}]}
    (tmp_path / "export.json").write_text(json.dumps([task] * 8), "utf-8")
    (tmp_path / "texts.txt").write_text(f"{text}\nNothing.\n", "utf-8")
    store, predicted, tasks = (tmp_path / name for name in ("store", "predicted.jsonl", "tasks.json"))

    for arguments in [
        ("fit", tmp_path / "export.json", "--domain", "films", "--store", store, "--backbone", tiny_folder,
         "--epochs", 1),
        ("predict", "--input", tmp_path / "texts.txt", "--domain", "films", "--store", store, "--output", predicted),
        ("corpora", "convert", predicted, tasks, "--format", "label-studio"),
    ]:  # fmt: skip
        result = cpner(*arguments)
        assert result.exit_code == 0, result.stderr

    back = json.loads(tasks.read_text("utf-8"))
    entities = [record["entities"] for record in map(json.loads, predicted.read_text("utf-8").splitlines())]
    assert [task["data"]["text"] for task in back] == [text, "Nothing."]
    for task, found in zip(back, entities, strict=True):
        values = [region["value"] for region in task["annotations"][0]["result"]]
        assert [value["text"] for value in values] == [entity["text"] for entity in found]
        for value in values:
            units = task["data"]["text"].encode("utf-16-le")[2 * value["start"] : 2 * value["end"]]
            assert units.decode("utf-16-le") == value["text"]
