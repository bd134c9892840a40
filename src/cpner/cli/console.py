"""What commands print: JSON and progress."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from cpner.progress import Progress, Report


def print_json(value: object) -> None:
    """Print JSON for programs on standard output."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


@contextlib.contextmanager
def progress_bar(*, hidden: bool = False) -> Iterator[Report]:
    """Show progress on standard error if it is a terminal; gives the function to report to.

    A total of 0 stands for one that is not known.
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Bars(*columns, console=console, transient=True, disable=hidden or not console.is_terminal) as bars:
        task: TaskID | None = None

        def report(progress: Progress) -> None:
            nonlocal task
            if task is None:
                task = bars.add_task("")
            bars.update(
                task, completed=progress.done, total=progress.total or None, description=escape(progress.message)
            )

        yield report
