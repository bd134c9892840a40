"""The machine and the programs that a result was made with."""

from __future__ import annotations

import contextlib
import os
import platform
import signal
import subprocess
import threading
from collections.abc import Iterator
from importlib.metadata import version
from multiprocessing import parent_process, resource_tracker
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cpner import __version__

if TYPE_CHECKING:
    import torch


def versions(*packages: str) -> dict[str, str]:
    """Versions of cpner, Python, torch, and of further packages by name."""
    import torch

    further = {name: version(name) for name in packages}
    return {"cpner": __version__, "torch": torch.__version__, "python": platform.python_version(), **further}


def describe_machine(device: torch.device) -> dict[str, Any]:
    """What runs the model: `device`, the name of its `processor`, and the number of `cores` and `threads`."""
    import torch

    is_gpu = device.type == "cuda"
    return {
        "device": str(device),
        "processor": torch.cuda.get_device_name(device) if is_gpu else platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
    }


def commit() -> str | None:
    """The commit of this checkout, with `-dirty` for changes; None where there is no checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--exclude=*", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def rest_threads() -> None:
    """Let threads of torch that wait for work sleep; to be called before torch loads, as it asks once.

    By default they spin, which takes the cores from whoever works where others use them too: a training took twenty
    times the CPU so. An environment that has a say is obeyed.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def set_threads(count: int) -> None:
    """Compute with so many threads in this process and in those that it starts."""
    os.environ["OMP_NUM_THREADS"] = str(count)
    import torch

    torch.set_num_threads(count)


def leave_a_core() -> None:
    """Compute with a thread less than there are cores, where nothing else was said: the last one answers connections.

    A product that two threads share waits for the slower of them. On two cores a server answered a tenth more sentences
    with one.
    """
    if "OMP_NUM_THREADS" not in os.environ:
        import torch

        set_threads(max(1, torch.get_num_threads() - 1))


@contextlib.contextmanager
def deaf_to_interrupts() -> Iterator[None]:
    """Let processes that are started in this block never hear Ctrl-C, which reaches a terminal's whole group.

    They would answer with a traceback each, from their first moment on; who started them ends them. A Ctrl-C that comes
    meanwhile is heard after the block.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # the first process starts it, and it lets the signal through
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_with_parent() -> None:
    """End this process when the one that started it does, in whatever way; else it would work off its queue alone."""
    parent = parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
