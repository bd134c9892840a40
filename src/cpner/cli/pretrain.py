"""`cpner pretrain`: a backbone from text and labelled sentences."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cpner.cli.console import print_json, progress_bar
from cpner.cli.options import FILE, FOLDER, NEW_FOLDER, PLACE, json_option, resume_option, threads_option
from cpner.progress import Progress

if TYPE_CHECKING:
    from cpner.pretraining.config import PretrainConfig
    from cpner.pretraining.cost import Cost

_OF_SIZE = "that of --size"
_IN_DATA = ("batch_pieces", "text_share")


def _parse_shape(ctx: click.Context, parameter: click.Parameter, value: str | None) -> dict[str, int] | None:
    """Read `d_model=320,heads=5`."""
    if value is None:
        return None
    pairs = [part.partition("=") for part in value.split(",")]
    try:
        return {name.strip(): int(number) for name, _, number in pairs}
    except ValueError as error:
        raise click.BadParameter("expected sizes such as d_model=320,heads=5", ctx, parameter) from error


def _parse_share(ctx: click.Context, parameter: click.Parameter, value: str | None) -> dict[str, float] | None:
    """Read `0.15`, or `0.9:0.1` from the start to the end of the run."""
    if value is None:
        return None
    try:
        shares = [float(part) for part in value.split(":")]
    except ValueError:
        shares = []
    if len(shares) not in (1, 2):
        raise click.BadParameter("expected a share such as 0.15, or START:END such as 0.9:0.1", ctx, parameter)
    return {"text_share": shares[-1], "text_share_start": shares[0]}


@click.command()
@click.option("--text", multiple=True, type=FILE, metavar="FILE",
              help="Plain text, one paragraph a line, .txt or .txt.xz; may be repeated.")  # fmt: skip
@click.option("--ner", type=FOLDER, metavar="DIR", help="Folder of labelled sentences, NAME.jsonl or NAME.jsonl.xz.")
@click.option("--out", type=NEW_FOLDER, required=True, metavar="DIR", help="Folder of the run.")
@click.option("--size", metavar="NAME", show_default="cpu", help="tiny, cpu, taught or full; with its recipe.")
@click.option(
    "--start",
    type=PLACE,
    metavar="NAME",
    show_default="new weights",
    help="Go on from this backbone: a folder, or cpner-mini.",
)
@click.option("--teacher", type=PLACE, metavar="DIR", show_default="none",
              help="Start the encoder from a BERT in this folder, and follow it; with --size taught.")  # fmt: skip
@click.option("--shape", callback=_parse_shape, metavar="NAME=N,...", show_default=_OF_SIZE,
              help="Sizes that differ: encoder_layers=6,...")  # fmt: skip
@click.option("--steps", type=click.IntRange(min=1), show_default=_OF_SIZE, metavar="N", help="Steps of the optimiser.")
@click.option(
    "--minutes", type=float, show_default="no limit", help="Spread the learning rate over this time, and stop then."
)
@click.option(
    "--lr", type=float, show_default=_OF_SIZE, metavar="X", help="Learning rate, relative to each parameter's size."
)
@click.option("--batch-pieces", type=click.IntRange(min=1), show_default=_OF_SIZE, help="Source pieces of a batch.")
@click.option(
    "--accumulation", type=click.IntRange(min=1), metavar="N", show_default=_OF_SIZE, help="Batches of a step."
)
@click.option("--text-share", callback=_parse_share, metavar="X|X:Y", show_default=_OF_SIZE,
              help="Share of plain text; X:Y falls from X to Y.")  # fmt: skip
@click.option(
    "--workers", type=click.IntRange(min=0), metavar="N", show_default=_OF_SIZE, help="Processes that make batches."
)
@click.option("--compile/--no-compile", default=None, show_default=_OF_SIZE, help="Compile the model; pays on a GPU.")
@click.option("--seed", type=click.IntRange(min=0), show_default="0", metavar="N", help="Of weights and batches.")
@click.option("--config", "config_file", type=FILE, metavar="FILE.toml", help="Settings; flags override them.")
@click.option("--prepare-only", is_flag=True, help="Make vocabulary and arrays, and stop.")
@resume_option
@threads_option
@json_option
def pretrain(
    text: tuple[Path, ...],
    ner: Path | None,
    out: Path,
    config_file: Path | None,
    prepare_only: bool,
    resume: bool,
    as_json: bool,
    **settings: Any,
) -> None:
    """Train a backbone: span corruption of plain text, and entity recognition under ever-changing types.

    The run folder OUT keeps vocabulary, data, checkpoints and log; OUT/backbone is what other commands take as
    --backbone. Data that OUT holds already is not read again: --prepare-only makes it beforehand.

    \b
    Example:
      cpner pretrain --text text.txt.xz --ner ner --out run --size cpu --minutes 60
      cpner pretrain --out run --size full --text-share 1:0.1 --workers 16
      cpner pretrain --text text.txt.xz --ner ner --out run --size taught --teacher minilm
      cpner warm-up sample:news --domain news --store store --backbone run/backbone
    """
    config = _config(config_file, settings)
    if prepare_only:
        from cpner.pretraining.prepare import prepare

        with progress_bar() as progress:
            prepare(text, ner, out, config, progress=progress)
        click.echo(f"Prepared {out}", err=True)
        return
    from cpner.pretraining.run import pretrain as run

    final: dict[str, Any] = {}
    with progress_bar() as progress:

        def report(record: dict[str, Any]) -> None:
            if "final" in record:
                final.update(record["final"])
            else:
                progress(_progress(record))

        folder = run(text, ner, out, config, resume=resume, report=report, announce=_announce, progress=progress)
    if as_json:
        print_json({"backbone": str(folder), **final})
    else:
        click.echo(f"Wrote {folder}", err=True)
        for name, value in final.items():
            click.echo(f"{name:16} {value}")


def _config(file: Path | None, settings: dict[str, Any]) -> PretrainConfig:
    from cpner.pretraining.config import PretrainConfig

    given = {name: value for name, value in settings.items() if value is not None}
    data = {name: given.pop(name) for name in _IN_DATA if name in given}
    data |= {"seed": given["seed"]} if "seed" in given else {}
    data |= data.pop("text_share", {})
    if data:
        given["data"] = data
    return PretrainConfig.from_flags(file, **given)


def _announce(cost: Cost) -> None:
    click.echo(
        f"{cost.parameters / 1e6:.1f} million parameters, {cost.step_pieces:,.0f} pieces a step, "
        f"{cost.pieces / 1e6:,.1f} million pieces and {cost.flops:.1e} floating-point operations in all",
        err=True,
    )


def _progress(record: dict[str, Any]) -> Progress:
    """A record of the log as a line; with a time limit, the number of steps is a forecast."""
    step = record["step"]
    share = record["share"]
    total = min(record["steps"], round(step / share)) if share > 0 else record["steps"]
    losses = [f"{name} {record[f'loss_{name}']:.3f}" for name in ("entities", "text") if f"loss_{name}" in record]
    right = [f"{name.removeprefix('right_')} {value}%" for name, value in record.items() if name.startswith("right_")]
    speed = f"{record['pieces_per_second']:,} pieces/s"
    return Progress(step, max(step, total), "  ".join(["loss", *losses, speed, *right]))
