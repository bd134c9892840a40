"""The C library's allocator, told to keep what is freed.

A pass frees and takes again the same tens of megabytes. By default glibc gives large blocks back to the system at once
and takes fresh pages the next time, which the system must clear: on virtual machines that costs up to a tenth of a
decoding. Other C libraries and systems are left alone, and so is a process whose environment has a say.
"""

from __future__ import annotations

import ctypes
import os
from functools import cache

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4  # mallopt(3)
_KEPT = 1 << 30  # bytes that may stay with the process
_STEP = 64 << 20  # bytes taken from the system at a time


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
