"""The page of results."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from cpner.errors import CorpusError
from cpner.experiments.paper.cells import SEVERAL, Cell
from cpner.experiments.paper.grid import is_outdated
from cpner.experiments.paper.report import write_page
from cpner.experiments.paper.runner import SHARED_LOOP
from cpner.experiments.paper.summary import read_summary, write_summary
from cpner.training import TrainingConfig
from tests.experiments.paper.support import record


def test_results_that_are_none_are_refused(tmp_path):
    assert write_page(tmp_path, tmp_path / "page.md") == []
    assert "Not run yet: `cpner reproduce table1 --data data`." in (tmp_path / "page.md").read_text("utf-8")
    (tmp_path / "table1.json").write_text("[]", "utf-8")
    with pytest.raises(CorpusError, match="can't be read as results"):
        write_page(tmp_path, tmp_path / "page.md")
    path = write_summary({"experiment": "table1", "records": [], "comparisons": []}, tmp_path)
    assert read_summary(path)["records"] == []


@pytest.mark.parametrize("other", ["b" * 12, "a" * 12])
def test_page_tells_when_its_sections_are_of_different_backbones(tmp_path: Path, other: str) -> None:
    for name, fingerprint in {"table1": "a" * 12, "zero-shot": other}.items():
        made = {"backbone": "mini", "backbone_fingerprint": fingerprint, "commit": "c", "device": "CPU", "seconds": 1.0}
        strategy = "none" if name == "table1" else "zero-shot"
        records = [{**record(Cell("ai", strategy=strategy), 40.0), **made, "settings": {}}]
        write_summary({"experiment": name, "records": records, "comparisons": []}, tmp_path)

    write_page(tmp_path, tmp_path / "page.md")

    page = (tmp_path / "page.md").read_text("utf-8")
    assert (f"- mini ({other}): *Without any training*" in page) == (other != "a" * 12)


@pytest.mark.parametrize(
    ("old", "told"), [({}, None), ({"dropout": 0.5}, "dropout 0.5"), ({"max_epochs": None}, "no max_epochs")]
)
def test_page_tells_the_defaults_that_were_others_then(tmp_path: Path, old: dict[str, Any], told: str | None) -> None:
    training = {name: value for name, value in {**TrainingConfig().written(), **old}.items() if value is not None}
    made = {"backbone": "mini", "backbone_fingerprint": "a", "commit": "c", "device": "CPU", "seconds": 1.0}
    records = [{**record(Cell("ai"), 40.0), **made, "settings": {"training": training}}]
    write_summary({"experiment": "table1", "records": records, "comparisons": []}, tmp_path)

    write_page(tmp_path, tmp_path / "page.md")

    page = (tmp_path / "page.md").read_text("utf-8")
    assert f"| defaults then | {told} |" in page if told else "defaults then" not in page


@pytest.mark.parametrize(
    ("cell", "loop", "outdated"),
    [
        (Cell("ai", strategy="lora"), {}, True),
        (Cell("ai", sources=SEVERAL, strategy="collaborate", variant="embedding"), {}, True),
        (Cell("ai", strategy="lora"), {"loop": SHARED_LOOP}, False),
        (Cell("ai"), {}, False),
    ],
)
def test_page_tells_which_rows_were_trained_by_another_loop(
    tmp_path: Path, cell: Cell, loop: dict[str, str], outdated: bool
) -> None:
    made = {"backbone": "mini", "backbone_fingerprint": "a", "commit": "c", "device": "CPU", "seconds": 1.0}
    tuned = {**record(cell, 40.0, **loop), **made, "settings": {}, "trained_parameters": 1, "bytes": 2}
    write_summary({"experiment": "figure4", "records": [tuned], "comparisons": []}, tmp_path)

    write_page(tmp_path, tmp_path / "page.md")

    assert is_outdated(tuned) == outdated
    assert ("**To be run anew:** " in (tmp_path / "page.md").read_text("utf-8")) == outdated


def test_the_page_has_a_table_of_all_results_beside_it(tmp_path: Path) -> None:
    made = {
        "backbone": "mini",
        "backbone_fingerprint": "a",
        "commit": "c",
        "device": "CPU",
        "seconds": 1.0,
        "settings": {},
    }
    for name, f1 in (("table1", 40.0), ("vote", 50.0)):
        write_summary({"experiment": name, "records": [record(Cell("ai"), f1) | made], "comparisons": []}, tmp_path)

    write_page(tmp_path, tmp_path / "page.md")

    rows = list(csv.DictReader((tmp_path / "results.csv").read_text("utf-8").splitlines()))
    assert [(row["experiment"], row["target"], row["f1"]) for row in rows] == [
        ("table1", "ai", "40.0"),
        ("vote", "ai", "50.0"),
    ]
