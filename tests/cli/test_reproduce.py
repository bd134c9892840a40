"""`cpner reproduce`: what it runs, prints, draws and refuses."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest

from cpner.experiments.paper.cells import Cell
from cpner.experiments.paper.summary import cell_of, read_summary
from tests.support import cpner, environment


@pytest.fixture(autouse=True)
def quiet():
    """PEFT imports what warns of its own age."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize(
    "experiment",
    ["figure3", "table3", *(pytest.param(name, marks=pytest.mark.slow) for name in ("table2", "figure4", "selection"))],
)
def test_reproduce_prints_draws_and_reports(public_data, tiny_folder, tmp_path, experiment):
    arguments = (
        "--data", public_data, "--out", tmp_path / "out", "--backbone", tiny_folder, "--seeds", 1, "--epochs", 1,
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


def test_reproduce_runs_only_the_variant_that_is_asked_for(public_data, tiny_folder, tmp_path):
    result = cpner(
        "reproduce", "table1", "--data", public_data, "--out", tmp_path, "--backbone", tiny_folder, "--seeds", 1,
        "--json", "--epochs", 1, "--target", "ai", "--variant", "plain", "--strategy", "none", "--test-sentences", 2,
        "--device", "cpu",
    )  # fmt: skip

    assert result.exit_code == 0, result.stderr
    summary = json.loads(result.stdout)
    assert [cell_of(record) for record in summary["records"]] == [Cell("ai")]
    assert "--variant plain" in summary["command"]


def test_reproduce_takes_as_many_dapt_steps_as_asked_for(public_data, tiny_folder, tmp_path):
    result = cpner(
        "reproduce", "table1", "--data", public_data, "--out", tmp_path, "--backbone", tiny_folder, "--seeds", 1,
        "--json", "--epochs", 1, "--source-epochs", 1, "--target", "ai", "--variant", "dapt", "--dapt-steps", 3,
        "--test-sentences", 2, "--device", "cpu",
    )  # fmt: skip

    assert result.exit_code == 0, result.stderr
    (record,) = json.loads(result.stdout)["records"]
    assert record["cell"]["variant"] == "dapt"
    assert record["settings"]["budget"]["dapt_steps"] == 3
    assert record["settings"]["mixing"]["share"] == 0.5  # the paper's


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


def test_corpora_of_ones_own_are_compared_with_settings_of_ones_own(
    public_data: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    arguments = ("--data", public_data, "--out", out, "--backbone", tiny_folder, "--seeds", 1, "--epochs", 1)
    chosen = ("--target", "ai", "--source", "music", "--source", "politics")
    settings = ("--alpha", 0.75, "--temperature", 0.5, "--length", 4, "--csv", tmp_path / "own.csv")

    result = cpner("reproduce", "own", *arguments, *chosen, *settings)

    assert result.exit_code == 0, result.stderr
    rows = list(csv.DictReader((tmp_path / "own.csv").read_text("utf-8").splitlines()))
    assert [(row["strategy"], row["sources"]) for row in rows] == [("none", ""), ("collaborate", "music politics")]
    records = read_summary(out / "own.json")["records"]
    assert [float(row["f1"]) for row in rows] == [record["f1"] for record in records]
    for record in records:
        assert record["settings"]["mixing"]["alpha"] == 0.75 and record["settings"]["mixing"]["temperature"] == 0.5
        assert record["settings"]["mixing"]["share"] is None  # chosen, as in transfer
        assert record["settings"]["prefix"]["length"] == 4
    assert f"Wrote {tmp_path / 'own.csv'}" in result.stderr


@pytest.mark.parametrize(
    ("options", "message"), [((), "needs --target"), (("--target", "ai", "--strategy", "chain"), "needs --source")]
)
def test_corpora_of_ones_own_must_be_named(
    public_data: Path, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    result = cpner("reproduce", "own", "--data", public_data, "--out", tmp_path, *options)

    assert result.exit_code == 2 and message in result.stderr


@pytest.mark.slow
def test_ctrl_c_ends_all_processes_in_one_line(public_data: Path, tiny_folder: Path, tmp_path: Path) -> None:
    arguments = (
        "--data",
        public_data,
        "--out",
        tmp_path,
        "--backbone",
        tiny_folder,
        "--target",
        "ai",
        "--source",
        "music",
    )
    command = [sys.executable, "-m", "cpner", "reproduce", "own", *arguments, "--jobs", "2", "--epochs", "9999"]
    process = subprocess.Popen(
        list(map(str, command)), env=environment(), stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while len(children.read_text().split()) < 3 and process.poll() is None:  # two, and what keeps count of resources
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=120)

    assert (process.returncode, stderr) == (130, "cpner: stopped. Run the same command to go on from there.\n")
