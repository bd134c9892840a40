"""A backbone is held in what its device multiplies fastest, and freed memory is kept."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from cpner.backbone import hardware
from cpner.backbone.hardware import bound_kernels, native_dtype
from cpner.backbone.load import load
from tests.support import environment

X86 = {"_is_avx512_bf16_supported": False, "_is_amx_tile_supported": False}
ROUNDS = int(os.environ.get("CPNER_ROUNDS", "6"))  # 50 take minutes
CODE = """
import resource, torch
from cpner.backbone.hardware import keep_freed_memory
print(keep_freed_memory(), keep_freed_memory())
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        torch.ones(10_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(faults())
"""
WORK = """
import sys
from cpner import CPNER, Corpus, TrainingConfig

def resident() -> int:
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))

corpus, ner = Corpus.read("sample:news"), CPNER.load()
for seed in range(int(sys.argv[1])):
    few = corpus.sample(count=32, seed=seed)
    some = Corpus.from_sentences(few.train, test=corpus.test[seed % 8 :: 8], types=corpus.types)
    ner.fit("news", some, config=TrainingConfig(epochs=1, min_steps=0, seed=seed))
    ner.evaluate(some, "news")
    print(resident(), flush=True)
"""


def _processor(monkeypatch: pytest.MonkeyPatch, machine: str, **features: bool) -> None:
    monkeypatch.setattr(hardware.platform, "machine", lambda: machine)
    for name, there in {**X86, **features}.items():
        monkeypatch.setattr(torch.cpu, name, lambda there=there: there)


@pytest.mark.parametrize(
    ("machine", "features", "expected"),
    [
        ("x86_64", {}, torch.float32),
        ("AMD64", {}, torch.float32),
        ("x86_64", {"_is_avx512_bf16_supported": True}, torch.bfloat16),
        ("x86_64", {"_is_amx_tile_supported": True}, torch.bfloat16),
    ],
)
def test_bfloat16_needs_instructions_for_it(monkeypatch, machine, features, expected):
    _processor(monkeypatch, machine, **features)

    assert native_dtype("cpu") == expected


def test_other_processors_are_asked_through_onednn(monkeypatch):
    _processor(monkeypatch, "arm64")
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)

    assert native_dtype("cpu") == torch.float32


def test_a_backbone_is_loaded_in_it_unless_told_otherwise(tiny_folder, monkeypatch):
    for dtype in (torch.bfloat16, torch.float32):
        monkeypatch.setattr("cpner.backbone.load.native_dtype", lambda device, dtype=dtype: dtype)

        assert load(str(tiny_folder), device="cpu").dtype == dtype
        assert load(str(tiny_folder), device="cpu", precision="float32").dtype == torch.float32


def test_the_choice_is_the_faster_one_on_this_machine():
    seconds = {dtype: _seconds(dtype) for dtype in (torch.bfloat16, torch.float32)}

    assert seconds[native_dtype("cpu")] < 1.5 * min(seconds.values())


def _seconds(dtype: torch.dtype) -> float:
    """Of a product, the best of some: noise only adds."""
    a, b = torch.randn(256, 256, dtype=dtype), torch.randn(256, 256, dtype=dtype)
    best = float("inf")
    for _ in range(20):
        started = time.perf_counter()
        a @ b
        best = min(best, time.perf_counter() - started)
    return best


def run(**environment):
    kept = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_") and k != "GLIBC_TUNABLES"}
    out = subprocess.run(
        [sys.executable, "-c", CODE], env=kept | environment, capture_output=True, text=True, check=True
    )
    told, faults = out.stdout.splitlines()
    return told, int(faults)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's allocator is told")
@pytest.mark.slow
def test_memory_that_was_freed_is_taken_again_without_fresh_pages():
    told, faults = run()
    assert told == "True True"
    assert faults < 100


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's allocator is told")
@pytest.mark.slow
def test_an_environment_that_has_a_say_is_obeyed():
    told, faults = run(MALLOC_ARENA_MAX="2")
    assert told == "False False"
    assert faults > 1000  # 40 megabytes of fresh pages each time


def test_an_environment_that_has_a_say_keeps_its_kernels(monkeypatch):
    monkeypatch.setenv("LRU_CACHE_CAPACITY", "7")
    monkeypatch.delenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", raising=False)

    bound_kernels()

    assert (os.environ["LRU_CACHE_CAPACITY"], os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"]) == ("7", "128")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells how much memory is resident")
def test_memory_stays_as_it_is_after_two_rounds():
    kept = {name: value for name, value in environment().items() if not name.endswith("CACHE_CAPACITY")}

    run = subprocess.run(
        [sys.executable, "-c", WORK, str(ROUNDS)], env=kept, capture_output=True, text=True, check=True
    )

    resident = [int(line) for line in run.stdout.split()]
    assert max(resident[2:]) < 1.1 * resident[1], resident
