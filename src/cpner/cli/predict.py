"""`cpner predict`: entities of texts, as they stream by."""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cpner.annotation.lines import KINDS, FileLines, Lines, read_lines
from cpner.annotation.tasks import KIND as LABEL_STUDIO
from cpner.annotation.tasks import Tasks
from cpner.annotation.texts import Keys, Texts
from cpner.backbone.known_types import warn_of_unread
from cpner.cli.console import progress_bar
from cpner.cli.labelling import asked_types, chosen_labelling, label_config_option
from cpner.cli.options import (
    NEW_FILE,
    PathType,
    Reader,
    batch_option,
    beams_option,
    by_sentence_option,
    into_option,
    on_error_option,
    open_store,
    reader_options,
    text_key_option,
    types_option,
)
from cpner.cli.scores import ScoreOptions, score_options
from cpner.corpus.checks import sentence_of
from cpner.corpus.formats import unpacked_name
from cpner.corpus.labelling import model_version
from cpner.files import replacing
from cpner.progress import Progress, Report
from cpner.settings import MOST_BEAMS
from cpner.show.entities import FORMATS, Tagged, render
from cpner.show.label_studio import predicted_tasks

if TYPE_CHECKING:
    from cpner.ner import CPNER

LEFT_OUT = 3  # exit code where lines were left out
_SUFFIXES = {".jsonl": "jsonl", ".json": "jsonl", ".conll": "conll", ".bio": "conll", ".html": "html", ".htm": "html"}


@click.command()
@click.argument("text", required=False)
@click.option("--domain", metavar="NAME", help="The stored domain whose entities to find.")
@types_option
@reader_options
@click.option(
    "--input",
    "source",
    type=PathType(dir_okay=False, allow_dash=True),
    metavar="FILE|-",
    show_default="standard input if there is no TEXT",
    help="Texts, one a line, or records with a text, also as .gz or .xz; - is standard input.",
)
@click.option("--from", "kind", type=click.Choice((*KINDS, LABEL_STUDIO)),
              show_default="found out by its ending and first line",
              help="What the input has: a text a line, a record of JSON a line, a table with commas, or tasks of Label "
              "Studio.")  # fmt: skip
@text_key_option
@into_option
@on_error_option
@click.option(
    "--format",
    type=click.Choice((*FORMATS, LABEL_STUDIO)),
    show_default="by the ending of --output; else table on a terminal, jsonl elsewhere",
    help="How entities are written.",
)
@click.option("--output", type=NEW_FILE, metavar="FILE",
              show_default="standard output", help="Where to write.")  # fmt: skip
@label_config_option
@batch_option
@by_sentence_option
@beams_option
@click.option("--best", type=click.IntRange(1, MOST_BEAMS // 2), metavar="N", show_default="the entities alone",
              help="Also tell the N likeliest ways to read a text, each with its probability.")  # fmt: skip
@click.option("--type-sets", "reach", type=click.FloatRange(0, 1, min_open=True, max_open=True), metavar="SHARE",
              show_default="the type alone", help="Also tell the types of an entity that make up SHARE together.",
              )  # fmt: skip
@click.option("--passes", type=click.IntRange(2, MOST_BEAMS), metavar="N", show_default="all types at once",
              help="Ask for an Nth of the types at a time: finds more, and entities may overlap.")  # fmt: skip
@score_options
def predict(
    text: str | None,
    domain: str | None,
    types: tuple[str, ...],
    engine: Reader,
    source: Path | None,
    format: str | None,
    output: Path | None,
    batch_size: int,
    by_sentence: bool | None,
    beams: int,
    best: int | None,
    reach: float | None,
    passes: int | None,
    kind: str | None,
    text_key: str,
    into: str | None,
    on_error: str,
    label_config: Path | None,
    scores: ScoreOptions,
) -> None:
    """Find the entities of TEXT, or of each line of a file or of standard input (-).

    Offsets count characters (Unicode code points); ends are exclusive.

    A line may be a record of JSON with the key text, or a row of a table. Its other keys stay in what is written as
    JSON. One that has a key domain or entities is a bad line: --into names another key for the entities. Exit code 3
    says that lines were left out.

    A score is the probability that the entity is right; --least-precision and --threshold leave out what is less sure.

    The format label-studio has tasks with predictions, to be imported. It takes an input that ends in .json as tasks
    that Label Studio exported.

    \b
    Example:
      cpner predict --domain news --store store "Ada Lovelace met Charles Babbage in London."
      cpner predict --domain news --store store --input texts.txt --output entities.jsonl
      cpner predict --domain news --store store --input posts.csv --text-key body --into found --output found.jsonl
      cat texts.txt | cpner predict --types person,city --format table
      cpner predict --domain news --store store --input texts.txt --least-precision 0.9
      cpner predict --domain news --store store --best 3 "Ada Lovelace met Charles Babbage in London."
      cpner predict --domain news --store store --type-sets 0.9 --input texts.txt
      cpner predict --types person,politician,city,country --passes 2 --input texts.txt
      cpner predict --domain news --store store --input tasks.json --format label-studio --output predictions.json
    """
    if label_config is not None and format != LABEL_STUDIO:
        raise click.UsageError("--label-config is of --format label-studio")
    labelling = chosen_labelling(label_config, text_key, types)
    if format == LABEL_STUDIO and into is not None:
        raise click.UsageError("--into names a key of records; tasks of the format label-studio have predictions")
    if domain is None and not (types or labelling.labels):
        raise click.UsageError("give --domain NAME, or --types A,B to look for types that no prefix was trained for")
    output = None if output == Path("-") else output
    if output and source and output.exists() and output.samefile(source):
        raise click.UsageError(f"{output} is the input, which would be lost: choose another --output")
    cut = scores.cut
    if kind is None and format == LABEL_STUDIO and source and unpacked_name(source).endswith(".json"):
        kind = LABEL_STUDIO
    format = format or _format(output)
    more: dict[str, Any] = {
        name: value for name, value in (("best", best), ("reach", reach), ("passes", passes)) if value
    }
    if len(more) > 1:
        raise click.UsageError("give one of --best, --type-sets and --passes")
    if more and (cut or format not in ("jsonl", "table")):
        raise click.UsageError(
            "--best, --type-sets, --passes are of jsonl and table, and leave nothing out for its score"
        )
    if beams > 1 and (reach or passes):
        raise click.UsageError("--type-sets and --passes search greedily: leave out --beams")
    texts = _open(text, source, kind, Keys(labelling.text_key, into, bool(best)), on_error == "skip")
    ner = engine.load(domain)
    types = asked_types(labelling, types, ner.card(domain).types if domain else None)
    shown = list(types) or (ner.card(domain).types if domain else [])
    on_screen = output is None and sys.stdout.isatty()
    title = f"Entities of {domain}" if domain else "Entities"
    with _out(output) as write, progress_bar(hidden=on_screen) as progress:
        settings: dict[str, Any] = {"types": list(types) or None, "by_sentence": by_sentence}
        settings |= {"calibrated": not scores.raw_scores, **(more or {"cut": cut})}
        if beams > 1:
            settings["beams"] = beams
        tagged = _tag(ner, texts, domain, batch_size, progress, into, **settings)
        if format == LABEL_STUDIO:
            pieces = predicted_tasks(tagged, labelling, _version(engine, ner, domain))
        else:
            pieces = render(tagged, format, types=shown, title=title, colour=on_screen)
        for piece in pieces:
            write(piece)
    _end(texts)


def _tag(
    ner: CPNER, texts: Texts, domain: str | None, size: int, progress: Report, into: str | None, **settings: Any
) -> Iterator[Tagged]:
    """The entities of texts, batch by batch; Ctrl-C ends them and is kept, so that what was done can be written."""
    rest = iter(texts)
    done = 0
    while batch := list(itertools.islice(rest, size)):
        try:
            results = _find(ner, [text for text, _ in batch], domain, batch_size=size, **settings)
        except KeyboardInterrupt as error:
            texts.error = error
            return
        if domain is None and not done and "cut" in settings:  # what else is meant warns by itself
            warn_of_unread(ner.backbone.known_types, settings["types"] or ())
        for (_, record), tagged in zip(batch, results, strict=True):
            yield tagged._replace(record=record, into=into)
        done += len(batch)
        progress(Progress(done, 0, f"{done:,} texts"))


def _find(ner: CPNER, texts: list[str], domain: str | None, **settings: Any) -> list[Tagged]:
    """The entities of each text; or its readings (`best`), their types (`reach`), or those of several passes."""
    if "best" in settings:
        rows = zip(texts, ner.readings(texts, domain, **settings), strict=True)
        return [Tagged(text, best[0].entities, domain, score=best[0].probability, readings=best) for text, best in rows]
    if "reach" in settings:
        sets = zip(texts, ner.type_sets(texts, domain, **settings), strict=True)
        return [Tagged(text, [e for e, _ in row], domain, types=[shares for _, shares in row]) for text, row in sets]
    if "passes" in settings:
        passes = zip(texts, ner.overlapping(texts, domain, **settings), strict=True)
        return [Tagged(text, entities, domain) for text, entities in passes]
    sentences = [sentence_of(text) for text in texts]
    answers = ner.recognise(sentences, domain, **settings)
    return [
        Tagged(sentence.text, [sentence.entity(one.span, one.score) for one in answer], domain, score=answer.score)
        for sentence, answer in zip(sentences, answers, strict=True)
    ]


def _open(text: str | None, source: Path | None, kind: str | None, keys: Keys, skip: bool) -> Texts:
    settings: dict[str, Any] = {"keys": keys, "skip": skip, "tell": partial(click.echo, err=True)}
    if text is not None and source is not None:
        raise click.UsageError("give a TEXT or --input, not both")
    if kind == LABEL_STUDIO:
        if source is None or str(source) == "-":
            raise click.UsageError("tasks of Label Studio are read from a file: --input tasks.json")
        with source.open("rb"):
            pass
        return Tasks(source, **settings)
    if text is not None and text != "-":
        if os.path.isfile(text):  # unlike Path's, never raises: a text may be longer than names can be
            click.echo(f"{text!r} is taken as the text; to read the file of this name, --input {text}", err=True)
        return Lines("TEXT", [text.encode("utf-8", "surrogateescape")], "lines", keys=keys)
    if text is None and source is None and (sys.stdin is None or sys.stdin.isatty()):
        raise click.UsageError("nothing to read; give a TEXT, --input FILE, or lines on standard input")
    if source is None or str(source) == "-":
        return Lines("standard input", read_lines(sys.stdin.buffer, "standard input"), kind, **settings)
    with source.open("rb"):  # a file that can't be opened is told before the model is loaded
        pass
    return FileLines(source, kind, **settings)


def _version(engine: Reader, ner: CPNER, domain: str | None) -> str:
    """Names the model in Label Studio."""
    if domain is None or engine.store is None:
        return model_version(None, ner.backbone.fingerprint)
    return model_version(domain, open_store(engine.store).digest(domain))


def _end(texts: Texts) -> None:
    """Raise what ended the reading, or tell what was left out and exit with `LEFT_OUT`."""
    if texts.error is not None:
        raise texts.error
    if texts.skipped:
        click.echo(f"{texts.skipped:,} of {texts.count:,} lines left out", err=True)
        click.get_current_context().exit(LEFT_OUT)


def _format(output: Path | None) -> str:
    if output is not None:
        return _SUFFIXES.get(output.suffix.lower(), "jsonl")
    return "table" if sys.stdout.isatty() else "jsonl"


@contextlib.contextmanager
def _out(output: Path | None) -> Iterator[Callable[[str], object]]:
    """Where to write: standard output, or a file that appears when all is written."""
    if output is None:
        yield lambda piece: click.echo(piece, nl=False)
        return
    with replacing(output) as file:
        yield lambda piece: file.write(piece.encode())
    click.echo(f"Wrote {output}", err=True)
