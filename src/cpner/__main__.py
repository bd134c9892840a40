"""The command `cpner`, also as `python -m cpner`."""

from __future__ import annotations

import os
import signal
import sys

_INTERRUPTED = 130  # as a shell reports a process that SIGINT ended


def run() -> None:
    """Run the command line.

    Loading it takes a moment. Ctrl-C ends the process at once before and after `cpner.cli` takes care of it.
    """
    signal.signal(signal.SIGINT, _stop)
    from cpner.cli import main

    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        main(prog_name="python -m cpner" if os.path.basename(sys.argv[0]) == "__main__.py" else "cpner")
    except KeyboardInterrupt:
        _stop()


def _stop(*_: object) -> None:
    os.write(2, b"cpner: stopped.\n")
    os._exit(_INTERRUPTED)


if __name__ == "__main__":
    run()
