"""`cpner select`: the numbers by which source domains are weighed (Eq. 5-8)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.table import Table
from rich.text import Text

from cpner.cli.console import print_json, print_rich
from cpner.cli.options import NEW_FILE, Engine, engine_options, json_option, sources_option, target_option
from cpner.cli.settings import select_options
from cpner.show.tables import figure_table
from cpner.transfer.mixing import Mixing

if TYPE_CHECKING:
    from cpner.store.domains import Sources
    from cpner.transfer.selector import Selection


@click.command()
@target_option
@sources_option
@engine_options
@select_options
@click.option("--plot", type=NEW_FILE, metavar="FILE.png", help="Draw a heat map.")
@json_option
def select(target: str, sources: Sources, engine: Engine, mixing: Mixing, plot: Path | None, as_json: bool) -> None:
    """Weigh stored source domains by their likeness to a stored target domain.

    Entity similarity compares the names of the types, prefix similarity the trained prefixes. Their mix, through a
    softmax over the sources, is what each source counts in `cpner transfer`.

    \b
    Example:
      cpner select --target music --sources news,politics --store store --plot music.png
      cpner select --target music --sources auto --store store
    """
    ner = engine.load(target)
    selection = ner.select(target, sources, mixing=mixing)
    if plot:
        draw(selection, plot)
        click.echo(f"Wrote {plot}", err=True)
    if as_json:
        print_json(selection.to_json())
    else:
        print_rich(_table(selection))


def draw(selection: Selection, path: Path) -> None:
    """Draw the numbers of a selection as heat maps of one row."""
    from cpner.show.pictures import Grid, plot_grids  # matplotlib takes long to load

    grids = [Grid(name, [list(values)]) for name, values in _columns(selection).items()]
    plot_grids([selection.target], list(selection.sources), grids, path, f"Sources for {selection.target}")


def _columns(selection: Selection) -> dict[str, list[float]]:
    return {
        "entity similarity": list(selection.entity_similarity),
        "prefix similarity": list(selection.prefix_similarity),
        "total": list(selection.total),
        "weight": list(selection.weights),
    }


def _table(selection: Selection) -> Table:
    """The sources, the heaviest first."""
    columns = _columns(selection)
    table = figure_table(f"Sources for {selection.target}", "source", *columns)
    for i in sorted(range(len(selection.sources)), key=lambda i: -columns["weight"][i]):
        table.add_row(Text(selection.sources[i]), *(f"{values[i]:.4f}" for values in columns.values()))
    return table
