"""Progress in logs: a line now and then, and none for what is over at once."""

from __future__ import annotations

import io
import time

import pytest

from cpner.cli.console import LogProgress, progress_bar, report_line
from cpner.progress import Progress
from tests.support import shell


class Clock:
    """A clock that stands until it is set."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def lines(steps: int, seconds: float, total: int, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What is printed of so many steps, each of which takes so long."""
    clock = Clock()
    report = LogProgress(clock)
    for done in range(1, steps + 1):
        clock.now = done * seconds
        report(Progress(done, total, f"step {done}"))
    return capsys.readouterr().err.splitlines()


def test_a_log_gets_a_line_for_each_tenth(capsys):
    assert lines(100, 0.5, 100, capsys) == [f"{n} %  step {n}" for n in range(10, 101, 10)]


def test_a_long_run_gets_a_line_every_ten_seconds(capsys):
    assert lines(25, 2.0, 10_000, capsys) == [f"0 %  step {n}" for n in range(5, 26, 5)]


def test_without_a_total_there_are_no_percents(capsys):
    assert lines(11, 5.0, 0, capsys) == [f"step {n}" for n in range(2, 11, 2)]


def test_what_is_over_at_once_prints_nothing(capsys):
    assert lines(100, 0.005, 100, capsys) == []


def test_steps_that_count_are_numbered(capsys):
    report_line(Progress(3, 20, "table1 seed 0: F1 60.00"))

    assert capsys.readouterr().err == "[3/20] table1 seed 0: F1 60.00\n"


def test_the_next_part_of_a_task_gets_lines_for_its_tenths_too(capsys):
    clock = Clock()
    report = LogProgress(clock)
    for part in ("lines", "texts"):
        for done in (50, 100):
            clock.now += 3
            report(Progress(done, 100, f"{done} {part}"))

    assert capsys.readouterr().err.splitlines() == [
        "50 %  50 lines", "100 %  100 lines", "50 %  50 texts", "100 %  100 texts",
    ]  # fmt: skip


class Terminal(io.StringIO):
    """A terminal that keeps what it is shown."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_is_silent_about_what_is_over_at_once(monkeypatch):
    monkeypatch.setattr("sys.stderr", terminal := Terminal())

    with progress_bar() as report:
        for done in range(100):
            report(Progress(done, 100, "reading"))

    assert terminal.getvalue() == ""


@pytest.mark.slow
def test_a_terminal_shows_what_takes_longer(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr", terminal := Terminal())

    with progress_bar() as report:
        time.sleep(2.1)
        report(Progress(7, 100, "reading big.jsonl"))

    assert "reading big.jsonl" in terminal.getvalue() and "7%" in terminal.getvalue()


@pytest.mark.slow
def test_training_in_a_log_is_not_silent(tmp_path):
    result = shell("cpner warm-up sample:news --domain news --store store --epochs 3 2>log; cat log", tmp_path)

    assert " %  " in result.stdout
    assert "\r" not in result.stdout and "\x1b" not in result.stdout


def test_a_line_without_a_message_counts(capsys):
    moments = iter((0.0, 11.0, 11.0))
    log = LogProgress(lambda: next(moments))

    log(Progress(1200, 14041, ""))

    assert capsys.readouterr().err == "9 %  1,200 of 14,041\n"
