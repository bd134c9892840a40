"""What the commands that train have in common: the folder of a run, and what is kept and printed of it.

    STORE/.runs/NAME        checkpoints while NAME is trained, and at the end `stored.json`: what the store is to hold
          .runs/.done-NAME  the same once NAME is stored and told, while the checkpoints are deleted
          .runs/.old-NAME   rubbish

A process may be killed at any moment. If the store holds what `stored.json` names, the training had ended. Then
`--resume` tidies up and prints the result again: to train once more would begin at the trained domain.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from filelock import FileLock, Timeout

from cpner.cli.console import print_json, progress_bar
from cpner.errors import StoreError, TrainingError, UnknownDomainError
from cpner.files import replacing
from cpner.show.entities import size_text
from cpner.store import Store, StoredDomain, check_name

if TYPE_CHECKING:
    from cpner.ner import CPNER
    from cpner.training import TrainingResult
    from cpner.training.run import Run

_CURVE = ("curve.json", "curve.png")
_NOTE = "stored.json"


def train(
    ner: CPNER, domain: str, store: Path, training: Callable[[Run], TrainingResult], *, resume: bool, as_json: bool
) -> None:
    """Train a domain with checkpoints, store it, and print how it went.

    Args:
        training: trains the domain in a run.
        resume: go on from the checkpoints of a run that was stopped.

    Raises:
        StoreError: the domain has a name that can't be stored; said now, before hours of training.
        TrainingError: another process trains this domain, or the training can't go on.
    """
    from cpner.training.run import Run

    check_name(domain)
    folder = _folder(store, domain)
    note = _note_of(store, domain) if resume else None
    if note is not None:
        click.echo(f"{domain!r} was trained and stored before the run was stopped", err=True)
        Store(store).tidy()  # the old domain may still lie beside the new one
        _end(store, domain, note, as_json=as_json)
        return
    if resume and not folder.exists():
        click.echo(f"Nothing to resume: no run of {domain!r} was stopped; training begins anew", err=True)
    _clear(store, domain, keep_run=resume)
    with progress_bar() as progress:
        result = training(Run(folder, resume, progress))
    summary = _summary(result)
    with replacing(folder / _NOTE, sync=True) as file:
        file.write(json.dumps({"digest": _digest(ner, domain), **summary}).encode())
    ner.save(store)
    _end(store, domain, summary, as_json=as_json)


def finish(ner: CPNER, domain: str, result: TrainingResult, store: Path, *, as_json: bool) -> None:
    """Store a domain that was trained without checkpoints, and print how it went."""
    ner.save(store)
    _print(store, domain, _summary(result), as_json=as_json)


def _end(store: Path, domain: str, summary: dict[str, Any], *, as_json: bool) -> None:
    """Keep the curve of a stored domain, print how its training went, and delete its checkpoints."""
    folder = _folder(store, domain)
    done = _folder(store, domain, ".done-")
    for name in _CURVE:
        curves = sorted(folder.rglob(name), key=lambda path: path.stat().st_mtime)
        if curves:  # of several trainings, the last one's
            os.replace(curves[-1], store / domain / name)
    _print(store, domain, summary, as_json=as_json)
    if folder.exists():
        _delete(done)
        os.rename(folder, done)
    for path in list(done.iterdir()):
        if path.name != _NOTE:  # so that it is known until the end that the domain is stored
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    _clear(store, domain)
    with contextlib.suppress(OSError):  # other domains are being trained
        done.parent.rmdir()


def _folder(store: Path, domain: str, state: str = "") -> Path:
    return store / ".runs" / f"{state}{domain}"


def _digest(ner: CPNER, domain: str) -> str:
    """The digest of a domain as the store will hold it."""
    from cpner.store.package import digest

    return digest(StoredDomain(ner.card(domain), ner.prefix(domain)))


def _note_of(store: Path, domain: str) -> dict[str, Any] | None:
    """How the training of a domain went that has ended but was not tidied up; None if there is none."""
    for folder in (_folder(store, domain), _folder(store, domain, ".done-")):
        with contextlib.suppress(OSError, ValueError, KeyError, StoreError, UnknownDomainError):
            note: dict[str, Any] = json.loads((folder / _NOTE).read_text("utf-8"))
            if note.pop("digest") == Store(store).digest(domain):
                return note
    return None


def _clear(store: Path, domain: str, *, keep_run: bool = False) -> None:
    """Delete what runs of a domain have left; their folders change their name first, so that none is read half gone."""
    folder = _folder(store, domain)
    for lock in folder.rglob(".lock"):
        try:
            FileLock(lock).acquire(timeout=0).lock.release()
        except Timeout as error:
            raise TrainingError(f"domain {domain!r} is being trained in {store} by another process") from error
    _delete(_folder(store, domain, ".old-"))
    for path in (_folder(store, domain, ".done-"), *([] if keep_run else [folder])):
        if path.exists():
            os.rename(path, old := _folder(store, domain, ".old-"))
            _delete(old)


def _delete(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def _summary(result: TrainingResult) -> dict[str, Any]:
    return {
        "best_f1": result.best_f1,
        "epochs": result.epochs,
        "seconds": round(result.seconds, 2),
        "curve": result.curve,
    }


def _print(store: Path, domain: str, summary: dict[str, Any], *, as_json: bool) -> None:
    """Print how the training of a stored domain went."""
    card = Store(store).card(domain)
    size = Store(store).size_bytes(domain)
    if as_json:
        facts = {"domain": domain, "strategy": card.strategy, "sources": card.sources}
        print_json({**facts, **summary, "store": str(store), "size_bytes": size})
        return
    if card.sources:
        click.echo("sources  " + ", ".join(f"{name} {weight:.3f}" for name, weight in card.sources.items()))
    if summary["best_f1"] is not None:
        click.echo(f"dev F1   {summary['best_f1']:.2f}")
    click.echo(f"epochs   {summary['epochs']} in {summary['seconds']:.0f} s")
    click.echo(f"stored   {store / domain} ({size_text(size)})")
