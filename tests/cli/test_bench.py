from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from cpner.bench import measure as bench
from cpner.cli import main


@pytest.mark.slow
def test_command_prints_and_writes(tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "LENGTHS", (10,))
    command = ["bench", "--backbone", str(tiny_folder), "--rounds", "1", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(main, command)

    assert done.exit_code == 0, done.output
    assert "sentences a second, batch 32" in done.output
    written = json.loads((tmp_path / "out" / "bench.json").read_text())
    assert list(written["milliseconds_per_sentence"]) == ["10"]
    assert (tmp_path / "out" / "bench.html").is_file()


def test_unknown_backbone_is_one_line(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["bench", "--backbone", str(tmp_path / "none")])

    assert done.exit_code == 2
