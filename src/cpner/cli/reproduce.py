"""`cpner reproduce`: the paper's experiments and others on any backbone, and the page of their results."""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cpner.backbone import EMBEDDED
from cpner.cli.console import print_json, report_line
from cpner.cli.options import (
    NEW_FILE,
    PathType,
    device_option,
    engine_option,
    gather,
    json_option,
    length_option,
    ray_address_option,
    setting,
    threads_option,
)
from cpner.cli.settings import select_options
from cpner.errors import ConfigError
from cpner.experiments.paper.budget import Budget
from cpner.experiments.paper.cells import EXPERIMENTS, STRATEGIES, VARIANTS, own_cells
from cpner.transfer.mixing import Mixing

if TYPE_CHECKING:
    from cpner.cluster import Cluster

_AT_LEAST_1 = click.IntRange(min=1)
# Options that only tell where files are and how fast it runs.
_NO_MATTER = ("out", "page", "device", "jobs", "engine", "ray_address", "as_json", "table")
_PLAIN = "plain"  # no variant, in a word


_budget_options = gather(
    "budget",
    Budget,
    setting(Budget, "epochs", "--epochs", "Of a target.", none="that of the training settings"),
    setting(Budget, "sentences", "--count", "Training sentences of a target, at most."),
    setting(Budget, "source_epochs", "--source-epochs", "Of a large source."),
    setting(Budget, "source_sentences", "--source-sentences", "Of a source, at most."),
    setting(Budget, "dev_sentences", "--dev-sentences", "For best epochs.", least=0),
    setting(Budget, "test_sentences", "--test-sentences", "Score on the first so many only."),
    setting(Budget, "dapt_steps", "--dapt-steps", "Steps of DAPT."),
)


@click.command()
@click.argument("experiment", type=click.Choice([*EXPERIMENTS, "own", "report"]))
@click.option("--data", type=PathType(), envvar="CPNER_DATA", show_envvar=True,
              metavar="DIR", help="Folder of the public datasets.")  # fmt: skip
@click.option("--out", type=PathType(), default="results",
              metavar="DIR", help="Results: EXPERIMENT.json, pictures, and each cell in cells/.")  # fmt: skip
@click.option("--page", type=NEW_FILE, default="docs/results.md",
              help="What `report` writes; the pictures lie in a folder beside it.")  # fmt: skip
@click.option("--backbone", default=EMBEDDED, envvar="CPNER_BACKBONE", show_envvar=True,
              metavar="NAME", help=f"{EMBEDDED}, a folder, or a T5 of the Hugging Face hub.")  # fmt: skip
@device_option
@threads_option
@click.option("--jobs", type=_AT_LEAST_1, metavar="N", show_default="1; of a cluster all that it has room for",
              help="Cells that run at a time, in processes.")  # fmt: skip
@engine_option
@ray_address_option
@click.option("--seeds", type=_AT_LEAST_1, default=3, help="How many seeds, from 0.")
@click.option("--target", "targets", multiple=True, show_default="all", metavar="NAME",
              help="Only cells of this target; may be repeated. Of own: a corpus in --data.")  # fmt: skip
@click.option("--source", "sources", multiple=True, metavar="NAME",
              help="Of own: a corpus in --data to learn from; may be repeated.")  # fmt: skip
@click.option("--strategy", "strategies", multiple=True, type=click.Choice(list(STRATEGIES)), show_default="all",
              help="Only cells of this strategy; may be repeated. Of own: none, collaborate.")  # fmt: skip
@click.option("--variant", "variants", multiple=True, show_default="all",
              type=click.Choice([name or _PLAIN for name in VARIANTS]),
              help="Only cells of this variant; may be repeated.")  # fmt: skip
@_budget_options
@select_options
@length_option
@click.option("--csv", "table", type=NEW_FILE, metavar="FILE.csv", help="Also write a row for each cell.")
@click.option("--lr", type=float, show_default="that of the training settings", metavar="X", help="Learning rate.")
@json_option
@click.pass_context
def reproduce(
    context: click.Context,
    experiment: str,
    data: Path | None,
    out: Path,
    page: Path,
    backbone: str,
    device: str | None,
    jobs: int | None,
    engine: str,
    ray_address: str | None,
    seeds: int,
    targets: tuple[str, ...],
    sources: tuple[str, ...],
    strategies: tuple[str, ...],
    variants: tuple[str, ...],
    budget: Budget,
    mixing: Mixing,
    length: int | None,
    table: Path | None,
    lr: float | None,
    as_json: bool,
) -> None:
    """Run an EXPERIMENT and print its results beside the published figures.

    Cells that have a result in --out are not run again, so that a stopped run goes on where it was. Warm-ups of
    sources and targets are shared by all cells that begin at them. Sources make up half of the average, as in the
    paper, unless --share says otherwise; in own their share is chosen, as in transfer. With --engine ray the machines
    of a cluster share the folders --data and --out.

    \b
    Experiments:
      table1          CrossNER from CoNLL-2003, with and without DAPT
      table2          several sources, against the likest one and none, by each strategy
      table3          entities that are found only with sources, and the source's sentence that shares them
      figure3         similarity of targets and sources, two heat maps
      figure4         the method without one of its parts, or one of its sources
      learning-curve  each strategy with 10 to 200 sentences
      baselines       full fine-tuning, LoRA, PEFT's prefix tuning, prompt tuning
      vote            an ensemble of seeds, without sources
      self-training   one prefix taught by an ensemble's answers on unlabelled sentences
      selection       what the selector says of each source beside what the source brings
      zero-shot       the backbone alone
      own             corpora of your own, as --target and --source name them
      report          one page of all results in --out, and results.csv

    \b
    Example:
      cpner corpora fetch all --out data
      cpner reproduce table2 --data data --jobs 2
      cpner reproduce table2 --data /shared/data --out /shared/results --engine ray
      cpner reproduce figure4 --data data --seeds 1 --target ai --epochs 10 --test-sentences 200
      cpner reproduce own --data mine --target films --source news --source music --alpha 0.7 --csv films.csv
      cpner reproduce report --out results --page docs/results.md
    """
    if experiment == "report":
        from cpner.experiments.paper.report import write_page

        shown = write_page(out, page)
        click.echo(f"Wrote {page}, with results of {', '.join(shown) or 'no experiment'} in {out}", err=True)
        return
    if data is None or not data.is_dir():
        where = "" if data is None else f" at {data}"
        raise ConfigError(f"no folder of public datasets{where}: give --data, or fetch them with `cpner corpora fetch`")
    if experiment == "own":
        cells = own_cells(targets, sources, strategies, range(seeds))
    else:
        mixing = replace(mixing, share=mixing.paper_share)
        cells = [
            cell
            for cell in EXPERIMENTS[experiment](range(seeds))
            if (not targets or cell.target in targets)
            and (not strategies or cell.strategy in strategies)
            and (not variants or (cell.variant or _PLAIN) in variants)
        ]
    if not cells:
        asked = {"target": targets, "strategy": strategies, "variant": variants}
        wanted = ", ".join(f"{name} {' or '.join(values)}" for name, values in asked.items() if values)
        raise ConfigError(f"{experiment} has no part with {wanted}; leave one of these options out")
    from cpner.experiments.paper.figures import draw
    from cpner.experiments.paper.grid import Grid, Setup
    from cpner.experiments.paper.summary import summarise, write_csv, write_summary
    from cpner.experiments.paper.tables import markdown
    from cpner.training import TrainingConfig

    config = TrainingConfig.from_flags(lr=lr)
    grid = Grid(Setup(backbone, data, out, budget, config, device, mixing, length), report_line)
    with _cluster(engine, ray_address) as cluster:
        records = grid.run(cells, jobs, cluster)
    summary = {**summarise(experiment, grid, records), "command": _command(context, experiment)}
    for path in (write_summary(summary, out), *draw(summary, out)):
        click.echo(f"Wrote {path}", err=True)
    if table is not None:
        write_csv([summary], table)
        click.echo(f"Wrote {table}", err=True)
    if as_json:
        print_json(summary)
    else:
        click.echo(markdown(summary))


def _cluster(engine: str, address: str | None) -> AbstractContextManager[Cluster | None]:
    """The cluster that cells run on; None for this machine."""
    if engine == "local":
        return contextlib.nullcontext()
    from cpner.cluster import join

    return join(address)


def _command(context: click.Context, experiment: str) -> str:
    """The command line that makes these results, without what only tells where files are and how fast it runs."""
    words = ["cpner reproduce", experiment, "--data data"]
    for parameter in context.command.params:
        name = parameter.name or ""
        given = context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
        if given and name not in ("experiment", "data", *_NO_MATTER):
            value = context.params[name]
            words += [f"{parameter.opts[0]} {word}" for word in (value if isinstance(value, tuple) else (value,))]
    return " ".join(words)
