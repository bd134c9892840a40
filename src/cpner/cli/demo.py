"""`cpner demo`: the whole method on sample domains, with a report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from cpner.cli.console import print_json, print_rich, progress_bar
from cpner.cli.options import (
    NEW_FOLDER,
    Reader,
    backbone_option,
    device_option,
    json_option,
    precision_option,
    threads_option,
)
from cpner.corpus import sample_names
from cpner.experiments.demo.result import KINDS, DemoResult, label, verdict
from cpner.show.entities import Palette, terminal_text
from cpner.show.tables import figure_table

if TYPE_CHECKING:
    from cpner.experiments.demo.run import DemoConfig

_FAST_STEPS = 16


@click.command()
@click.option("--out", type=NEW_FOLDER, default=Path("demo-out"), metavar="DIR",
              help="Folder for the report, the figures and the trained domains.")  # fmt: skip
@backbone_option
@device_option
@precision_option
@threads_option
@click.option(
    "--target", type=click.Choice(sample_names()), show_default="music", help="The domain that the others help."
)
@click.option("--steps", type=click.IntRange(min=2), metavar="N", show_default="64",
              help="Steps of the optimiser in a warm-up; a transfer takes half.")  # fmt: skip
@click.option("--fast", is_flag=True, help=f"As --steps {_FAST_STEPS}: to see that all runs; the figures will be poor.")
@click.option(
    "--seed", type=click.IntRange(min=0), show_default="0", metavar="N", help="Of the samples and the training."
)
@json_option
def demo(
    out: Path,
    backbone: str | None,
    device: str | None,
    precision: str | None,
    target: str | None,
    steps: int | None,
    fast: bool,
    seed: int | None,
    as_json: bool,
) -> None:
    """See the whole method on the sample domains, offline and in minutes.

    Warms the sample domains up, weighs them by their likeness, and lends them to a target that has 10 and then 60
    training sentences. Compares no source, one and all. DIR gets report.html, results.json, pictures, and
    store/ with the trained domains.

    \b
    Example:
      cpner demo
      cpner demo --target politics --out politics-demo
    """
    from cpner.experiments.demo.report import write_report
    from cpner.experiments.demo.run import draw_demo, run_demo

    config = _config(target, _FAST_STEPS if fast and steps is None else steps, seed)
    ner = Reader(None, backbone, device, precision).load(None)
    with progress_bar() as progress:
        result = run_demo(ner, out, config, progress)
    draw_demo(result, out)
    report = out / "report.html"
    write_report(result, report, out / "store")
    if as_json:
        print_json(result.to_json())
    else:
        print_rich(_summary(result))
    click.echo(f"Report: {report.resolve().as_uri()}", err=True)


def _config(target: str | None, steps: int | None, seed: int | None) -> DemoConfig:
    from cpner.experiments.demo.run import DemoConfig

    half = None if steps is None else max(1, steps // 2)
    given = {"target": target, "warm_up_steps": steps, "transfer_steps": half, "seed": seed}
    return DemoConfig(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]


def _summary(result: DemoResult) -> RenderableType:
    return Group(
        _sentences(result),
        "",
        _scores(result),
        *(Padding(Text(sentence), (0, 0, 1, 0)) for sentence in verdict(result)),
        _weights(result),
    )


def _sentences(result: DemoResult) -> RenderableType:
    """One test sentence of each domain, the target's last."""
    palette = Palette.of_domains([trained.types for trained in result.trained])
    table = Table.grid(padding=(0, 2))
    examples = {example.predicted.domain: example.predicted for example in reversed(result.examples)}
    for domain, tagged in reversed(examples.items()):
        name = result.target if domain == result.variants[-1].domain else domain
        answer = Text(" ").join(
            Text.assemble("(", (entity.type, palette.style(entity.type)), f": {entity.text})")
            for entity in tagged.entities
        )
        table.add_row(Text(str(name), "bold"), Group(terminal_text(tagged, palette), answer, ""))
    return table


def _scores(result: DemoResult) -> Table:
    title = f"F1 on {result.target}, test split (zero-shot {result.zero_shot_f1:.1f})"
    table = figure_table(title, "", *(f"{size} sentences" for size in result.sizes))
    for kind in KINDS:
        variants = [result.variant(size, kind) for size in result.sizes]
        table.add_row(Text(label(variants[-1])), *(f"{variant.f1:.1f}" for variant in variants))
    return table


def _weights(result: DemoResult) -> Table:
    like = result.likeness
    table = figure_table("Weight of each source (columns) for each target (rows)", "", *like.names)
    for name, row in zip(like.names, like.weights, strict=True):
        table.add_row(Text(name), *("" if value is None else f"{value:.3f}" for value in row))
    return table
