"""Cells of experiments are run once, kept, and put into tables."""

from pathlib import Path

import pytest

from cpner.corpus import Corpus
from cpner.errors import ConfigError
from cpner.experiments.grid import CROSSNER, Budget, Cell, Grid, crossner_cells, several_cells, summarise
from cpner.experiments.tables import PUBLISHED, markdown
from cpner.training import TrainingConfig


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder that looks like the public datasets, filled from the samples."""
    for name, sample in (("ai", "science"), ("conll2003", "news")):
        corpus = Corpus.read(f"sample:{sample}")
        splits = {"train": corpus.train[:8], "dev": corpus.dev[:2], "test": corpus.test[:3]}
        Corpus(name, splits, types=corpus.types).write(tmp_path / name, "jsonl")
    return tmp_path


@pytest.mark.slow
def test_cells_are_run_once_and_kept(data: Path, tiny_folder: Path) -> None:
    cells = [
        Cell("ai"),
        Cell("ai", sources=("conll2003",), strategy="collaborate"),
        Cell("ai", strategy="zero-shot"),
        Cell("ai", strategy="floor"),
    ]
    config = TrainingConfig(epochs=1, min_steps=0)
    lines: list[str] = []

    first = Grid(str(tiny_folder), data, data / "out", config=config, report=lines.append).run(cells)
    again = Grid(str(tiny_folder), data, data / "out", config=config, report=lines.append).run(cells)

    assert again == first
    assert sum(line.startswith("ai-all") for line in lines) == len(cells)  # none was run a second time
    assert first[1]["weights"] == {"conll2003": pytest.approx(1.0)}
    assert {record["backbone_fingerprint"] for record in first[:3]} == {first[0]["backbone_fingerprint"]}
    assert first[3]["backbone_fingerprint"] != first[0]["backbone_fingerprint"]
    other = Grid(str(tiny_folder), data, data / "out", budget=Budget(dev_sentences=1), config=config)
    assert other.result(cells[0]) is None  # made with other settings


def test_published_figures_belong_to_cells() -> None:
    keys = {cell.key for cell in crossner_cells([0]) + several_cells([0])}

    assert set(PUBLISHED) <= keys
    table1 = [PUBLISHED[f"{name}-all-collaborate-conll2003"] for name in CROSSNER]
    assert sum(table1) / 5 == pytest.approx(72.30, abs=0.005)  # the average that the paper prints


def test_table_gives_mean_and_deviation_over_seeds() -> None:
    cells = [Cell("ai", seed=seed) for seed in (0, 1)]
    records = [{"cell": cell.__dict__, "f1": f1} for cell, f1 in zip(cells, (40.0, 44.0), strict=True)]

    assert summarise(records)["ai-all-none"].mean == 42.0
    assert "| ai | all | none | 42.0 ± 2.8 | 60.24 |" in markdown(records)


def test_table_names_what_each_row_was_made_with() -> None:
    cells = {
        Cell("ai", strategy="zero-shot"): "none (zero-shot)",
        Cell("ai", strategy="floor"): "none (random backbone)",
        Cell("ai", sources=("conll2003", "music"), strategy="collaborate"): "conll2003, music",
    }
    table = markdown([{"cell": cell.__dict__, "f1": 10.0} for cell in cells])

    assert all(f"| ai | all | {told} | 10.0" in table for told in cells.values())


def test_strategy_and_sources_must_agree() -> None:
    with pytest.raises(ConfigError, match="makes no sense"):
        Cell("ai", strategy="collaborate")
