"""The options of commands that read corpora and plain text."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import click

from cpner.cli.console import progress_bar
from cpner.cli.options import FILE, PLACE, Command, gather, split_names, split_types
from cpner.corpus import Corpus
from cpner.corpus.formats import FORMATS, OVERLAPS, Options
from cpner.errors import ConfigError, FileError
from cpner.files import read_small


def split_list(ctx: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, ...]:
    """Split `a,b` into texts, in order, the same ones too."""
    return tuple(part.strip() for part in value.split(",")) if value else ()


@dataclass(frozen=True)
class CorpusOptions:
    """The options of commands that read a corpus."""

    corpus: str | None
    types_file: Path | None
    source_format: str | None
    snap: bool
    columns: tuple[str, ...]
    overlaps: str
    tag_names: tuple[str, ...]

    def read(self, path: str | None = None) -> Corpus:
        """Read the corpus, or another of the same kind; what was mended is told on standard error."""
        place = path or self.corpus
        if place is None:
            raise click.UsageError("Missing argument 'CORPUS'.")
        types = read_types(self.types_file) if self.types_file else None
        snap: Literal["outward"] | None = "outward" if self.snap else None
        with progress_bar() as progress:
            options = Options(self.columns or None, self.overlaps, self.tag_names or None, progress)
            corpus = Corpus.read(place, format=self.source_format, types=types, snap=snap, options=options)
        for line in corpus.repairs.lines():
            click.echo(line, err=True)
        return corpus


types_option = click.option(
    "--names", "types_file", type=FILE, metavar="FILE", show_default="their codes, as words",
    help='Words for the types, as TOML or JSON: lines such as ORG = "organization".',
)  # fmt: skip
from_option = click.option("--from", "source_format", type=click.Choice(list(FORMATS)),
                           show_default="found out by its content", help="Format of the input.")  # fmt: skip
snap_option = click.option(
    "--snap", is_flag=True, help="Let entities of the train split that begin or end inside a word grow to its edge."
)
columns_option = click.option("--columns", callback=split_names, metavar="WORDS,TAGS",
                              show_default="found out by their content",
                              help="Columns of a table, by number from 1 or by name.")  # fmt: skip
overlaps_option = click.option(
    "--overlaps", type=click.Choice(OVERLAPS), default="error",
    help="Of entities that overlap: refuse them, keep the longest, or keep the first.",
)  # fmt: skip
tag_names_option = click.option("--tag-names", callback=split_list, metavar="O,B-X,...",
                                show_default="those of the file",
                                help="Names of tags that a file has as numbers, from 0.")  # fmt: skip


def corpus_argument(metavar: str, *, required: bool = True) -> Callable[[Command], Command]:
    """The argument that names a corpus, with the options of how to read it, as `data`."""
    return gather(
        "data",
        CorpusOptions,
        click.argument("corpus", type=PLACE, metavar=metavar, required=required),
        types_option,
        from_option,
        snap_option,
        columns_option,
        overlaps_option,
        tag_names_option,
    )


corpus_options = corpus_argument("CORPUS")
optional_corpus_options = corpus_argument("[CORPUS]", required=False)
type_names_option = click.option(
    "--types", "type_names", callback=split_types, metavar="A,B", help="The types in words, where no CORPUS tells them."
)


def read_types(path: Path) -> dict[str, str]:
    """Read the words for types from TOML or JSON.

    Raises:
        ConfigError: The file maps anything else.
    """
    try:
        text = read_small(path)
        types = json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except FileError:
        raise
    except OSError as error:
        raise FileError(f"can't be read: {error.strerror or error}", path=path) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} can't be read: {error}") from error
    if not isinstance(types, dict) or not all(isinstance(words, str) for words in types.values()):
        raise ConfigError(f'{path} must map each type\'s code to its words, such as ORG = "organization" in TOML')
    return types


def text_option(*, required: bool) -> Callable[[Any], Any]:
    """The option `--text FILE`, as `texts`; with a CORPUS beside it, it need not be required."""
    return click.option(
        "--text", "texts", multiple=True, required=required, metavar="FILE",
        type=FILE,
        help="Unlabelled text, a sentence or a paragraph a line, plain, .gz or .xz; may be repeated.",
    )  # fmt: skip


def read_lines(files: Iterable[Path]) -> Iterator[str]:
    """The lines of the files that are not blank, in turn."""
    from cpner.corpus.formats import open_lines

    for file in files:
        yield from filter(None, (line.strip() for line in open_lines(file)))
