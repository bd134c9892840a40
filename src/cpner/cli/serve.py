"""`cpner serve`: all domains of a store over HTTP."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import fields
from typing import Any, get_type_hints

import click

from cpner.cli.options import Engine, engine_options
from cpner.errors import ConfigError, MissingExtraError
from cpner.machine import leave_a_core
from cpner.serve.settings import SIZES, ServeSettings, parse_bytes

LOG_LEVELS = ("warning", "info")
_UNSET = {"read_key": "none", "admin_key": "none", "allowed_hosts": "this machine's; any behind a key"}


class _Size(click.ParamType[int]):
    """A number of bytes, as 2MB."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return parse_bytes(value)
        except ConfigError as error:
            self.fail(str(error), param, ctx)


def _settings_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add a flag and a variable for every setting."""
    hints = get_type_hints(ServeSettings)
    for knob in reversed(fields(ServeSettings)):
        is_flag = hints[knob.name] is bool
        command = click.option(
            "--" + knob.name.replace("_", "-"),
            type=None if is_flag else _kind(knob.name, hints[knob.name]),
            is_flag=is_flag,
            default=knob.default,
            show_default=_UNSET.get(knob.name, True),
            envvar=f"CPNER_{knob.name.upper()}",
            show_envvar=True,
            help=knob.metadata["help"],
        )(command)
    return command


def _kind(name: str, hint: Any) -> Any:
    """How the value of a flag is read."""
    if name in SIZES:
        return _Size()
    if hint is int:
        return click.IntRange(min=0 if name in ("port", "max_jobs") else 1)
    return float if hint is float else str


@click.command()
@engine_options
@_settings_options
@click.option(
    "--log", type=click.Choice(LOG_LEVELS), default="info", show_default=True, envvar="CPNER_LOG", show_envvar=True,
    help="What is told on standard error; info has a line for each request, without its text.",
)  # fmt: skip
def serve(engine: Engine, log: str, **settings: Any) -> None:
    """Answer over HTTP with all domains of a store; /docs of the server lists the routes.

    \b
    Example:
      cpner serve --store store
      curl localhost:8000/v1/predict --json '{"domain": "news", "text": "Ada Lovelace lived in London."}'
    """
    try:
        from cpner.serve.server import serve as run
    except ModuleNotFoundError as error:
        raise MissingExtraError("cpner serve", "server") from error
    checked = ServeSettings(**settings)
    logging.basicConfig(level=log.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel("WARNING")
    leave_a_core()
    ner = engine.load(create=True)
    run(
        ner,
        engine.store,
        checked,
        lambda url: click.echo(f"Serving {engine.store} at {url}, /docs has the routes", err=True),
    )
