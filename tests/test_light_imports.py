"""`import cpner` is fast, and corpora, errors and scores need no torch."""

from __future__ import annotations

import importlib
import importlib.util
import json
import subprocess
import sys

import pytest

import cpner

HEAVY = ["torch", "transformers", "numpy", "tokenizers", "matplotlib", "huggingface_hub"]
WITHOUT_TORCH = ["cpner.corpus", "cpner.errors", "cpner.evaluation", "cpner.instructor", "cpner.store", "cpner.cli"]


def imported_by(module: str, then: str = "pass") -> tuple[set[str], float]:
    """Modules that a fresh interpreter holds after an import and a statement, and the processor seconds of both."""
    code = (
        "import json, sys, time; begin = time.process_time(); "
        f"import {module}; {then}; print(json.dumps([list(sys.modules), time.process_time() - begin]))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules, seconds = json.loads(result.stdout)
    return set(modules), seconds


def test_package_is_light():
    modules, seconds = imported_by("cpner")

    assert not modules & set(HEAVY)
    assert seconds < 0.1


@pytest.mark.parametrize("module", [name for name in WITHOUT_TORCH if importlib.util.find_spec(name)])
def test_module_needs_no_torch(module):
    assert not imported_by(module)[0] & {"torch", "transformers"}


@pytest.mark.slow
def test_a_backbone_loads_without_torchs_compiler():  # half of the time that loading took
    modules, _ = imported_by("cpner.backbone.load", then="cpner.backbone.load.load()")

    assert "torch" in modules
    assert not modules & {"torch._dynamo", "sympy"}


def test_public_names_are_sorted_and_load():
    assert cpner.__all__ == sorted(cpner.__all__) == sorted(cpner._HOMES)
    assert set(cpner.__all__) <= set(dir(cpner))
    for name, home in cpner._HOMES.items():
        if importlib.util.find_spec(home):
            assert getattr(cpner, name) is getattr(importlib.import_module(home), name)
    with pytest.raises(AttributeError, match="module 'cpner' has no attribute 'nothing'"):
        _ = cpner.nothing
