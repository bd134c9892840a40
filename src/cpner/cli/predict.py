"""`cpner predict`: entities of texts, as they stream by."""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cpner.cli.console import progress_bar
from cpner.cli.options import Reader, batch_option, reader_options, split_names
from cpner.files import check_utf8, replacing
from cpner.progress import Progress, Report
from cpner.settings import MOST_BEAMS
from cpner.show.entities import FORMATS, Tagged, render

if TYPE_CHECKING:
    from cpner.ner import CPNER

_SUFFIXES = {".jsonl": "jsonl", ".json": "jsonl", ".conll": "conll", ".bio": "conll", ".html": "html", ".htm": "html"}


@click.command()
@click.argument("text", required=False)
@click.option("--domain", metavar="NAME", help="The stored domain whose entities to find.")
@click.option("--types", callback=split_names, metavar="A,B", show_default="those of the domain",
              help="Find these types; without --domain zero-shot.")  # fmt: skip
@reader_options
@click.option(
    "--input",
    "source",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    metavar="FILE|-",
    show_default="standard input if there is no TEXT",
    help="Texts, one a line; - is standard input.",
)
@click.option(
    "--format",
    type=click.Choice(FORMATS),
    show_default="by the ending of --output; else table on a terminal, jsonl elsewhere",
    help="How entities are written.",
)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              show_default="standard output", help="Where to write.")  # fmt: skip
@batch_option
@click.option(
    "--beams",
    type=click.IntRange(1, MOST_BEAMS),
    default=1,
    show_default=True,
    help="Outputs to search among; 1 is greedy.",
)
def predict(
    text: str | None,
    domain: str | None,
    types: tuple[str, ...],
    engine: Reader,
    source: Path | None,
    format: str | None,
    output: Path | None,
    batch_size: int,
    beams: int,
) -> None:
    """Find the entities of TEXT, or of each line of a file or of standard input (-).

    Offsets count characters (Unicode code points); ends are exclusive.

    \b
    Example:
      cpner predict --domain news --store store "Ada Lovelace met Charles Babbage in London."
      cpner predict --domain news --store store --input texts.txt --output entities.jsonl
      cat texts.txt | cpner predict --types person,city --format table
    """
    if domain is None and not types:
        raise click.UsageError("give --domain NAME, or --types A,B to look for types that no prefix was trained for")
    output = None if output == Path("-") else output
    if output and source and output.exists() and output.samefile(source):
        raise click.UsageError(f"{output} is the input, which would be lost: choose another --output")
    lines = _lines(text, source)
    format = format or _format(output)
    ner = engine.load(domain)
    shown = list(types) or (ner.card(domain).types if domain else [])
    on_screen = output is None and sys.stdout.isatty()
    title = f"Entities of {domain}" if domain else "Entities"
    with _out(output) as write, progress_bar(hidden=on_screen) as progress:
        tagged = _tag(ner, lines, domain, list(types) or None, batch_size, beams, progress)
        for piece in render(tagged, format, types=shown, title=title, colour=on_screen):
            write(piece)


def _tag(
    ner: CPNER,
    lines: Iterable[str],
    domain: str | None,
    types: list[str] | None,
    batch_size: int,
    beams: int,
    progress: Report,
) -> Iterator[Tagged]:
    rest = iter(lines)
    done = 0
    while batch := list(itertools.islice(rest, batch_size)):
        answers = ner.predict(batch, domain, types=types, batch_size=batch_size, beams=beams)
        for line, entities in zip(batch, answers, strict=True):
            yield Tagged(line, entities, domain)
        done += len(batch)
        progress(Progress(done, 0, f"{done:,} texts"))


def _lines(text: str | None, source: Path | None) -> Iterator[str]:
    if text is not None and source is not None:
        raise click.UsageError("give a TEXT or --input, not both")
    if text is not None and text != "-":
        if os.path.isfile(text):  # unlike Path's, never raises: a text may be longer than names can be
            click.echo(f"{text!r} is taken as the text; to read the file of this name, --input {text}", err=True)
        return iter([text])
    if text is None and source is None and (sys.stdin is None or sys.stdin.isatty()):
        raise click.UsageError("nothing to read; give a TEXT, --input FILE, or lines on standard input")
    if source is None or str(source) == "-":
        return _decode("standard input", sys.stdin.buffer)
    return _decode(str(source), click.get_current_context().with_resource(source.open("rb")))


def _decode(name: str, lines: Iterable[bytes]) -> Iterator[str]:
    for number, line in enumerate(lines, 1):
        yield check_utf8(line, name, number).rstrip("\r\n")


def _format(output: Path | None) -> str:
    if output is not None:
        return _SUFFIXES.get(output.suffix.lower(), "jsonl")
    return "table" if sys.stdout.isatty() else "jsonl"


@contextlib.contextmanager
def _out(output: Path | None) -> Iterator[Callable[[str], object]]:
    """Where to write: standard output, or a file that appears when all is written."""
    if output is None:
        yield lambda piece: click.echo(piece, nl=False)
        return
    with replacing(output) as file:
        yield lambda piece: file.write(piece.encode())
    click.echo(f"Wrote {output}", err=True)
