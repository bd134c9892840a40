"""`cpner corpora`: the public datasets, statistics, formats and few-shot samples."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from cpner.cli.console import print_json, print_rich, progress_bar
from cpner.cli.corpus import CorpusOptions, corpus_options
from cpner.cli.options import NEW_FOLDER, PathType, json_option
from cpner.corpus import Corpus, sample_names
from cpner.corpus.fetch import fetch as fetch_datasets
from cpner.corpus.formats import FORMATS, WRITTEN, Format, get_written, unpacked_name
from cpner.corpus.public import datasets
from cpner.show.tables import figure_table

_ROWS = {
    "sentences": "sentences",
    "without_entities": "without entities",
    "words": "words",
    "longest": "longest sentence (words)",
    "entities": "entities",
}
_OF_ENDING = {".conll": "conll", ".csv": "csv", ".spacy": "docbin"}
_JSON = (".json", ".jsonl")
format_option = click.option("--format", type=click.Choice(list(WRITTEN)),
                             show_default="conll, csv or docbin if OUT ends so, else jsonl",
                             help="Of what is written; cpner corpora formats shows them.")  # fmt: skip


@click.group()
def corpora() -> None:
    """Find, count, convert, sample and fetch corpora.

    A corpus is a folder with a file for each split (train, dev, test), or a single file. sample:NAME is a
    sample domain that comes with cpner. CoNLL files in all their dialects and JSON lines are read. Paths that
    don't exist are also looked for in the folder that the environment variable CPNER_DATA names.

    \b
    Example:
      cpner corpora stats data/ai
    """


@corpora.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the public datasets and the sample domains.

    \b
    Example:
      cpner corpora list
    """
    table: dict[str, dict[str, Any]] = {
        name: {
            "title": dataset.title,
            "text": dataset.text,
            "types": list(dataset.types.values()),
            "sentences": {split: file.sentences for split, file in dataset.files.items()},
            "licence": dataset.licence,
            "origin": dataset.origin,
            "note": dataset.note,
        }
        for name, dataset in datasets().items()
    }
    if as_json:
        print_json({"datasets": table, "samples": sample_names()})
        return
    for name, entry in table.items():
        click.secho(f"{name}: {entry['title']}", bold=True)
        sizes = ", ".join(f"{split} {count:,}" for split, count in entry["sentences"].items())
        click.echo(f"  sentences  {sizes} ({entry['text']})")
        click.echo(f"  types      {', '.join(entry['types'])}")
        click.echo(f"  licence    {entry['licence']}")
        click.echo(f"  origin     {entry['origin']}")
        click.echo(f"  note       {entry['note']}")
    click.secho("Sample domains that come with cpner", bold=True)
    click.echo("  " + (", ".join(f"sample:{name}" for name in sample_names()) or "none"))


@corpora.command()
@json_option
def formats(as_json: bool) -> None:
    """List the formats that corpora are read and written in, with an example of each.

    \b
    Example:
      cpner corpora formats
    """
    if as_json:
        table = {
            name: {"about": f.about, "written": f.write is not None, "example": f.example}
            for name, f in FORMATS.items()
        }
        print_json(table)
        return
    for name, entry in FORMATS.items():
        click.secho(f"{name}: {entry.about}{'' if entry.write else ' (only read)'}", bold=True)
        click.echo(f"  {entry.example}")


@corpora.command()
@corpus_options
@json_option
def stats(data: CorpusOptions, as_json: bool) -> None:
    """Count the sentences, words and entities of CORPUS, by split and type.

    \b
    Example:
      cpner corpora stats data/ai --json
    """
    corpus = data.read()
    statistics = corpus.statistics()
    if as_json:
        print_json(statistics)
    else:
        print_rich(_statistics_table(corpus, statistics["splits"]))
        for split, origin in corpus.origins.items():
            click.echo(f"{split}: {origin}")


@corpora.command()
@corpus_options
@click.argument("out", type=PathType())
@format_option
def convert(data: CorpusOptions, out: Path, format: str | None) -> None:
    """Write CORPUS to OUT in another format.

    OUT is a folder, or, if the corpus has one split, a file with an ending, or - for standard output. Types are
    written in words.

    \b
    Example:
      cpner corpora convert data/mit_movie movie-jsonl --format jsonl
      cpner corpora convert data/ai/test.txt - | head
    """
    _write(data.read(), data.corpus or "", out, format)


@corpora.command()
@corpus_options
@click.argument("out", type=PathType())
@click.option("--shots", type=click.IntRange(min=1), metavar="K", help="Take K sentences for each type.")
@click.option("--count", type=click.IntRange(min=1), metavar="N", help="Take N sentences in all.")
@click.option("--seed", type=int, default=0, metavar="N", help="Which sample; the same seed gives the same.")
@format_option
def sample(data: CorpusOptions, out: Path, shots: int | None, count: int | None, seed: int, format: str | None) -> None:
    """Write CORPUS to OUT with a few sentences of its train split; dev and test stay whole.

    Without --format, a corpus with words of its own is written as conll, which keeps them.

    \b
    Example:
      cpner corpora sample data/music music-20 --shots 20 --seed 1
    """
    corpus = data.read().sample(shots=shots, count=count, seed=seed)
    if format is None and Path(unpacked_name(out)).suffix not in (*_OF_ENDING, *_JSON) and not corpus.words_are_found:
        format = "conll"
        click.echo("Written as conll, which keeps the words of the corpus; --format jsonl keeps its texts", err=True)
    _write(corpus, data.corpus or "", out, format)


@corpora.command()
@click.argument("names", nargs=-1, required=True)
@click.option("--out", type=NEW_FOLDER, required=True, metavar="DIR", help="Folder for the datasets.")
@click.option("--base-url", metavar="URL", show_default="the publishers' own",
              help="A mirror that has the files as NAME/FILE.")  # fmt: skip
def fetch(names: tuple[str, ...], out: Path, base_url: str | None) -> None:
    """Download the public datasets NAMES ("all" for every one) and check their checksums.

    Files that are there already are not fetched again. `cpner corpora list` shows the names, and the licences,
    which are the publishers'.

    \b
    Example:
      cpner corpora fetch conll2003 ai --out data
    """
    wanted = list(datasets()) if "all" in names else [name for word in names for name in word.split(",") if name]
    with progress_bar() as progress:
        files = fetch_datasets(wanted, out, base_url=base_url, progress=progress)
    for file in files:
        click.echo(file)


def _write(corpus: Corpus, source: str, out: Path, format: str | None) -> None:
    ending = Path(unpacked_name(out)).suffix
    format = format or _OF_ENDING.get(ending, "jsonl")
    if (ending in _OF_ENDING and _OF_ENDING[ending] != format) or (
        ending in _JSON and WRITTEN[format].suffix not in _JSON
    ):
        raise click.UsageError(f"{out} would hold {format}, which its ending belies: choose another name or --format")
    if out.is_file() and os.path.exists(source) and out.samefile(source):
        raise click.UsageError(f"{out} is the input, which would be lost: choose another name")
    if out == Path("-"):
        _print(corpus, get_written(format))
        return
    for file in corpus.write(out, format):
        click.echo(f"Wrote {file}", err=True)


def _print(corpus: Corpus, written: Format) -> None:
    if len(corpus.splits) > 1:
        raise click.UsageError(f"standard output can't hold the splits {', '.join(corpus.splits)}; name a folder")
    if written.beside:
        raise click.UsageError(f"standard output can't hold the files of {written.name}; name a folder")
    corpus.warn_of_loss(written)
    (sentences,) = corpus.splits.values()
    chunks = list(written.chunks(sentences))
    written.check(Path(f"train{written.suffix}"), b"".join(chunks), sentences)
    for data in chunks:
        click.echo(data if written.binary else data.decode(), nl=False)


def _statistics_table(corpus: Corpus, splits: dict[str, Any]) -> Table:
    table = figure_table(corpus.name, "", *splits)
    for key, label in _ROWS.items():
        table.add_row(label, *(f"{counts[key]:,}" for counts in splits.values()))
    table.add_section()
    for type_ in corpus.types:
        table.add_row(Text(type_), *(f"{counts['types'].get(type_, 0):,}" for counts in splits.values()))
    return table
