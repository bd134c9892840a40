"""Standard output and standard error as commands need them: there, in UTF-8, and with errors that can be told."""

from __future__ import annotations

import errno
import io
import os
import sys

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EBADF)


def prepare() -> None:
    """Make the streams safe to write to.

    What is no terminal gets UTF-8, whatever the locale says. Characters that a terminal lacks are written as escapes.
    """
    _fill_closed()
    if isinstance(sys.stdout, io.TextIOWrapper):
        encoding = None if sys.stdout.isatty() else "utf-8"
        sys.stdout.reconfigure(encoding=encoding, errors="backslashreplace")


def _fill_closed() -> None:
    """Open what the caller closed, as `>&-` does; a file opened later would get its number, and what is printed.

    Standard error goes nowhere then. Printing on standard output is an error, so that no result is lost unseen.
    """
    for name, flags in (("stdin", os.O_RDONLY), ("stdout", os.O_RDONLY), ("stderr", os.O_WRONLY)):
        if getattr(sys, name) is None:
            number = os.open(os.devnull, flags)
            if name != "stdin":
                setattr(sys, name, open(number, "w", encoding="utf-8"))  # noqa: SIM115 - until the process ends


def describe(error: OSError) -> str:
    """An error of the system in one line, with the file if it names one."""
    where = error.filename
    if where is None and error.errno in _FULL:
        where = "standard output"
        drop_output()
    reason = error.strerror or str(error)
    return reason if where is None else f"{os.fsdecode(where)}: {reason}"


def drop_output() -> None:
    """Throw away what standard output could not take; Python would try again at its end, and complain."""
    if sys.stdout is sys.__stdout__ or sys.__stdout__ is None:
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, sys.stdout.fileno())
        os.close(sink)
