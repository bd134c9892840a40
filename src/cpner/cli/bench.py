"""`cpner bench`: how fast a backbone is here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cpner.backbone import EMBEDDED
from cpner.cli.console import print_json, print_rich, progress_bar
from cpner.cli.options import NEW_FOLDER, PLACE, device_option, json_option, precision_option, threads_option

if TYPE_CHECKING:
    from rich.table import Table

    from cpner.bench import Bench


@click.command()
@click.option("--backbone", type=PLACE, default=EMBEDDED, envvar="CPNER_BACKBONE", show_envvar=True,
              metavar="NAME", help=f"{EMBEDDED}, a folder, or a T5 of the Hugging Face hub.")  # fmt: skip
@device_option
@precision_option
@threads_option
@click.option("--rounds", type=click.IntRange(min=1), default=5, help="The median of so many.")
@click.option("--out", type=NEW_FOLDER, metavar="DIR",
              help="Also write bench.json and the page bench.html.")  # fmt: skip
@json_option
def bench(
    backbone: str, device: str | None, precision: str | None, rounds: int, out: Path | None, as_json: bool
) -> None:
    """Measure the speed of a backbone on this machine.

    Sentences a second by batch and by length, batches of mixed domains, a training step beside the roofline, the
    store, start-up and memory. Stop other work first: what else runs is measured too.

    \b
    Example:
      cpner bench
      cpner bench --backbone google-t5/t5-base --device cuda --out bench
    """
    from cpner.backbone.load import load
    from cpner.bench import run_bench

    with progress_bar() as progress:
        result = run_bench(load(backbone, device=device, precision=precision), rounds, progress)
    if out is not None:
        from cpner.bench.page import page
        from cpner.files import write_text

        write_text(out / "bench.json", [json.dumps(result._asdict(), indent=1)])
        write_text(out / "bench.html", [page(result)])
        click.echo(f"Wrote {out / 'bench.html'}", err=True)
    if as_json:
        print_json(result._asdict())
    else:
        print_rich(_table(result))


def _table(result: Bench) -> Table:
    from cpner.bench.page import lines
    from cpner.show.tables import figure_table

    table = figure_table("", "measured", "figure")
    for name, figure in lines(result):
        table.add_row(name, figure)
    return table
