"""`cpner annotate`: entities of files of any size, by many processes, as a run that can be stopped and goes on."""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cpner.annotation.inputs import ALL_KINDS, Inputs
from cpner.annotation.lines import ending
from cpner.annotation.tasks import KIND as LABEL_STUDIO
from cpner.annotation.texts import Keys
from cpner.cli.console import progress_bar
from cpner.cli.labelling import asked_types, chosen_labelling, label_config_option
from cpner.cli.options import (
    NEW_FILE,
    PathType,
    Reader,
    backbone_option,
    beams_option,
    by_sentence_option,
    device_option,
    engine_option,
    gather,
    into_option,
    on_error_option,
    open_store,
    optional_store_option,
    precision_option,
    ray_address_option,
    text_key_option,
    types_option,
)
from cpner.cli.scores import ScoreOptions, score_options
from cpner.errors import ConfigError
from cpner.settings import MOST_SENTENCES

if TYPE_CHECKING:
    from cpner.annotation.engine import Engine
    from cpner.annotation.worker import Job

BATCH_SIZE = 128  # nobody waits for an answer: a sentence costs three quarters of what it does among 32
SHARD_SIZE = 4 * BATCH_SIZE
LEFT_OUT = 3  # exit code where lines were left out
_ENDINGS = (".jsonl", ".jsonl.gz", ".jsonl.xz", ".parquet", ".json")
_TASKS = ".json"
_reader_options = gather("reader", Reader, optional_store_option, backbone_option, device_option, precision_option)


@click.command()
@click.argument("source", metavar="IN", type=PathType(allow_dash=True))
@click.argument("out", metavar="OUT", type=NEW_FILE)
@click.option("--domain", metavar="NAME", help="The stored domain whose entities to find.")
@types_option
@_reader_options
@click.option("--from", "kind", type=click.Choice(ALL_KINDS), show_default="found out by its ending and first line",
              help="What the input has: a text a line, a record of JSON a line, a table with commas, parquet, or "
              "tasks of Label Studio.")  # fmt: skip
@text_key_option
@into_option
@label_config_option
@on_error_option
@engine_option
@click.option("--workers", type=click.IntRange(1, 100_000), metavar="N", show_default="one for each core, or each GPU",
              help="Processes that compute, with a thread each.")  # fmt: skip
@ray_address_option
@click.option("--batch-size", type=click.IntRange(1, MOST_SENTENCES), default=BATCH_SIZE,
              help="Sentences decoded at once.")  # fmt: skip
@click.option("--shard-size", type=click.IntRange(1, 1_000_000), default=SHARD_SIZE,
              help="Texts that a worker gets at once; a run that is killed loses at most these of each worker.",
              )  # fmt: skip
@by_sentence_option
@beams_option
@score_options
@click.option("--review", type=click.IntRange(1, 1_000_000), metavar="N",
              help="Also write the N texts that are least sure to be right as a whole, the least sure first, beside "
              "OUT.")  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace OUT where it is there.")
def annotate(
    source: Path,
    out: Path,
    domain: str | None,
    types: tuple[str, ...],
    reader: Reader,
    kind: str | None,
    text_key: str,
    into: str | None,
    label_config: Path | None,
    on_error: str,
    engine: str,
    workers: int | None,
    ray_address: str | None,
    batch_size: int,
    shard_size: int,
    by_sentence: bool | None,
    beams: int,
    review: int | None,
    overwrite: bool,
    scores: ScoreOptions,
) -> None:
    """Find the entities of all texts of IN, and write them to OUT in the same order.

    IN is a file with a text or a record a line, a table with commas, a parquet file, each but the last also as .gz or
    .xz, a folder of such files, or - for standard input. OUT ends in .jsonl, .jsonl.gz, .jsonl.xz or .parquet. Other
    keys and columns stay. Memory does not grow with IN.

    An OUT that ends in .json has tasks with predictions, to be imported into Label Studio. An IN that ends in .json is
    then taken as tasks that it exported.

    A run that was stopped goes on when the same command is given again: what is done waits in OUT.parts. OUT appears
    when all is done, and is the same whatever the engine, the workers and the stops. Exit code 3 says that lines were
    left out.

    \b
    Example:
      cpner annotate posts.jsonl.gz found.jsonl --domain news --store store
      cpner annotate tables found.parquet --text-key body --into found --domain news --store store --workers 8
      cpner annotate posts.csv found.jsonl --text-key body --types person,city --on-error skip
      cpner annotate posts.jsonl found.jsonl --domain news --store store --review 100
      cpner annotate tasks.json predictions.json --domain films --store store
      cpner annotate posts.parquet found.parquet --domain news --store store --engine ray
    """
    labelling = chosen_labelling(label_config, text_key, types)
    if domain is None and not (types or labelling.labels):
        raise click.UsageError("give --domain NAME, or --types A,B to look for types that no prefix was trained for")
    if review and scores.raw_scores:
        raise click.UsageError("--review goes by calibrated scores: leave out --raw-scores")
    if out.name.lower().endswith(_TASKS):
        if into is not None:
            raise click.UsageError("--into names a key of records; the tasks of a .json have predictions")
        if kind is None and ending(source.name) == _TASKS:
            kind = LABEL_STUDIO
    elif label_config is not None:
        raise click.UsageError("--label-config is for an OUT that ends in .json, with tasks of Label Studio")
    _check_places(source, out, overwrite)
    if review and not overwrite:
        _check_review(out)
    tell = partial(click.echo, err=True)
    keys = Keys(labelling.text_key, into)
    stream = sys.stdin.buffer if str(source) == "-" else None
    inputs = Inputs(source, stream, kind=kind, keys=keys, skip=on_error == "skip", tell=tell)
    backbone = reader.find(domain)
    from cpner.annotation.review import review_path
    from cpner.annotation.run import Plan
    from cpner.annotation.run import annotate as run
    from cpner.annotation.shards import Parts
    from cpner.annotation.worker import Job

    cut = scores.cut
    archive, contents, learnt = (None, None, None) if domain is None else _take(reader, domain)
    types = asked_types(labelling, types, learnt)
    settings: dict[str, Any] = {
        "types": list(types) or None,
        "batch_size": batch_size,
        "beams": beams,
        "by_sentence": by_sentence,
    }
    settings |= {"calibrated": not scores.raw_scores, "cut": cut and asdict(cut)}
    plan = Plan(domain, keys, shard_size, settings, contents, labelling if label_config else None, review)
    job = Job(backbone, domain, archive, {**settings, "cut": cut}, reader.device, reader.precision)
    parts = Parts(out, overwrite=overwrite)
    with progress_bar() as progress:
        summary = run(inputs, parts, _engine(engine, job, workers, ray_address), plan, progress)
    pace = f", {summary.annotated / summary.seconds:,.1f} a second" if summary.annotated else ""
    before = summary.texts - summary.annotated
    rest = f"; {before:,} were there" if before else ""
    tell(f"Wrote {out}: {summary.texts:,} texts{pace}{rest}")
    if review:
        tell(f"Wrote {review_path(parts.out)}: the {min(review, summary.texts):,} least sure of them")
    if summary.skipped:
        tell(f"{summary.skipped:,} of {summary.read:,} lines left out")
        click.get_current_context().exit(LEFT_OUT)


def _check_places(source: Path, out: Path, overwrite: bool) -> None:
    if not out.name.lower().endswith(_ENDINGS):
        raise click.UsageError(f"{out} must end in {', '.join(_ENDINGS[:-1])} or {_ENDINGS[-1]}, as what is written")
    if str(source) == "-":
        if sys.stdin is None or sys.stdin.isatty():
            raise click.UsageError("nothing to read on standard input; name a file")
    elif source.exists():
        if out.exists() and out.samefile(source):
            raise click.UsageError(f"{out} is the input, which would be lost: choose another OUT")
        if source.is_dir() and Path(os.path.realpath(out)).is_relative_to(os.path.realpath(source)):
            raise click.UsageError(f"{out} lies in the folder that is read: choose an OUT elsewhere")
    if out.exists() and not overwrite and not _is_begun(out):
        raise click.UsageError(f"{out} is there already; choose another name or give --overwrite")


def _check_review(out: Path) -> None:
    """Refuse to replace a file that somebody may have corrected, unless a run that was stopped goes on."""
    from cpner.annotation.review import review_path
    from cpner.annotation.shards import Parts

    path = review_path(Parts(out).out)
    if path.exists() and not _is_begun(out):
        raise click.UsageError(f"{path} is there already; move it away or give --overwrite")


def _is_begun(out: Path) -> bool:
    """Whether a run that was stopped goes on, perhaps only to delete its parts."""
    from cpner.annotation.shards import Parts

    return Parts(out).folder.exists()


def _take(reader: Reader, domain: str) -> tuple[bytes, str, list[str]]:
    """A domain as it is now, for all workers, what names its contents, and its types."""
    if reader.store is None:
        raise ConfigError(f"no store to take {domain!r} from")
    store = open_store(reader.store)
    digest = store.digest(domain)
    with tempfile.TemporaryDirectory(prefix="cpner-") as folder:
        archive = Path(folder, "domain.zip")
        store.export(domain, archive)
        return archive.read_bytes(), digest[:16], store.card(domain).types


def _engine(name: str, job: Job, workers: int | None, ray_address: str | None) -> Engine:
    if name == "ray":
        from cpner.annotation.on_ray import RayEngine

        return RayEngine(job, workers, ray_address)
    from cpner.annotation.local import LocalEngine

    return LocalEngine(job, workers)
