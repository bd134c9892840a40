"""Standard output that is full, closed, or of another encoding, and Ctrl-C at any moment: one line, no traceback."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support import cpner, environment, shell

pytestmark = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the devices of Linux")
LATIN = "Zoë\tB-персона\n😀\tO\n"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("cpner --help > /dev/full", "cpner: error: standard output: No space left on device\n"),
        ("cpner --version > /dev/full", "cpner: error: standard output: No space left on device\n"),
        ("cpner corpora list > /dev/full", "cpner: error: standard output: No space left on device\n"),
        ("cpner corpora stats sample:news > /dev/full", "cpner: error: standard output: No space left on device\n"),
        ("cpner corpora list --json >&-", "cpner: error: standard output: Bad file descriptor\n"),
        ("cpner corpora stats sample:news >&-", "cpner: error: standard output: Bad file descriptor\n"),
        ("cpner corpora stats '~nosuchuser/x'", "cpner: error: ~nosuchuser/x: no such folder or file"),
        ("cpner corpora stats x <&- 2>&-", ""),
    ],
)
def test_output_that_cannot_be_written_is_one_line(command, said, tmp_path):
    result = shell(command, tmp_path)

    assert result.returncode == 2
    assert result.stderr.startswith(said)
    assert result.stderr.count("\n") == bool(said)


def test_closed_output_is_not_taken_by_a_file(tmp_path):
    result = shell("cpner corpora convert sample:news out --format conll >&-", tmp_path)

    assert result.returncode == 0, result.stderr
    assert "Wrote out/train.conll" in result.stderr


@pytest.mark.parametrize("locale", ["PYTHONIOENCODING=cp1252", "LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0"])
@pytest.mark.parametrize("arguments", ["convert {} - --format conll", "stats {}", "stats {} --json"])
def test_output_to_a_pipe_is_utf8(arguments, locale, tmp_path):
    (tmp_path / "train.conll").write_text(LATIN, "utf-8")
    command = arguments.format("train.conll")

    result = subprocess.run(
        ["bash", "-c", f"{locale} {sys.executable} -m cpner corpora {command}"],
        cwd=tmp_path, env=environment(), capture_output=True,
    )  # fmt: skip

    assert (result.returncode, result.stderr) == (0, b"")
    assert "персона" in result.stdout.decode("utf-8")


def test_terminal_of_another_encoding_gets_escapes(tmp_path):
    (tmp_path / "train.conll").write_text(LATIN, "utf-8")
    main, side = pty.openpty()
    command = [sys.executable, "-m", "cpner", "corpora", "convert", "train.conll", "-", "--format", "conll"]

    result = subprocess.run(
        command, cwd=tmp_path, env={**environment(), "PYTHONIOENCODING": "latin-1"}, stdout=side, stderr=subprocess.PIPE
    )
    shown = os.read(main, 10_000)
    os.close(main)
    os.close(side)

    assert (result.returncode, result.stderr) == (0, b"")
    assert b"Zo\xeb\tB-\\u043f" in shown and b"\\U0001f600\tO" in shown


def test_name_that_is_not_utf8_is_shown(tmp_path):
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    os.mkdir(folder)
    Path(os.fsdecode(folder), "train.conll").write_text(LATIN, "utf-8")

    result = shell("cpner corpora stats caf*; cpner corpora stats caf*/x", tmp_path)

    assert "caf\\udce9" in result.stdout
    assert result.stderr.count("\n") == 1 and "no such folder" in result.stderr


INTERRUPTED = """
import os, signal, sys
import cpner.__main__

def interrupt(event, arguments):
    if event == "import" and arguments[0] == "{module}" and "{after}" in sys.modules:
        os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.addaudithook(interrupt)
cpner.__main__.run()
"""


@pytest.mark.parametrize(
    ("module", "after"),
    [
        ("rich.console", "cpner.cli"),
        ("torch._opaque_base", "torch"),
        pytest.param("tokenizers.tokenizers", "tokenizers", marks=pytest.mark.slow),
    ],
)
def test_interrupt_while_a_module_loads_never_becomes_an_exception(module, after, tmp_path):
    """An exception would go through what loads it: `torch._opaque_base` is loaded by C++, which then aborts."""
    script = INTERRUPTED.format(module=module, after=after)

    result = subprocess.run(
        [sys.executable, "-c", script, "demo", "--out", tmp_path], env=environment(), capture_output=True, text=True
    )

    assert (result.returncode, result.stderr) == (130, "cpner: stopped.\n")


def test_a_training_that_is_stopped_while_a_module_loads_tells_how_it_goes_on(tmp_path):
    script = INTERRUPTED.format(module="torch._opaque_base", after="torch")
    words = ("warm-up", "sample:news", "--domain", "news", "--store", tmp_path / "store")

    result = subprocess.run([sys.executable, "-c", script, *words], env=environment(), capture_output=True, text=True)

    hint = "Run the same command with --resume to go on from the last checkpoint."
    assert (result.returncode, result.stderr) == (130, f"cpner: stopped. {hint}\n")


def test_interrupt_that_an_exception_would_not_pass_ends_the_process():
    script = (
        "import os, signal, cpner.__main__\n"
        "from cpner.cli import Main\n"
        "class Interrupting:\n"
        "    def __del__(self): raise KeyboardInterrupt\n"
        "Main.invoke = lambda self, context: bool(Interrupting())\n"
        "cpner.__main__.run()\n"
        "print('never')\n"
    )

    result = subprocess.run(
        [sys.executable, "-c", script, "corpora"], env=environment(), capture_output=True, text=True
    )

    assert (result.returncode, result.stdout, result.stderr) == (130, "", "cpner: stopped.\n")


@pytest.mark.slow
@pytest.mark.parametrize("delay", [0.05, 0.3, 0.5, 0.8, 1.2])
def test_interrupt_while_it_starts_is_one_line(delay, tmp_path):
    begin = (  # before it, Python starts itself; in jobs of the background the signal is off
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "import cpner.__main__; print('here', flush=True); cpner.__main__.run()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", begin, "demo", "--out", str(tmp_path / "out")],
        env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "here\n"
    time.sleep(delay)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)

    assert process.returncode == 130
    assert [line for line in stderr.splitlines() if "%" not in line] == ["cpner: stopped."]


@pytest.mark.parametrize(
    "arguments", [("predict", "x", "--types", "a" * 5000 + ":"), ("b" * 5000,), ("domains", "list", "--s" + "c" * 5000)]
)
def test_long_values_are_shortened(arguments):
    result = cpner(*arguments)

    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1 and len(result.stderr) < 500
