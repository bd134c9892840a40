"""What commands share: options, gathered into objects that know what to do with them."""

from __future__ import annotations

import contextlib
import functools
import json
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from cpner.backbone import EMBEDDED
from cpner.corpus import Corpus
from cpner.corpus.formats import FORMATS, OVERLAPS, Options
from cpner.errors import ConfigError, FileError, StoreError
from cpner.transfer.mixing import SPACES, WEIGHTINGS, Mixing

if TYPE_CHECKING:
    from cpner.backbone.shape import PrefixConfig
    from cpner.ner import CPNER
    from cpner.store import Store
    from cpner.training import TrainingConfig

Command = TypeVar("Command", bound=Callable[..., Any])


def split_names(ctx: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, ...]:
    """Split `a,b` into names, each once, in order."""
    names = dict.fromkeys(name.strip() for name in (value or "").split(",") if name.strip())
    if value is not None and not names:
        raise click.BadParameter("expected one or more names, with commas between them", ctx, parameter)
    return tuple(names)


def split_list(ctx: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, ...]:
    """Split `a,b` into texts, in order, the same ones too."""
    return tuple(part.strip() for part in value.split(",")) if value else ()


def split_sources(
    ctx: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[str, ...] | Literal["auto"]:
    """Split `a,b` into names; `auto` stays a word."""
    names = split_names(ctx, parameter, value)
    return "auto" if names == ("auto",) else names


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
domain_option = click.option("--domain", required=True, metavar="NAME", help="What the domain is called in the store.")
store_option, optional_store_option = (
    click.option(
        "--store",
        type=click.Path(path_type=Path, file_okay=False),
        required=required,
        envvar="CPNER_STORE",
        show_envvar=True,
        metavar="DIR",
        help="Folder of the stored domains.",
    )
    for required in (True, False)
)
target_option = click.option("--target", required=True, metavar="NAME", help="The domain to help.")
sources_option, optional_sources_option = (
    click.option(
        "--sources",
        required=required,
        callback=split_sources,
        metavar="A,B|auto",
        help="The stored domains to learn from; auto takes all others whose prefixes fit.",
    )
    for required in (True, False)
)
length_option = click.option(
    "--length",
    type=click.IntRange(min=1),
    metavar="K",
    show_default="30, or those of the first source named",
    help="Positions of the prefix.",
)
resume_option = click.option("--resume", is_flag=True, help="Go on from the last checkpoint of a run that was stopped.")
batch_option = click.option(
    "--batch-size", type=click.IntRange(min=1), default=32, show_default=True, help="Sentences that are read at once."
)


def gather(parameter: str, kind: type, *options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Make a decorator that adds options to a command and hands their values over as one `kind` (a dataclass).

    Fields that no option sets keep their defaults.
    """
    names = [field.name for field in fields(kind)]

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def gathered(**values: Any) -> Any:
            given = {name: values.pop(name) for name in names if name in values}
            return command(**{parameter: kind(**given), **values})

        decorated: Any = gathered
        for option in reversed(options):
            decorated = option(decorated)
        return decorated  # type: ignore[no-any-return]

    return decorate


def setting(kind: type, field: str, flag: str, help: str, *, least: int = 1, none: str = "all") -> Callable[[Any], Any]:
    """An option that sets a whole number of a dataclass, whose default it has and shows.

    Args:
        kind: The dataclass.
        field: Which of its fields the option sets.
        flag: The option, as `--epochs`.
        help: What it means.
        least: The smallest number that is accepted.
        none: What help says of a default of None.
    """
    default = next(known.default for known in fields(kind) if known.name == field)
    shown = none if default is None else True
    return click.option(
        flag, field, type=click.IntRange(least), metavar="N", default=default, show_default=shown, help=help
    )


@dataclass(frozen=True)
class Reader:
    """The options of commands that load a backbone and perhaps a stored domain."""

    store: Path | None
    backbone: str | None
    device: str | None

    def load(self, domain: str | None = None, *, create: bool = False) -> CPNER:
        """Load the backbone: the one asked for, that of a stored domain, or the embedded one.

        Args:
            domain: A domain that must be stored; None takes any stored domain's backbone.
            create: Whether the store may be new.
        """
        if self.store is None and domain is not None:
            raise click.UsageError(f"give --store DIR, the folder that holds the domain {domain!r}")
        stored = EMBEDDED
        if self.store is not None and (self.store.exists() or not create):
            stored = _stored_backbone(open_store(self.store), domain)
        from cpner.ner import CPNER  # after the checks: torch takes long to load

        return CPNER.load(self.backbone or stored, store=self.store, device=self.device)


@dataclass(frozen=True)
class Engine(Reader):
    """The options of commands that load a backbone and need a store."""

    store: Path


backbone_option = click.option(
    "--backbone",
    metavar="NAME",
    envvar="CPNER_BACKBONE",
    show_envvar=True,
    show_default=f"the stored domains' or {EMBEDDED}",
    help=f"{EMBEDDED}, a folder, or a T5 of the Hugging Face hub.",
)
device_option = click.option(
    "--device", metavar="NAME", show_default="a GPU where there is one", help="cpu, cuda or cuda:N."
)
engine_options = gather("engine", Engine, store_option, backbone_option, device_option)
reader_options = gather("engine", Reader, optional_store_option, backbone_option, device_option)


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
        options = Options(self.columns or None, self.overlaps, self.tag_names or None)
        corpus = Corpus.read(place, format=self.source_format, types=types, snap=snap, options=options)
        for line in corpus.repairs.lines():
            click.echo(line, err=True)
        return corpus


types_option = click.option(
    "--types",
    "types_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    show_default="their codes, as words",
    help='Words for the types, as TOML or JSON: lines such as ORG = "organization".',
)
from_option = click.option(
    "--from",
    "source_format",
    type=click.Choice(list(FORMATS)),
    show_default="found out by its content",
    help="Format of the input.",
)
snap_option = click.option(
    "--snap", is_flag=True, help="Let entities of the train split that begin or end inside a word grow to its edge."
)
columns_option = click.option(
    "--columns",
    callback=split_names,
    metavar="WORDS,TAGS",
    show_default="found out by their content",
    help="Columns of a table, by number from 1 or by name.",
)
overlaps_option = click.option(
    "--overlaps",
    type=click.Choice(OVERLAPS),
    default="error",
    show_default=True,
    help="Of entities that overlap: refuse them, keep the longest, or keep the first.",
)
tag_names_option = click.option(
    "--tag-names",
    callback=split_list,
    metavar="O,B-X,...",
    show_default="those of the file",
    help="Names of tags that a file has as numbers, from 0.",
)


def corpus_argument(metavar: str, *, required: bool = True) -> Callable[[Command], Command]:
    """The argument that names a corpus, with the options of how to read it, as `data`."""
    return gather(
        "data",
        CorpusOptions,
        click.argument("corpus", metavar=metavar, required=required),
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
    "--type-names", callback=split_names, metavar="A,B", help="The types in words, where no CORPUS tells them."
)


@dataclass(frozen=True)
class TrainingOptions:
    """The options of commands that train."""

    shots: int | None
    count: int | None
    seed: int | None
    epochs: int | None
    lr: float | None
    config_file: Path | None
    resume: bool

    def sample(self, corpus: Corpus) -> Corpus:
        """Take the few sentences that were asked for, or all."""
        if self.shots is not None and self.count is not None:
            raise ConfigError("--shots (sentences per type) and --count (sentences in all) exclude each other")
        if self.shots is None and self.count is None:
            return corpus
        return corpus.sample(shots=self.shots, count=self.count, seed=self.config().seed)

    def config(self) -> TrainingConfig:
        """The settings of training: the file's, then the flags'."""
        from cpner.training import TrainingConfig

        min_steps = None if self.epochs is None else 0  # who names a number of epochs wants that number
        return TrainingConfig.from_flags(
            self.config_file, epochs=self.epochs, min_steps=min_steps, lr=self.lr, seed=self.seed
        )


training_options = gather(
    "training",
    TrainingOptions,
    click.option(
        "--shots",
        type=click.IntRange(min=1),
        metavar="K",
        show_default="all",
        help="Learn from K sentences for each type.",
    ),
    click.option(
        "--count", type=click.IntRange(min=1), metavar="N", show_default="all", help="Learn from N sentences in all."
    ),
    click.option("--seed", type=int, show_default="0", metavar="N", help="Of the sample and of the training."),
    click.option(
        "--epochs",
        type=click.IntRange(min=1),
        show_default="10, more if few sentences",
        metavar="N",
        help="Passes over the training sentences.",
    ),
    click.option(
        "--lr", type=float, show_default="0.2, or 0.003 for a prefix from a network", metavar="X", help="Learning rate."
    ),
    click.option(
        "--config",
        "config_file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="FILE.toml",
        help="Settings of training; flags override them.",
    ),
    resume_option,
)


_select_options = (
    click.option(
        "--alpha",
        type=click.FloatRange(0, 1),
        default=0.5,
        show_default=True,
        help="Share of the entity similarity; the rest is the prefix similarity's (Eq. 7).",
    ),
    click.option(
        "--temperature",
        type=click.FloatRange(min=0, min_open=True),
        default=1.0,
        show_default=True,
        help="Of the softmax over the sources (Eq. 8); smaller is sharper.",
    ),
    click.option("--top-k", type=click.IntRange(min=1), metavar="K", help="Use the K most similar sources only."),
    click.option(
        "--weighting",
        type=click.Choice(WEIGHTINGS),
        default="softmax",
        show_default=True,
        help="How likenesses become weights: Eq. 8, each divided by their sum, or all the same.",
    ),
)
select_options = gather("mixing", Mixing, *_select_options)
mix_options = gather(
    "mixing",
    Mixing,
    *_select_options,
    click.option(
        "--share",
        type=click.FloatRange(0, 1),
        default=0.5,
        show_default=True,
        help="What the sources make up of the average (Eq. 10).",
    ),
    click.option(
        "--space",
        type=click.Choice(SPACES),
        default="prefix",
        show_default=True,
        help="What is averaged: prefixes, or the parameters behind them, where the store has them.",
    ),
)


def open_store(path: Path, *, create: bool = False) -> Store:
    """Open a folder of stored domains; loads no torch."""
    from cpner.store import Store

    return Store(path, create=create)


def prefix_config(length: int | None) -> PrefixConfig | None:
    """The shape of a new prefix; None leaves it to the library."""
    from cpner.backbone.shape import PrefixConfig

    return None if length is None else PrefixConfig(length=length)


def read_types(path: Path) -> dict[str, str]:
    """Read the words for types from TOML or JSON.

    Raises:
        ConfigError: The file maps anything else.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        types = json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except OSError as error:
        raise FileError(f"can't be read: {error.strerror or error}", path=path) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} can't be read: {error}") from error
    if not isinstance(types, dict) or not all(isinstance(words, str) for words in types.values()):
        raise ConfigError(f'{path} must map each type\'s code to its words, such as ORG = "organization" in TOML')
    return types


def _stored_backbone(store: Store, domain: str | None) -> str:
    """The backbone of a domain, or of the first one whose card can be read."""
    if domain is not None:
        return store.card(domain).backbone
    for name in store.names():
        with contextlib.suppress(StoreError):
            return store.card(name).backbone
    return EMBEDDED


def text_option(*, required: bool) -> Callable[[Any], Any]:
    """The option `--text FILE`, as `texts`; with a CORPUS beside it, it need not be required."""
    return click.option(
        "--text", "texts", multiple=True, required=required, metavar="FILE",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Unlabelled text, a sentence or a paragraph a line, plain or .xz; may be repeated.",
    )  # fmt: skip


def read_lines(files: Iterable[Path]) -> Iterator[str]:
    """The lines of the files that are not blank, in turn."""
    from cpner.corpus.formats import open_lines

    for file in files:
        yield from filter(None, (line.strip() for line in open_lines(file)))
