"""What the machine is good at: number types that it has instructions for, and memory that is kept or bounded.

A processor without instructions for bfloat16 takes ten to fifty times as long in it as in float32, and most laptops are
such.

A pass frees and takes again the same tens of megabytes. By default glibc gives large blocks back to the system at once.
The next time it takes fresh pages, which the system must clear: on virtual machines up to a tenth of the time of a
decoding. Other C libraries and systems are left alone, and so is a process whose environment has a say.
"""

from __future__ import annotations

import ctypes
import os
import platform
from functools import cache

import torch

_KERNELS = {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "128", "LRU_CACHE_CAPACITY": "64"}  # oneDNN's own, and torch's above it
_TRIM_THRESHOLD = -1  # these three are of mallopt(3)
_TOP_PAD = -2
_MMAP_MAX = -4
_KEPT = 1 << 30  # bytes that may stay with the process
_STEP = 64 << 20  # bytes taken from the system at a time


def native_dtype(device: torch.device | str) -> torch.dtype:
    """bfloat16 where `device` multiplies it by instructions of its own, else float32."""
    kind = torch.device(device).type
    native = torch.cuda.is_bf16_supported(including_emulation=False) if kind == "cuda" else _processor()
    return torch.bfloat16 if native else torch.float32


def dtype_name(dtype: torch.dtype) -> str:
    """As people write it: "bfloat16"."""
    return str(dtype).removeprefix("torch.")


def onednn_takes(dtype: torch.dtype) -> bool:
    """Whether oneDNN multiplies this type on this processor, if need be by other instructions than its own."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    return dtype == torch.float32 or (dtype == torch.bfloat16 and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()))


def _processor() -> bool:
    if platform.machine().lower() in ("x86_64", "amd64"):  # oneDNN's own answer is yes for all of AVX-512
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return onednn_takes(torch.bfloat16)


@cache
def keep_freed_memory() -> bool:
    """Keep up to a gibibyte of freed memory for the next pass; returns whether anything was set."""
    if any(name.startswith("MALLOC_") or name == "GLIBC_TUNABLES" for name in os.environ):
        return False
    try:
        library = ctypes.CDLL(None)
        library.gnu_get_libc_version  # noqa: B018 - only glibc has it
    except (OSError, TypeError, AttributeError):  # Windows has no library by that name
        return False
    settings = {_MMAP_MAX: 0, _TRIM_THRESHOLD: _KEPT, _TOP_PAD: _STEP}
    return all(library.mallopt(name, value) == 1 for name, value in settings.items())


def bound_kernels() -> None:
    """Let oneDNN keep the last 128 kernels instead of 1,024, and torch 64 of a kind.

    It makes a kernel, of some hundred kilobytes, for each new shape of a product. Batches of sentences have ever new
    shapes: a process grew by a gigabyte before the caches were full. The bounds are read at the first product. So a
    process that has multiplied before keeps its caches; an environment that has a say is obeyed.
    """
    for name, count in _KERNELS.items():
        os.environ.setdefault(name, count)
