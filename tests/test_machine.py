"""What a result was made with."""

from __future__ import annotations

import platform
import re
import subprocess
from pathlib import Path

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
