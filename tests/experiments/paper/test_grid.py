"""Cells of experiments are run once, kept, and put into tables."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from cpner.corpus import Corpus, Sentence, Span
from cpner.errors import CorpusError
from cpner.experiments.paper.budget import Budget
from cpner.experiments.paper.cells import SEVERAL, STRATEGIES, VARIANTS, WITH_SOURCES, Cell
from cpner.experiments.paper.figures import draw
from cpner.experiments.paper.grid import Grid, Setup, is_outdated, read_spans, write_spans
from cpner.experiments.paper.report import write_page
from cpner.experiments.paper.runner import SHARED_LOOP
from cpner.experiments.paper.statistics import spearman
from cpner.experiments.paper.summary import cell_of, find_cases, read_summary, summarise, write_summary
from cpner.experiments.paper.tables import markdown
from cpner.training import TrainingConfig
from tests.support import cpner

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
def test_cells_of_all_strategies_are_run_once_and_kept(data, tiny_folder, tmp_path):
    pytest.importorskip("peft")
    cells = [Cell("ai", sources=PAIR if name in WITH_SOURCES else (), strategy=name) for name in STRATEGIES]
    first, second = [], []

    records = grid(tiny_folder, data, tmp_path, first).run(cells)
    again = grid(tiny_folder, data, tmp_path, second).run(cells)

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
    other = grid(tiny_folder, data, tmp_path, budget=Budget(dev_sentences=1))
    assert other.result(cells[0]) is None  # made with other settings


@pytest.mark.slow
def test_variants_differ_from_the_whole_method(data, tiny_folder, tmp_path):
    cells = [Cell("ai", sources=PAIR[:2], strategy="collaborate", variant=variant) for variant in VARIANTS]

    records = grid(tiny_folder, data, tmp_path).run(cells)

    assert [record["cell"]["variant"] for record in records] == list(VARIANTS)
    assert records[-1]["cell"]["variant"] == "dapt"
    summary = summarise("figure4", grid(tiny_folder, data, tmp_path), records)
    assert len(summary["comparisons"]) == len(VARIANTS) - 1
    assert "without entity similarity" in markdown(summary)


@pytest.mark.slow
def test_processes_find_what_one_alone_does(data, tiny_folder, tmp_path):
    cells = [Cell("ai", seed=seed) for seed in (0, 1)] + [Cell("ai", sources=PAIR[:2], strategy="chain")]

    alone = grid(tiny_folder, data, tmp_path / "one").run(cells)
    together = grid(tiny_folder, data, tmp_path / "two").run(cells, jobs=2)

    assert [record["found"] for record in together] == [record["found"] for record in alone]


def test_a_run_goes_on_where_it_was_stopped(data, tiny_folder, tmp_path):
    cells = [Cell("ai", seed=seed) for seed in (0, 1)]
    grid(tiny_folder, data, tmp_path).run(cells[:1])
    lines = []

    grid(tiny_folder, data, tmp_path, lines).run(cells)

    assert all("seed 1" in line for line in lines)


@pytest.mark.parametrize(
    "experiment", ["table2", "figure3", "selection", "table3", pytest.param("figure4", marks=pytest.mark.slow)]
)
def test_reproduce_prints_draws_and_reports(data, tiny_folder, tmp_path, experiment):
    arguments = (
        "--data", data, "--out", tmp_path / "out", "--backbone", tiny_folder, "--seeds", 1, "--epochs", 1,
        "--source-epochs", 1, "--target", "ai", "--test-sentences", 2, "--device", "cpu",
    )  # fmt: skip

    result = cpner("reproduce", experiment, *arguments)

    assert result.exit_code == 0, result.stderr
    assert "| " in result.stdout or "No such case" in result.stdout
    again = cpner("reproduce", experiment, *arguments, "--json")
    assert json.loads(again.stdout) == read_summary(tmp_path / "out" / f"{experiment}.json")
    pictures = list((tmp_path / "out").glob("*.png"))
    assert bool(pictures) == experiment.startswith("figure")
    page = tmp_path / "docs" / "results.md"
    reported = cpner("reproduce", "report", "--out", tmp_path / "out", "--page", page)
    assert (reported.exit_code, reported.stdout) == (0, "")
    text = page.read_text("utf-8")
    assert f"`cpner reproduce {experiment} " in text and set(result.stdout.splitlines()) <= set(text.splitlines())
    for picture in pictures:
        assert f"(results/{picture.name})" in text and (page.parent / "results" / picture.name).is_file()


def test_reproduce_runs_only_the_variant_that_is_asked_for(data, tiny_folder, tmp_path):
    result = cpner(
        "reproduce", "table1", "--data", data, "--out", tmp_path, "--backbone", tiny_folder, "--seeds", 1, "--json",
        "--epochs", 1, "--target", "ai", "--variant", "plain", "--strategy", "none", "--test-sentences", 2,
        "--device", "cpu",
    )  # fmt: skip

    assert result.exit_code == 0, result.stderr
    summary = json.loads(result.stdout)
    assert [cell_of(record) for record in summary["records"]] == [Cell("ai")]
    assert "--variant plain" in summary["command"]


def test_reproduce_takes_as_many_dapt_steps_as_asked_for(data, tiny_folder, tmp_path):
    result = cpner(
        "reproduce", "table1", "--data", data, "--out", tmp_path, "--backbone", tiny_folder, "--seeds", 1, "--json",
        "--epochs", 1, "--source-epochs", 1, "--target", "ai", "--variant", "dapt", "--dapt-steps", 3,
        "--test-sentences", 2, "--device", "cpu",
    )  # fmt: skip

    assert result.exit_code == 0, result.stderr
    (record,) = json.loads(result.stdout)["records"]
    assert record["cell"]["variant"] == "dapt"
    assert record["settings"]["budget"]["dapt_steps"] == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("table1", "--data", "nowhere"), "no folder of public datasets at nowhere"),
        (("table1", "--data", ".", "--target", "food"), "no part with target food"),
        (("table1", "--data", ".", "--target", "ai", "--variant", "sum"), "no part with target ai, variant sum"),
        (("tables",), "'tables' is not one of"),
    ],
)
def test_reproduce_says_what_is_wrong(arguments, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = cpner("reproduce", *arguments)

    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert said in result.stderr


def record(cell: Cell, f1: float, **more) -> dict:
    return {"cell": cell.to_json(), "f1": f1, **more}


def test_table_gives_mean_and_deviation_over_seeds_and_the_gain():
    none = [record(Cell("ai", seed=seed), f1) for seed, f1 in ((0, 40.0), (1, 44.0))]
    several = {"sources": SEVERAL, "strategy": "collaborate"}
    ours = [record(Cell("ai", seed=seed, **several), f1) for seed, f1 in ((0, 45.0), (1, 47.0))]
    key = "-".join(["ai-all-collaborate", *SEVERAL])
    comparisons = [{"row": key, "against": "ai-all-none", "p_value": 0.0123}]

    table = markdown({"experiment": "table2", "records": [*none, *ours], "comparisons": comparisons})

    assert "| ai | all | none | none | 42.0 ± 2.8 | 60.24 |  |  |" in table
    assert (
        "| ai | all | CP-NER | conll2003, politics, literature, music | 46.0 ± 1.4 | 64.9 | +4.0 ± 1.4 (0.012) |"
        in table
    )
    assert "| target | sentences | none | CP-NER | none, published | CP-NER, published |" in table
    assert "| ai | all | 42.0 | **46.0** | 60.2 | 64.9 |" in table


def test_a_page_folds_the_long_table_where_a_short_one_stands_before_it():
    several = {"sources": SEVERAL, "strategy": "collaborate"}
    two = [record(Cell("ai"), 40.0), record(Cell("ai", **several), 41.0)]
    other = record(Cell("ai", sources=SEVERAL[:2], strategy="collaborate"), 42.0)

    def folded(records: list[dict]) -> bool:
        return "<details" in markdown({"experiment": "table2", "records": records, "comparisons": []}, fold=True)

    assert folded(two) and not folded(two[:1])
    assert not folded([*two, other])  # one way with two sets of sources


def test_many_ways_stand_in_rows():
    rows = [{"sources": tuple(s for s in SEVERAL if s != left), "strategy": "collaborate"} for left in SEVERAL]
    rows += [{"sources": SEVERAL, "strategy": "collaborate", "variant": variant} for variant in list(VARIANTS)[:5]]
    records = [record(Cell("ai", **row), 40.0 + i) for i, row in enumerate(rows)]

    table = markdown({"experiment": "figure4", "records": records, "comparisons": []})

    assert table.startswith(
        "| target | ai |\n| --- | --- |\n| sentences | all |\n| CP-NER, without conll2003 | 40.0 |\n"
    )
    assert "| CP-NER, without options in the instructor | **48.0** |\n" in table


def test_gains_are_averaged_over_rows():
    several = {"sources": SEVERAL, "strategy": "collaborate"}
    records = []
    for target, none, ours in (("ai", 40.0, 45.0), ("science", 50.0, 49.0), ("mit_movie", 30.0, 32.0)):
        records += [record(Cell(target), none), record(Cell(target, **several), ours)]

    table = markdown({"experiment": "table2", "records": records, "comparisons": []})

    assert "| CP-NER | conll2003, politics, literature, music | +2.0, better in 2 of 3 |  |" in table


def test_learning_curves_are_drawn_for_each_target(tmp_path):
    records = [record(Cell("ai", count=count), 4.0 * count) for count in (5, 10, 20)]

    (path,) = draw({"experiment": "learning-curve", "records": records, "comparisons": []}, tmp_path)

    assert path.name == "learning-curve-ai.png" and path.read_bytes().startswith(b"\x89PNG")


def test_selection_says_whether_weights_follow_gains():
    chosen = {"sources": list(SEVERAL), "weights": [0.1, 0.2, 0.3, 0.4], "entity_similarity": [0.5] * 4,
              "prefix_similarity": [0.5] * 4}  # fmt: skip
    records = [record(Cell("ai"), 40.0)]
    records += [record(Cell("ai", sources=(name,), strategy="collaborate"), 41.0 + i) for i, name in enumerate(SEVERAL)]
    records += [{"cell": Cell("ai", sources=SEVERAL, strategy="select").to_json(), "f1": None, "selection": chosen}]

    table = markdown({"experiment": "selection", "records": records, "comparisons": []})

    assert "| ai | music | 0.500 | 0.500 | 0.400 | +4.0 |" in table
    assert "Spearman's rank correlation of weight and gain is +1.00 over 4 sources" in table


def test_rank_correlation():
    assert spearman([1, 2, 3], [10, 20, 30]) == pytest.approx(1)
    assert spearman([1, 2, 3], [9, 5, 1]) == pytest.approx(-1)
    assert spearman([1, 2, 2, 3], [1, 3, 2, 4]) == pytest.approx(0.9486833)  # as scipy.stats.spearmanr gives it
    assert spearman([1, 1], [1, 2]) == 0


def test_cases_are_entities_that_a_source_has_too():
    gold = [Sentence.from_words(["Ada", "met", "Joseph"], [Span(2, 3, "person")])]
    source = Sentence.from_words(["joseph", "sang"], [Span(0, 1, "singer")])
    corpora = {"music": Corpus("music", {"train": [source]})}
    wrong, right = [[Span(1, 3, "place")]], [[Span(2, 3, "person")]]

    assert find_cases(gold, wrong, right, corpora) == [
        {
            "sentence": "Ada met Joseph", "entity": "Joseph", "type": "person", "without": ["place: met Joseph"],
            "source": "music", "source_sentence": "joseph sang",
        }
    ]  # fmt: skip
    assert find_cases(gold, right, right, corpora) == find_cases(gold, wrong, wrong, corpora) == []


def test_spans_survive_their_record():
    spans = [Span(0, 2, "person"), Span(5, 6, "political party")]

    assert read_spans(write_spans(spans)) == spans
    assert read_spans(write_spans([])) == []


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


def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import os, time\n"
        "from multiprocessing import get_context\n"
        "from cpner.experiments.paper.grid import end_with_parent\n\n"
        "def work():\n    end_with_parent()\n    print(os.getpid(), flush=True)\n    time.sleep(600)\n\n"
        "if __name__ == '__main__':\n    get_context('spawn').Process(target=work).start()\n    time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert int(parent.stdout.readline()) != parent.pid
        parent.kill()
        rest, _ = parent.communicate(timeout=60)  # the pipe ends when the last process that holds it does
    assert rest == ""


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
