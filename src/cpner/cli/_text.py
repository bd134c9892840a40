"""Unlabelled text, for the commands that learn from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import click


def text_option(*, required: bool) -> Callable[[Any], Any]:
    """The option `--text FILE`, as `texts`; with a CORPUS beside it, it need not be required."""
    return click.option(
        "--text", "texts", multiple=True, required=required, metavar="FILE",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Unlabelled text, a sentence or a paragraph a line, plain or .xz; may be repeated.",
    )  # fmt: skip


def read_lines(files: Iterable[Path]) -> Iterator[str]:
    """The lines of the files that are not blank, in turn."""
    from cpner.pretraining.text import open_lines

    for file in files:
        yield from filter(None, (line.strip() for line in open_lines(file)))
