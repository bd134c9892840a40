"""What the commands that train have in common: the folder of a run, and what is kept and printed of it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import click
from filelock import FileLock, Timeout

from cpner.cli.console import print_json
from cpner.errors import TrainingError
from cpner.show.entities import size_text
from cpner.store import Store, check_name

if TYPE_CHECKING:
    from cpner.ner import CPNER
    from cpner.training import TrainingResult

_CURVE = ("curve.json", "curve.png")


def run_folder(store: Path, domain: str, *, resume: bool) -> Path:
    """Where the checkpoints of a domain's training are until it ends well; cleared unless it is to be resumed.

    Raises:
        StoreError: The domain has a name that can't be stored; said now, before hours of training.
        TrainingError: Another process trains this domain.
    """
    check_name(domain)
    folder = store / ".runs" / domain
    if resume and not folder.exists():
        click.echo(f"Nothing to resume: no run of {domain!r} was stopped; training begins anew", err=True)
    if not resume and folder.exists():
        for lock in folder.rglob(".lock"):
            try:
                FileLock(lock).acquire(timeout=0).lock.release()
            except Timeout as error:
                raise TrainingError(f"domain {domain!r} is being trained in {store} by another process") from error
        shutil.rmtree(folder)
    return folder


def finish(
    ner: CPNER, domain: str, result: TrainingResult, store: Path, run_dir: Path | None = None, *, as_json: bool
) -> None:
    """Store a trained domain with its curve, remove its checkpoints if it has any, and print how it went."""
    ner.save(store)
    if run_dir is not None:
        _keep_curve(run_dir, store / domain)
    card, size = ner.card(domain), Store(store).size_bytes(domain)
    if as_json:
        print_json(
            {
                "domain": domain,
                "strategy": card.strategy,
                "sources": card.sources,
                "best_f1": result.best_f1,
                "epochs": result.epochs,
                "seconds": round(result.seconds, 2),
                "curve": result.curve,
                "store": str(store),
                "size_bytes": size,
            }
        )
        return
    if card.sources:
        click.echo("sources  " + ", ".join(f"{name} {weight:.3f}" for name, weight in card.sources.items()))
    if result.best_f1 is not None:
        click.echo(f"dev F1   {result.best_f1:.2f}")
    click.echo(f"epochs   {result.epochs} in {result.seconds:.0f} s")
    click.echo(f"stored   {store / domain} ({size_text(size)})")


def _keep_curve(run_dir: Path, folder: Path) -> None:
    """Move the curve of the last stage beside the domain, and remove the run."""
    for name in _CURVE:
        found = sorted(run_dir.rglob(name), key=lambda path: path.stat().st_mtime)
        if found:
            os.replace(found[-1], folder / name)
    shutil.rmtree(run_dir, ignore_errors=True)
    if run_dir.parent.is_dir() and not any(run_dir.parent.iterdir()):
        run_dir.parent.rmdir()
