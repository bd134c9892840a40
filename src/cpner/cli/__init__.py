"""The command line: a thin shell over the library. A command's module loads when the command is called."""

from __future__ import annotations

import errno
import importlib
import sys
import warnings
from collections.abc import Sequence
from typing import Any, NoReturn, TextIO

import click

from cpner import __version__
from cpner.cli import streams
from cpner.errors import CpnerError, did_you_mean, shorten_values, status_of
from cpner.machine import rest_threads
from cpner.stopping import way_on

# Command `a-b` is the object `a_b` of the module `cpner.cli.a_b`. The summaries stand here: help loads no module.
COMMANDS = {
    "Start": {"demo": "See it all on sample domains: warm-up, selection, transfer, a report. Offline."},
    "Train": {
        "warm-up": "Train the prefix of a domain on its corpus.",
        "select": "Weigh source domains by their likeness to a target.",
        "transfer": "Train a domain on, from the prefixes of others.",
        "fit": "Warm-up, selection and transfer in one.",
        "self-train": "Train a new prefix on what a domain finds in unlabelled text.",
        "dapt": "Train a prefix on unlabelled text of a domain.",
        "pretrain": "Train a backbone from text and labelled sentences.",
    },
    "Use": {
        "predict": "Find entities in text.",
        "annotate": "Find entities in millions of texts, with all cores or a cluster; stopped runs go on.",
        "evaluate": "Score a domain on a labelled corpus.",
        "calibrate": "Fit a domain's scores and thresholds on labelled sentences.",
        "domains": "List, show, remove, export and import stored domains.",
        "serve": "Answer over HTTP with all domains of a store.",
    },
    "Data": {
        "corpora": "Find, count, convert, sample and fetch corpora.",
        "leaks": "Count benchmark sentences in pretraining data.",
    },
    "Research": {
        "bench": "Measure the speed of a backbone on this machine.",
        "reproduce": "Run the paper's experiments, and others, on any backbone.",
    },
}
_HELP = getattr(click.exceptions, "NoArgsIsHelpError", ())  # new in click 8.2; its message is the whole help
_NAMES = [name for section in COMMANDS.values() for name in section]
USAGE = 2
INTERRUPTED = 130  # as a shell reports a process that SIGINT ended


class Interrupted(click.ClickException):
    """The user pressed Ctrl-C."""

    exit_code = INTERRUPTED

    def __init__(self, hint: str = "") -> None:
        super().__init__(f"stopped.{hint}")


class Main(click.Group):
    """A group that loads its commands late and shows every error as one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands, in the order of help."""
        return _NAMES

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in _NAMES:
            return None
        attribute = cmd_name.replace("-", "_")
        command = getattr(importlib.import_module(f"cpner.cli.{attribute}"), attribute)
        assert isinstance(command, click.Command)
        _show_defaults(command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the arguments name."""
        if args[0] not in _NAMES and not args[0].startswith("-"):
            ctx.fail(f"no command {args[0]!r}.{did_you_mean(args[0], _NAMES)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections of commands without importing them."""
        for section, commands in COMMANDS.items():
            with formatter.section(section):
                formatter.write_dl(list(commands.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; Ctrl-C becomes an error that says whether the run can go on."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise Interrupted(way_on(ctx.invoked_subcommand or "")) from error

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command line and exit; errors go to standard error as one line."""
        rest_threads()
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            if standalone_mode:
                streams.prepare()
            try:
                code = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
                sys.stdout.flush()
            except (click.ClickException, click.Abort, CpnerError, OSError, MemoryError, RuntimeError) as error:
                if not standalone_mode or not _is_expected(error):
                    raise
                _exit(error)
        if standalone_mode:
            sys.exit(code if isinstance(code, int) else 0)
        return code


@click.group("cpner", cls=Main, no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="cpner %(version)s")
def main() -> None:
    """Named entities for any domain: one frozen T5, one small prefix per domain (CP-NER).

    \b
    Example:
      cpner demo
      cpner warm-up sample:news --domain news --store store
      cpner predict --domain news --store store "Ada Lovelace met Charles Babbage in London."
    """


def _show_defaults(command: click.Command) -> None:
    """Let help tell the default of every option; `none` where an option that is not given has no effect."""
    for inner in getattr(command, "commands", {}).values():
        _show_defaults(inner)
    for option in command.params:
        if isinstance(option, click.Option) and not (option.required or option.is_flag or option.show_default):
            option.show_default = "none" if option.to_info_dict()["default"] is None else True


def _is_expected(error: Exception) -> bool:
    """Whether an error needs no traceback; of torch's own, those that tell that memory is lacking."""
    return not _is_of_torch(error) or _lacks_memory(error)


def _is_of_torch(error: Exception) -> bool:
    return isinstance(error, RuntimeError) and not isinstance(error, CpnerError | click.Abort)


def _lacks_memory(error: Exception) -> bool:
    words = ("out of memory", "can't allocate memory")
    return isinstance(error, MemoryError) or (_is_of_torch(error) and any(word in str(error) for word in words))


def _exit(error: Exception) -> NoReturn:
    """Tell of an error in one line, and end the process."""
    if isinstance(error, click.Abort):
        error = Interrupted()
    if isinstance(error, _HELP):
        click.echo(error.format_message(), err=True)
        sys.exit(error.exit_code)
    if isinstance(error, OSError) and error.errno == errno.EPIPE:  # the reader of our output has seen enough
        streams.drop_output()
        sys.exit(1)
    if _lacks_memory(error):
        message = "out of memory: try smaller batches, a shorter prefix, a smaller backbone, or smaller files"
        code = USAGE
    elif isinstance(error, CpnerError):
        message = str(error)
        code = status_of(error).exit_code
    elif isinstance(error, click.ClickException):
        message = error.format_message()
        code = USAGE if isinstance(error, click.FileError) else error.exit_code
    else:
        message = streams.describe(error) if isinstance(error, OSError) else str(error)
        code = USAGE
    message = shorten_values(" ".join(message.split()))
    if context := getattr(error, "ctx", None):
        message = f"{message.removesuffix('.')}. See '{context.command_path} --help'."
    kind = "" if isinstance(error, Interrupted) else "error: "
    click.echo(f"cpner: {kind}{message}", err=True)
    sys.exit(code)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    click.echo(f"cpner: warning: {' '.join(str(message).split())}", err=True)
