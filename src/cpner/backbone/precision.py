"""Which floating-point type a device multiplies fastest: bfloat16 if it has instructions for it, else float32.

A processor without them takes ten to fifty times as long in bfloat16 as in float32, and most laptops are such.
"""

from __future__ import annotations

import platform

import torch


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
