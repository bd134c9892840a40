"""`cpner leaks`: benchmark sentences in pretraining data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cpner.cli.console import print_json, print_rich, progress_bar
from cpner.cli.options import FILE, FOLDER, NEW_FOLDER, json_option

if TYPE_CHECKING:
    from rich.table import Table

    from cpner.pretraining.leaks import Leaks


@click.command()
@click.argument("benchmarks", type=FOLDER)
@click.option("--text", multiple=True, type=FILE, metavar="FILE", help="Plain text, .txt or .txt.xz; may be repeated.")
@click.option("--ner", type=FOLDER, metavar="DIR", help="Folder of labelled sentences, NAME.jsonl or NAME.jsonl.xz.")
@click.option("--clean", type=NEW_FOLDER, metavar="DIR",
              help="Write the data there without the lines that hold such a sentence.")  # fmt: skip
@json_option
def leaks(benchmarks: Path, text: tuple[Path, ...], ner: Path | None, clean: Path | None, as_json: bool) -> None:
    """Count the dev and test sentences of corpora that pretraining data holds.

    BENCHMARKS is a folder with a corpus in each sub-folder. Sentences of eight words or more are looked for inside the
    paragraphs, shorter ones are compared with whole paragraphs. Only letters and digits count, in lower case.

    \b
    Example:
      cpner leaks data --text corpus/text.txt.xz --ner corpus/ner
      cpner leaks data --text corpus/text.txt.xz --ner corpus/ner --clean clean
      cpner pretrain --text clean/text.txt.xz --ner clean/ner --out run
    """
    from cpner.pretraining.leaks import check_leaks, clean_copies, write_clean

    if not text and ner is None:
        raise click.UsageError("nothing to search: give --text FILE or --ner DIR")
    copies = {} if clean is None else clean_copies(text, ner, clean)
    with progress_bar() as progress:
        result = check_leaks(benchmarks, text, ner, progress)
    if clean is not None:
        with progress_bar() as progress:
            write_clean(copies, result, progress)
        click.echo(f"Wrote {clean} with {sum(map(len, result.lines.values())):,} lines left out", err=True)
    if as_json:
        print_json(result.to_json())
        return
    print_rich(_table(result))
    for name, reason in result.skipped.items():
        click.echo(f"Left out {name}: {reason}", err=True)


def _table(result: Leaks) -> Table:
    from rich.text import Text

    from cpner.show.tables import figure_table

    table = figure_table("", "benchmark", "8+ words", "found", "shorter", "found whole")
    table.add_column("found in", overflow="fold")
    for name, leak in result.benchmarks.items():
        counts = (leak.sentences, leak.found, leak.short, leak.short_found)
        files = ", ".join(f"{file} {count}" for file, count in leak.files.items())
        table.add_row(Text(name), *(f"{count:,}" for count in counts), Text(files))
    return table
