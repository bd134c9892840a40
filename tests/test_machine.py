"""What a result was made with."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import cpner
from cpner import machine


def test_versions_are_those_of_the_installed_packages() -> None:
    versions = machine.versions("transformers")

    assert versions["cpner"] == cpner.__version__
    assert versions["torch"] == torch.__version__
    assert versions["python"] == platform.python_version()
    assert versions["transformers"].count(".") >= 2


def test_version_is_that_of_the_project_file() -> None:
    project = (Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8")

    assert f'version = "{cpner.__version__}"' in project


def test_machine_names_processor_and_threads() -> None:
    described = machine.describe_machine(torch.device("cpu"))

    assert described["device"] == "cpu"
    assert described["processor"] == platform.machine()
    assert described["threads"] == torch.get_num_threads()


def test_commit_is_none_without_a_checkout(monkeypatch) -> None:
    assert re.fullmatch(r"[0-9a-f]{12}(-dirty)?", machine.commit() or "0" * 12)

    def fail(*_: object, **__: object) -> None:
        raise subprocess.CalledProcessError(128, "git")

    monkeypatch.setattr(subprocess, "run", fail)
    assert machine.commit() is None


LEFT = """
import torch
from cpner import machine
for cores in (4, 1):
    torch.set_num_threads(cores)
    machine.leave_a_core()
    print(torch.get_num_threads())
"""


@pytest.mark.parametrize(
    ("said", "threads"), [(None, ["3", "1"]), pytest.param("4", ["4", "1"], marks=pytest.mark.slow)]
)
def test_a_core_is_left_unless_threads_are_named(said: str | None, threads: list[str]) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    environment |= {} if said is None else {"OMP_NUM_THREADS": said}
    run = [sys.executable, "-c", LEFT]
    assert subprocess.run(run, env=environment, capture_output=True, text=True, check=True).stdout.split() == threads


THREADS = """
import os
from cpner import machine
machine.rest_threads()
import torch
print(os.environ["OMP_WAIT_POLICY"])
machine.set_threads(3)
print(torch.get_num_threads(), os.environ["OMP_NUM_THREADS"])
"""


@pytest.mark.parametrize(("environment", "policy"), [({}, "passive"), ({"OMP_WAIT_POLICY": "active"}, "active")])
def test_threads_are_as_many_as_asked_and_rest(environment: dict[str, str], policy: str) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OMP_")}

    run = [sys.executable, "-c", THREADS]
    told = subprocess.run(run, env=kept | environment, capture_output=True, text=True, check=True).stdout

    assert told.split() == [policy, "3", "3"]


def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import os, time\n"
        "from multiprocessing import get_context\n"
        "from cpner.machine import end_with_parent\n\n"
        "def work():\n    end_with_parent()\n    print(os.getpid(), flush=True)\n    time.sleep(600)\n\n"
        "if __name__ == '__main__':\n    get_context('spawn').Process(target=work).start()\n    time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert int(parent.stdout.readline()) != parent.pid
        parent.kill()
        rest, _ = parent.communicate(timeout=60)  # the pipe ends when the last process that holds it does
    assert rest == ""


def test_processes_started_deaf_do_not_hear_ctrl_c(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import os, signal, time\n"
        "from multiprocessing import get_context\n"
        "from cpner.machine import deaf_to_interrupts\n\n"
        "def work():\n    os.killpg(0, signal.SIGINT)\n    os.write(1, b'worked\\n')\n\n"
        "def note(*_):\n    os.write(1, b'heard\\n')\n\n"
        "if __name__ == '__main__':\n"
        "    signal.signal(signal.SIGINT, note)\n"
        "    process = get_context('spawn').Process(target=work)\n"
        "    with deaf_to_interrupts():\n        process.start()\n        os.kill(os.getpid(), signal.SIGINT)\n"
        "    process.join()\n"
        "    print(process.exitcode)\n"
    )
    run = [sys.executable, script]

    result = subprocess.run(run, capture_output=True, text=True, start_new_session=True, check=True)

    assert sorted(result.stdout.split()) == ["0", "heard", "heard", "worked"]
    assert result.stderr == ""
