"""`cpner domains`: the store of domains."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from cpner.cli.console import print_json, print_rich
from cpner.cli.options import PathType, Reader, backbone_option, json_option, open_store, split_types, store_option
from cpner.errors import CpnerError
from cpner.show.entities import size_text
from cpner.show.tables import text_table
from cpner.store import DomainCard, Store, check_fits, check_name
from cpner.store.card import LIBRARIES, members_row

overwrite_option = click.option("--overwrite", is_flag=True, help="Replace what is there.")


@click.group(no_args_is_help=True)
def domains() -> None:
    """List, show, remove, export and import stored domains.

    \b
    Example:
      cpner domains list --store store
    """


@domains.command("list")
@store_option
@json_option
def list_(store: Path, as_json: bool) -> None:
    """List the stored domains.

    \b
    Example:
      cpner domains list --store store
    """
    opened = open_store(store)
    rows = [_row(opened, name) for name in opened.names()]
    if as_json:
        print_json({"store": str(store), "domains": rows})
        return
    table = text_table("", "domain", "types", "made by", "backbone")
    table.add_column("size", justify="right")
    for row in rows:
        if "error" in row:
            table.add_row(Text(row["name"]), Text(row["error"], "red"))
        else:
            made = row["strategy"] + (f" ({', '.join(row['sources'])})" if row["sources"] else "")
            size = size_text(row["size_bytes"])
            table.add_row(Text(row["name"]), Text(", ".join(row["types"])), Text(made), Text(row["backbone"]), size)
    print_rich(table if rows else Text(f"No domains in {store}."))


@domains.command()
@click.argument("name")
@store_option
@json_option
def show(name: str, store: Path, as_json: bool) -> None:
    """Show what is known of the stored domain NAME.

    \b
    Example:
      cpner domains show news --store store --json
    """
    opened = open_store(store)
    card = opened.card(name)
    if as_json:
        print_json({**asdict(card), "size_bytes": opened.size_bytes(name)})
    else:
        print_rich(_card_table(card, opened.size_bytes(name)))


@domains.command()
@click.argument("names", nargs=-1, required=True)
@store_option
def remove(names: tuple[str, ...], store: Path) -> None:
    """Remove the stored domains NAMES for good.

    \b
    Example:
      cpner domains remove news --store store
    """
    opened = open_store(store)
    for name in names:  # all must be there before the first goes
        if name not in opened:
            opened.card(name)
    for name in names:
        opened.remove(name)
        click.echo(f"Removed {name} from {store}", err=True)


@domains.command()
@click.argument("name")
@click.argument("out", type=PathType())
@click.option("--as", "library", type=click.Choice(["zip", *LIBRARIES]), default="zip",
              help="A file of cpner's own, or a folder that another library reads.")  # fmt: skip
@store_option
@overwrite_option
def export(name: str, out: Path, library: str, store: Path, overwrite: bool) -> None:
    """Write the stored domain NAME to OUT: a file (zip), or a folder for AdapterHub's adapters or PEFT.

    \b
    Example:
      cpner domains export news news.zip --store store
      cpner domains export news news-adapter --as adapterhub --store store
    """
    if library != "zip":
        from cpner.store.exchange import write_folder

        write_folder(open_store(store).load(name), library, out, overwrite=overwrite)
        click.echo(f"Wrote {out} for {library}", err=True)
        return
    if out.exists() and not overwrite:
        raise click.UsageError(f"{out} is there already; choose another name or give --overwrite")
    open_store(store).export(name, out)
    click.echo(f"Wrote {out} ({size_text(out.stat().st_size)})", err=True)


@domains.command("import")
@click.argument("source", type=PathType(exists=True))
@click.option("--name", metavar="NAME", help="Store it under this name; default: its own.")
@click.option("--types", callback=split_types, metavar="A,B", show_default="those that cpner wrote beside it",
              help="What a prefix of another library finds.")  # fmt: skip
@store_option
@backbone_option
@overwrite_option
def import_(
    source: Path, name: str | None, types: tuple[str, ...], store: Path, backbone: str | None, overwrite: bool
) -> None:
    """Store the domain in SOURCE: a file that `domains export` wrote, or the folder of another library's prefix.

    A folder is one that AdapterHub's adapters or PEFT wrote for the same backbone, in safetensors.

    \b
    Example:
      cpner domains import news.zip --store other-store --name newspapers
      cpner domains import news-adapter --store other-store --types "person,place" --backbone cpner-mini
    """
    if source.is_dir():
        stored = _import_folder(source, name, types, Reader(store, backbone, None, None), overwrite)
    elif types or backbone:
        raise click.UsageError("--types and --backbone are for folders of other libraries; a file tells them itself")
    else:
        stored = open_store(store, create=True).import_(source, name, overwrite=overwrite).name
    click.echo(f"Stored {stored} in {store}", err=True)


def _import_folder(source: Path, name: str | None, types: tuple[str, ...], engine: Reader, overwrite: bool) -> str:
    """Store a prefix that another library wrote; gives the name of the domain."""
    from cpner.store.exchange import read_folder

    ner = engine.load(create=True)
    imported = read_folder(source, ner.backbone.t5.shape)
    name = name or imported.name
    check_name(name)
    card = imported.card
    if card is not None:
        check_fits(card, ner.backbone)
    if not types and card is None:
        raise click.UsageError("give --types: the folder does not tell what its prefix finds")
    if engine.store is not None and engine.store.is_dir():
        open_store(engine.store).check_place(name, overwrite=overwrite)
    ner.add(name, imported.prefix, types or (card.types if card else ()), options=card.options if card else True)
    ner.save(domains=[name])
    return name


def _row(store: Store, name: str) -> dict[str, Any]:
    """A line of the list; a damaged domain is listed with what is wrong."""
    try:
        card = store.card(name)
        return {
            "name": name,
            "types": card.types,
            "strategy": card.strategy,
            "sources": card.sources,
            "backbone": card.backbone,
            "metrics": card.metrics,
            "created": card.created,
            "size_bytes": store.size_bytes(name),
        }
    except (CpnerError, OSError) as error:
        return {"name": name, "error": str(error)}


def _card_table(card: DomainCard, size_bytes: int) -> Table:
    table = Table.grid(padding=(0, 2))
    rows = {
        "domain": card.name,
        "types": ", ".join(card.types),
        "backbone": f"{card.backbone} ({card.backbone_fingerprint})",
        "prefix": f"{card.prefix['length']} positions in {', '.join(card.prefix['attentions'])}",
        "made by": card.strategy,
        **members_row(card),
        "sources": ", ".join(f"{name} {weight:.3f}" for name, weight in card.sources.items()) or "none",
        "metrics": ", ".join(f"{name} {_figure(value)}" for name, value in card.metrics.items()) or "none",
        "training data": _training_data(card.statistics),
        "seed": str(card.seed),
        "created": card.created,
        "versions": ", ".join(f"{name} {version}" for name, version in card.versions.items()),
        "size": size_text(size_bytes),
    }
    for label, value in rows.items():
        table.add_row(Text(label, "bold"), Text(value))
    return table


def _training_data(statistics: dict[str, Any]) -> str:
    train = statistics.get("splits", statistics).get("train", {})
    return f"{train.get('sentences', 0):,} sentences, {train.get('entities', 0):,} entities"


def _figure(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)
