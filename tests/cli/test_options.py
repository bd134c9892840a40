from __future__ import annotations

import pytest
import torch

from cpner.cli import COMMANDS
from tests.support import cpner

COMPUTE = [
    name for section in COMMANDS.values() for name in section if name not in ("domains", "corpora", "leaks", "annotate")
]


@pytest.mark.parametrize("command", COMPUTE)
def test_commands_that_compute_say_with_how_many_threads(command):
    shown = cpner(command, "--help").stdout

    assert "--threads N" in shown and "CPNER_THREADS" in shown


def test_threads_are_those_asked_for(stored, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    before = torch.get_num_threads()
    try:
        result = cpner("predict", "Ada", "--domain", "one", "--store", stored, "--threads", before + 1)
        assert (result.exit_code, torch.get_num_threads()) == (0, before + 1)
    finally:
        torch.set_num_threads(before)
