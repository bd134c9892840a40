"""Cells of experiments are run once, and kept."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from cpner.corpus import Span
from cpner.experiments.paper.budget import Budget
from cpner.experiments.paper.cells import STRATEGIES, VARIANTS, WITH_SOURCES, Cell
from cpner.experiments.paper.grid import Grid, Setup, read_spans, write_spans
from cpner.experiments.paper.summary import summarise
from cpner.experiments.paper.tables import markdown
from cpner.training import TrainingConfig

BUDGET = Budget(epochs=1, source_epochs=1, dapt_steps=2)
QUICK = TrainingConfig(epochs=1, min_steps=0)
PAIR = ("conll2003", "politics", "music")


@pytest.fixture(autouse=True)
def quiet():
    """PEFT imports what warns of its own age."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def grid(tiny_folder: Path, data: Path, out: Path, lines: list[str] | None = None, **settings) -> Grid:
    setup = Setup(str(tiny_folder), data, out, **{"budget": BUDGET, "config": QUICK, "device": "cpu", **settings})
    return Grid(setup, lambda step: None if lines is None else lines.append(step.message))


@pytest.mark.slow
def test_cells_of_all_strategies_are_run_once_and_kept(public_data, tiny_folder, tmp_path):
    pytest.importorskip("peft")
    cells = [Cell("ai", sources=PAIR if name in WITH_SOURCES else (), strategy=name) for name in STRATEGIES]
    first, second = [], []

    records = grid(tiny_folder, public_data, tmp_path, first).run(cells)
    again = grid(tiny_folder, public_data, tmp_path, second).run(cells)

    assert again == records and not second
    assert sum("warm-up of source" in line for line in first) == 3
    assert sum("warm-up of target" in line for line in first) == 1
    for record in records:
        assert {"commit", "device", "versions", "seconds", "data", "settings"} <= record.keys()
        assert (record["f1"] is None) == (record["cell"]["strategy"] == "select")
    same = {r["backbone_fingerprint"] for r in records}
    assert len(same) == 1
    by_strategy = {r["cell"]["strategy"]: r for r in records}
    assert sum(by_strategy["collaborate"]["weights"].values()) == pytest.approx(1)
    assert by_strategy["ensemble"]["bytes"] == 3 * by_strategy["none"]["bytes"]
    assert by_strategy["seeds"]["bytes"] == 4 * by_strategy["none"]["bytes"]
    for taught in ("self-training", "sources-teach"):
        assert by_strategy[taught]["bytes"] == by_strategy["none"]["bytes"]
    assert set(by_strategy["sources-teach"]["weights"]) == set(PAIR)
    assert len(by_strategy["search"]["search"]["tried"]) == 27
    other = grid(tiny_folder, public_data, tmp_path, budget=Budget(dev_sentences=1))
    assert other.result(cells[0]) is None  # made with other settings


@pytest.mark.slow
def test_variants_differ_from_the_whole_method(public_data, tiny_folder, tmp_path):
    cells = [Cell("ai", sources=PAIR[:2], strategy="collaborate", variant=variant) for variant in VARIANTS]

    records = grid(tiny_folder, public_data, tmp_path).run(cells)

    assert [record["cell"]["variant"] for record in records] == list(VARIANTS)
    assert records[-1]["cell"]["variant"] == "dapt"
    summary = summarise("figure4", grid(tiny_folder, public_data, tmp_path), records)
    assert len(summary["comparisons"]) == len(VARIANTS) - 1
    assert "without entity similarity" in markdown(summary)


@pytest.mark.slow
def test_processes_find_what_one_alone_does(public_data, tiny_folder, tmp_path):
    cells = [Cell("ai", seed=seed) for seed in (0, 1)] + [Cell("ai", sources=PAIR[:2], strategy="chain")]

    alone = grid(tiny_folder, public_data, tmp_path / "one").run(cells)
    together = grid(tiny_folder, public_data, tmp_path / "two").run(cells, jobs=2)

    assert [record["found"] for record in together] == [record["found"] for record in alone]


def test_a_run_goes_on_where_it_was_stopped(public_data, tiny_folder, tmp_path):
    cells = [Cell("ai", seed=seed) for seed in (0, 1)]
    grid(tiny_folder, public_data, tmp_path).run(cells[:1])
    lines = []

    grid(tiny_folder, public_data, tmp_path, lines).run(cells)

    assert all("seed 1" in line for line in lines)


def test_spans_survive_their_record():
    spans = [Span(0, 2, "person"), Span(5, 6, "political party")]

    assert read_spans(write_spans(spans)) == spans
    assert read_spans(write_spans([])) == []


@pytest.mark.slow
def test_a_cluster_gives_what_one_process_gives(public_data, tiny_folder, tmp_path, ray_cluster):
    from cpner.cluster import join

    address = ray_cluster.stdout.readline().strip()
    cells = [Cell("ai", sources=PAIR[:2], strategy="collaborate", seed=seed) for seed in (0, 1)]
    lines: list[str] = []
    alone = grid(tiny_folder, public_data, tmp_path / "alone").run(cells)

    with join(address) as cluster:
        shared = grid(tiny_folder, public_data, tmp_path / "shared", lines).run(cells, cluster=cluster)

    assert [record["found"] for record in shared] == [record["found"] for record in alone]
    assert sum("warm-up of source" in line for line in lines) == 4 and len(lines) == 8
