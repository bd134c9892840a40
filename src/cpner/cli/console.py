"""What commands print: JSON, tables and progress."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click

from cpner.progress import Progress, Report, ignore

if TYPE_CHECKING:
    from rich.console import RenderableType

_FILE_WIDTH = 200  # characters of a line where there is no terminal to fit
_LOG_SECONDS = 10.0  # between two lines of progress in a log
_LOG_PERCENT = 10  # done since the last line, which is worth another one sooner
_LEAST_SECONDS = 2.0  # what is over sooner shows no progress


def print_json(value: object) -> None:
    """Print JSON for programs on standard output."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def print_rich(*parts: RenderableType) -> None:
    """Print tables and the like on standard output, as wide as the terminal."""
    from rich.console import Console

    Console(width=None if sys.stdout.isatty() else _FILE_WIDTH, highlight=False).print(*parts)


def report_line(progress: Progress) -> None:
    """Print each step on standard error as `[3/20] what was done`; for few steps, each worth a line of its own."""
    click.echo(f"[{progress.done}/{progress.total}] {progress.message}", err=True)


@contextlib.contextmanager
def progress_bar(*, hidden: bool = False) -> Iterator[Report]:
    """Show progress on standard error: a bar in a terminal, else a line now and then; gives the function to report to.

    Nothing is shown in the first two seconds. A total of 0 stands for one that is not known.

    Args:
        hidden: Show nothing in a terminal, where results are printed meanwhile.
    """
    if not sys.stderr.isatty():
        yield LogProgress()
    elif hidden:
        yield ignore
    else:
        with contextlib.ExitStack() as stack:
            yield _LateBar(stack)


class LogProgress:
    """Progress as lines of a log: every ten seconds, or at another tenth of a part; none in the first two seconds.

    Args:
        clock: Gives seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._told_at = clock()
        self._told_percent = 0.0

    def __call__(self, progress: Progress) -> None:
        """Print a line if it is time for one."""
        seconds = self._clock() - self._told_at
        percent = 100 * progress.done / progress.total if progress.total else 0.0
        if percent < self._told_percent:  # another part of the task has begun
            self._told_percent = 0.0
        is_further = percent >= self._told_percent + _LOG_PERCENT and seconds >= _LEAST_SECONDS
        if seconds >= _LOG_SECONDS or is_further:
            self._told_at += seconds
            self._told_percent = percent
            share = f"{percent:.0f} %  " if progress.total else ""
            click.echo(f"{share}{progress.message or f'{progress.done:,} of {progress.total:,}'}", err=True)


class _LateBar:
    """A bar that appears with the first report after two seconds.

    Args:
        stack: What takes it away.
    """

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self._started_at = time.monotonic()
        self._bar: Report | None = None

    def __call__(self, progress: Progress) -> None:
        """Show how far it is."""
        if self._bar is None and time.monotonic() - self._started_at >= _LEAST_SECONDS:
            self._bar = self._stack.enter_context(_bar())
        if self._bar is not None:
            self._bar(progress)


@contextlib.contextmanager
def _bar() -> Iterator[Report]:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("", visible=False)

        def report(progress: Progress) -> None:
            total = progress.total or None
            bars.update(task, completed=progress.done, total=total, description=escape(progress.message), visible=True)

        yield report
