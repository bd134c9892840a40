"""What commands share: options, gathered into objects that know what to do with them."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from cpner.backbone import EMBEDDED
from cpner.errors import ConfigError, StoreError
from cpner.machine import set_threads
from cpner.settings import MOST_BEAMS, MOST_SENTENCES

if TYPE_CHECKING:
    from cpner.backbone.shape import PrefixConfig
    from cpner.ner import CPNER
    from cpner.store import Store

Command = TypeVar("Command", bound=Callable[..., Any])


class PathType(click.Path):
    """The type of all options and arguments that are paths; their values are `Path`s.

    An empty one is refused: it comes from a variable that is not set, and would mean the folder one is in.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(path_type=Path, **options)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Check a path."""
        return super().convert(_not_empty(value, param, ctx), param, ctx)


class PlaceType(click.types.StringParamType):
    """The type of what is a path or a name, as `sample:news`; an empty one is refused."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Check a place."""
        return super().convert(_not_empty(value, param, ctx), param, ctx)


def _not_empty(value: Any, parameter: click.Parameter | None, ctx: click.Context | None) -> Any:
    if not os.fspath(value).strip():
        raise click.BadParameter("is empty; expected a path", ctx, parameter)
    return value


FILE = PathType(exists=True, dir_okay=False)
FOLDER = PathType(exists=True, file_okay=False)
NEW_FOLDER = PathType(file_okay=False)
NEW_FILE = PathType(dir_okay=False)
PLACE = PlaceType()


def split_names(ctx: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, ...]:
    """Split `a,b` into names, each once, in order."""
    names = dict.fromkeys(name.strip() for name in (value or "").split(",") if name.strip())
    if value is not None and not names:
        raise click.BadParameter("expected one or more names, with commas between them", ctx, parameter)
    return tuple(names)


def split_types(ctx: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, ...]:
    """Split `a,b` into types; a file is surely meant otherwise."""
    types = split_names(ctx, parameter, value)
    if file := next((name for name in types if os.path.isfile(name)), None):
        raise click.BadParameter(f"{file} is a file; expected the types themselves, as person,city", ctx, parameter)
    return types


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
        type=NEW_FOLDER,
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
length_option = click.option("--length", type=click.IntRange(1, 10_000), metavar="K",
                             show_default="30, or those of the first source named",
                             help="Positions of the prefix.")  # fmt: skip
resume_option = click.option("--resume", is_flag=True, help="Go on from the last checkpoint of a run that was stopped.")
batch_option = click.option(
    "--batch-size", type=click.IntRange(1, MOST_SENTENCES), default=32, help="Sentences decoded at once."
)
types_option = click.option("--types", callback=split_types, metavar="A,B", show_default="those of the domain",
                            help="Find these types; without --domain zero-shot.")  # fmt: skip
beams_option = click.option("--beams", type=click.IntRange(1, MOST_BEAMS), default=1, show_default=True,
                            help="Outputs to search among; 1 is greedy.")  # fmt: skip
text_key_option = click.option("--text-key", default="text", metavar="KEY",
                           help="The key or column of a record that holds its text.")  # fmt: skip
into_option = click.option("--into", metavar="KEY", show_default="keys domain and entities are added",
                           help="The new key of a record that gets the entities.")  # fmt: skip
on_error_option = click.option("--on-error", type=click.Choice(("stop", "skip")), default="stop", show_default=True,
                               help="At a bad line: stop, or leave it out; what comes before it is kept either way.",
                               )  # fmt: skip
by_sentence_option = click.option(
    "--by-sentence/--whole-texts",
    default=None,
    show_default="as the domain learnt",
    help="Read a text of several sentences one by one, or at once.",
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
    precision: str | None

    def load(self, domain: str | None = None, *, create: bool = False) -> CPNER:
        """Load the backbone: the one asked for, that of a stored domain, or the embedded one.

        Args:
            domain: A domain that must be stored; None takes any stored domain's backbone.
            create: Whether the store may be new.
        """
        backbone = self.find(domain, create=create)
        from cpner.ner import CPNER  # after the checks: torch takes long to load

        return CPNER.load(backbone, store=self.store, device=self.device, precision=self.precision)

    def find(self, domain: str | None = None, *, create: bool = False) -> str:
        """The backbone's name: of the one asked for, that of a stored domain, or the embedded one.

        Args:
            domain: A domain that must be stored; None takes any stored domain's backbone.
            create: Whether the store may be new.
        """
        if self.store is None and domain is not None:
            raise click.UsageError(f"give --store DIR, the folder that holds the domain {domain!r}")
        stored = EMBEDDED
        if self.store is not None and (self.store.exists() or not create):
            stored = _stored_backbone(open_store(self.store), domain)
        if self.backbone is None and stored != EMBEDDED and not Path(stored).is_dir():
            raise ConfigError(
                f"{_whose(domain)} was made for the backbone {stored!r}, which is not on this machine; "
                f"if you trust it, fetch it from the Hugging Face hub with --backbone {stored}, or name a folder"
            )
        return self.backbone or stored


@dataclass(frozen=True)
class Engine(Reader):
    """The options of commands that load a backbone and need a store."""

    store: Path


def _set_threads(ctx: click.Context, parameter: click.Parameter, value: int | None) -> None:
    """Do what `--threads` says, before anything is computed."""
    if value is not None:
        set_threads(value)


backbone_option = click.option("--backbone", type=PLACE, metavar="NAME", envvar="CPNER_BACKBONE", show_envvar=True,
                               show_default=f"the stored domains' or {EMBEDDED}",
                               help=f"{EMBEDDED}, a folder, or a T5 of the Hugging Face hub.")  # fmt: skip
device_option = click.option(
    "--device", metavar="NAME", show_default="a GPU where there is one", help="cpu, cuda or cuda:N."
)
precision_option = click.option(
    "--precision",
    type=click.Choice(["float32", "bfloat16", "int8"]),
    envvar="CPNER_PRECISION",
    show_envvar=True,
    show_default="the fastest on this machine",
    help="Numbers that the backbone computes in when it predicts.",
)
threads_option = click.option(
    "--threads", type=click.IntRange(1, 1024), callback=_set_threads, expose_value=False, envvar="CPNER_THREADS",
    show_envvar=True, metavar="N", show_default="one for each core, of a server one less", help="Threads that compute.",
)  # fmt: skip
engine_options = gather(
    "engine", Engine, store_option, backbone_option, device_option, precision_option, threads_option
)
reader_options = gather(
    "engine", Reader, optional_store_option, backbone_option, device_option, precision_option, threads_option
)


engine_option = click.option("--engine", type=click.Choice(("local", "ray")), default="local",
                             help="Who computes: processes on this machine, or a Ray cluster.")  # fmt: skip
ray_address_option = click.option("--ray-address", metavar="ADDRESS", envvar="RAY_ADDRESS", show_envvar=True,
                                  show_default="the cluster that this machine is in",
                                  help="Of --engine ray: the cluster, as HOST:PORT of its head.")  # fmt: skip


def open_store(path: Path, *, create: bool = False) -> Store:
    """Open a folder of stored domains; loads no torch."""
    from cpner.store import Store

    return Store(path, create=create)


def prefix_config(length: int | None) -> PrefixConfig | None:
    """The shape of a new prefix; None leaves it to the library."""
    from cpner.backbone.shape import PrefixConfig

    return None if length is None else PrefixConfig(length=length)


def _whose(domain: str | None) -> str:
    return "what is stored" if domain is None else f"the domain {domain!r}"


def _stored_backbone(store: Store, domain: str | None) -> str:
    """The backbone of a domain, or of the first one whose card can be read."""
    if domain is not None:
        return store.card(domain).backbone
    for name in store.names():
        with contextlib.suppress(StoreError):
            return store.card(name).backbone
    return EMBEDDED
