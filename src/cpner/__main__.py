"""The command `cpner`, also as `python -m cpner`."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from functools import partial
from types import CodeType, FrameType

from cpner.stopping import way_on

_INTERRUPTED = 130  # as a shell reports a process that SIGINT ended
_SHOW_CURSOR = b"\r\x1b[K\x1b[?25h"  # a bar of progress hides it


def run() -> None:
    """Run the command line."""
    signal.signal(signal.SIGINT, _stop)
    from cpner.cli import Main, main

    sys.unraisablehook = _tell_unraisable
    signal.signal(signal.SIGINT, partial(_interrupt, Main.invoke.__code__))
    main(prog_name="python -m cpner" if os.path.basename(sys.argv[0]) == "__main__.py" else "cpner")


def _interrupt(command: CodeType, _: int, frame: FrameType | None) -> None:
    """Take Ctrl-C: a command that works is stopped by an exception, so that it can tidy up; all else ends at once.

    While a module loads, the exception could pass through C++ that can't bear one: the process would be aborted.

    Args:
        command: what runs a command.
        frame: where the signal came.
    """
    signal.signal(signal.SIGINT, _stop)
    callers = set()
    while frame is not None and frame.f_back is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            _stop()
        frame = frame.f_back
        callers.add(frame.f_code)
    if command not in callers:
        _stop()
    raise KeyboardInterrupt


def _tell_unraisable(unraisable: sys.UnraisableHookArgs) -> None:
    """Let Ctrl-C end the process where an exception would be thrown away, as in a destructor."""
    if isinstance(unraisable.exc_value, KeyboardInterrupt):
        _stop()
    sys.__unraisablehook__(unraisable)


def _stop(*_: object) -> None:
    message = f"cpner: stopped.{''.join(map(way_on, sys.argv[1:2]))}\n"
    with contextlib.suppress(OSError):
        os.write(2, (_SHOW_CURSOR if os.isatty(2) else b"") + message.encode())
    with contextlib.suppress(Exception):  # closed, full, or in the middle of a write
        sys.stdout.flush()
    os._exit(_INTERRUPTED)


if __name__ == "__main__":
    run()
