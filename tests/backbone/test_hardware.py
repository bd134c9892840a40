"""A backbone is held in what its device multiplies fastest, so that no laptop is told to emulate bfloat16."""

from __future__ import annotations

import time

import pytest
import torch

from cpner.backbone import hardware
from cpner.backbone.hardware import native_dtype
from cpner.backbone.load import load

X86 = {"_is_avx512_bf16_supported": False, "_is_amx_tile_supported": False}


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
        assert load(str(tiny_folder), device="cpu", dtype=torch.float32).dtype == torch.float32


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
