"""`cpner pretrain` and `cpner leaks`."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cpner.cli import main
from cpner.pretraining.pool import labelled_files
from cpner.progress import Progress
from tests.support import make_corpus

SMALL = (
    'size = "tiny"\nvocabulary = 1000\nsteps = 3\nheld_out = 8\n'
    "[shape]\nd_model = 32\nd_ff = 48\n"
    "[data]\nbatch_pieces = 300\nmax_source = 160\n"
)


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "small.toml"
    path.write_text(SMALL)
    return path


def test_pretrain_from_text_to_a_backbone_that_loads(corpus: Path, config: Path, tmp_path: Path) -> None:
    sources = ("--text", corpus / "text.txt", "--ner", corpus / "ner")

    prepared = call("pretrain", *sources, "--out", tmp_path / "run", "--config", config, "--prepare-only")
    assert prepared.exit_code == 0 and prepared.stdout == "" and (tmp_path / "run" / "text.npy").is_file()

    result = call("pretrain", "--out", tmp_path / "run", "--config", config, "--text-share", "0.9:0.1", "--json")

    assert result.exit_code == 0, result.output
    final = json.loads(result.stdout)
    assert final["step"] == 3 and 0 <= final["f1"] <= 100
    assert "million parameters" in result.stderr and "floating-point operations" in result.stderr
    from cpner.backbone.load import load

    assert load(final["backbone"], device="cpu").t5.shape.d_model == 32
    state = json.loads((tmp_path / "run" / "checkpoint" / "state.json").read_text())
    assert (state["config"]["data"]["text_share_start"], state["config"]["data"]["text_share"]) == (0.9, 0.1)

    again = call("pretrain", "--out", tmp_path / "run", "--config", config)
    assert again.exit_code == 2 and "--resume" in again.stderr and again.stdout == ""


@pytest.mark.parametrize("only", [("--prepare-only",), ()])
def test_the_making_of_the_data_shows_progress(only, corpus: Path, config: Path, tmp_path: Path, monkeypatch) -> None:
    reports: list[Progress] = []
    monkeypatch.setattr("cpner.cli.pretrain.progress_bar", lambda: contextlib.nullcontext(reports.append))
    sources = ("--text", corpus / "text.txt", "--ner", corpus / "ner")

    result = call("pretrain", *sources, "--out", tmp_path / "run", "--config", config, *only)

    assert result.exit_code == 0, result.output
    tasks = list(dict.fromkeys(report.message.partition(":")[0] for report in reports))
    files = [f"reading {path.name}" for path in labelled_files(corpus / "ner")]
    assert tasks[: len(files) + 3] == ["vocabulary", *files, "text as pieces", "neighbours of pieces"]
    assert f"text as pieces: {len((corpus / 'text.txt').read_text().splitlines()):,} lines" in {
        report.message for report in reports
    }


def test_seed_is_that_of_the_batches_too(config: Path) -> None:
    from cpner.cli.pretrain import _config

    assert _config(config, {"seed": 7}).data.seed == _config(config, {"seed": 7}).seed == 7


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--text-share", "a lot"], "expected a share such as 0.15"),
        (["--text-share", "2"], "text_share is 2.0; expected 0 to 1"),
        (["--shape", "wide"], "expected sizes such as d_model=320,heads=5"),
        (["--seed", "-1"], "-1 is not in the range x>=0"),
        (["--size", "huge"], "size is 'huge'; expected one of tiny, "),
        ([], "holds no vocabulary yet: give --text or --ner"),
    ],
)
def test_pretrain_names_what_is_wrong(tmp_path: Path, arguments: list[str], message: str) -> None:
    result = call("pretrain", "--out", tmp_path / "run", *arguments)

    assert result.exit_code == 2 and message in result.stderr and len(result.stderr.strip().splitlines()) == 1


def test_leaks_as_table_and_json(tmp_path: Path) -> None:
    sentence = "Ada Lovelace wrote the first notes on the engine ."
    (tmp_path / "data" / "history").mkdir(parents=True)
    (tmp_path / "data" / "history" / "test.txt").write_text("\n".join(f"{word} O" for word in sentence.split()))
    (tmp_path / "text.txt").write_text(f"So: {sentence}")

    table = call("leaks", tmp_path / "data", "--text", tmp_path / "text.txt")
    found = call("leaks", tmp_path / "data", "--text", tmp_path / "text.txt", "--json")

    assert table.exit_code == 0 and "history" in table.stdout and "text.txt 1" in table.stdout
    assert json.loads(found.stdout)["benchmarks"]["history"]["found"] == 1
    nothing = call("leaks", tmp_path / "data")
    assert nothing.exit_code == 2 and "nothing to search" in nothing.stderr
