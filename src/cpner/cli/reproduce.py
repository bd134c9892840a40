"""`cpner reproduce`: the paper's experiments on any backbone."""

from __future__ import annotations

import os
from pathlib import Path

import click

from cpner.cli._common import json_option, print_json
from cpner.errors import ConfigError

_TABLES = ("table1", "table2", "zero-shot")


@click.command("reproduce")
@click.argument("table", type=click.Choice(_TABLES))
@click.option("--data", type=click.Path(path_type=Path), help="Folder of the public datasets; default: $CPNER_DATA.")
@click.option(
    "--out", type=click.Path(path_type=Path), default="results", show_default=True, help="Results, cell by cell."
)
@click.option("--backbone", default="cpner-mini", show_default=True, help="Name or folder of a backbone.")
@click.option("--seeds", type=click.IntRange(min=1), default=3, show_default=True, help="How many seeds, from 0.")
@click.option("--epochs", type=click.IntRange(min=1), help="Of a target; default: that of the training settings.")
@click.option("--source-epochs", type=click.IntRange(min=1), default=3, show_default=True, help="Of a large source.")
@click.option("--source-sentences", type=int, default=3000, show_default=True, help="Of a source, at most.")
@click.option("--test-sentences", type=int, help="Score on the first so many only; default: all.")
@click.option("--target", "targets", multiple=True, help="Only cells of this target; may be repeated.")
@click.option("--lr", type=float, help="Learning rate; default: that of the training settings.")
@json_option
def reproduce(
    table: str,
    data: Path | None,
    out: Path,
    backbone: str,
    seeds: int,
    epochs: int | None,
    source_epochs: int,
    source_sentences: int,
    test_sentences: int | None,
    targets: tuple[str, ...],
    lr: float | None,
    as_json: bool,
) -> None:
    """Run a TABLE of the paper and print it beside the published figures.

    Cells that have a result in --out are not run again, so a stopped run goes on where it was.

    \b
    Example:
      cpner corpora fetch all --out data
      cpner reproduce table1 --data data --seeds 3 --out results
      cpner reproduce zero-shot --data data --test-sentences 200
    """
    from cpner.experiments.grid import Budget, Grid
    from cpner.experiments.tables import TABLES, markdown
    from cpner.training import TrainingConfig

    folder = data or (Path(os.environ["CPNER_DATA"]) if os.environ.get("CPNER_DATA") else None)
    if folder is None or not folder.is_dir():
        raise ConfigError(
            f"no folder of public datasets at {folder}: give --data, or fetch them with `cpner corpora fetch`"
        )
    cells = [cell for cell in TABLES[table](range(seeds)) if not targets or cell.target in targets]
    if not cells:
        raise ConfigError(f"{table} has no target {', '.join(targets)}")
    budget = Budget(
        source_sentences=source_sentences, source_epochs=source_epochs, epochs=epochs, test_sentences=test_sentences
    )
    config = TrainingConfig() if lr is None else TrainingConfig(lr=lr)
    grid = Grid(backbone, folder, out, budget=budget, config=config, report=lambda line: click.echo(line, err=True))
    records = grid.run(cells)
    if as_json:
        print_json({"records": records})
    else:
        click.echo(markdown(records))
