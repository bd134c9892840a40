"""What can go wrong, as one tree: each class is a `CpnerError` and the nearest builtin.

A message says what is wrong (with the value), what was expected or exists, and what to do.
The command line prints it as one line; `STATUS` tells its exit code, and the status of an answer over HTTP.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import NamedTuple

_SHOWN = 80  # characters of a value that a message repeats
_LONGEST = 300  # characters of anything without a space, such as a path
_VALUES = re.compile(rf"""(?<!\w)(['"])(.*?)\1(?!\w)|\S{{{_LONGEST + 1},}}""", re.DOTALL)


class CpnerError(Exception):
    """Base of every error that cpner raises on purpose. Long values in its message are shortened."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*(shorten_values(part) if isinstance(part, str) else part for part in arguments))


class FileError(CpnerError, OSError):
    """A file or folder can't be read or written, or is not UTF-8."""

    def __init__(self, message: str, *, path: object = None, line: int | None = None) -> None:
        super().__init__(place(path, line) + message)
        self.path = path
        self.line = line


class CorpusError(CpnerError, ValueError):
    """A corpus holds what cpner can't use."""

    def __init__(self, message: str, *, path: object = None, line: int | None = None) -> None:
        super().__init__(place(path, line) + message)
        self.path = path
        self.line = line


class ConfigError(CpnerError, ValueError):
    """A setting is out of its range, or unknown."""


class BackboneError(CpnerError, ValueError):
    """A backbone can't be loaded, or is of an architecture that cpner doesn't know."""


class PrefixMismatchError(CpnerError, ValueError):
    """A prefix was made for another backbone, shape or start."""


class StoreError(CpnerError, ValueError):
    """A stored domain is damaged, or a name can't be stored."""


class UnknownDomainError(CpnerError, LookupError):
    """No domain of this name is stored."""


class TrainingError(CpnerError, RuntimeError):
    """Training can't go on, as when the loss is not a number."""


class MissingExtraError(CpnerError, ImportError):
    """A feature needs packages that are not installed."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f"{feature} needs packages that are not installed: pip install 'cpner[{extra}]'")


class Status(NamedTuple):
    """What an error is to programs: the exit code of a command, and the status of an answer over HTTP."""

    exit_code: int
    http: int


STATUS: dict[type[CpnerError], Status] = {
    CpnerError: Status(2, 500),
    FileError: Status(2, 500),
    CorpusError: Status(2, 422),  # the text or its labels
    ConfigError: Status(2, 422),
    BackboneError: Status(2, 503),
    PrefixMismatchError: Status(2, 409),
    StoreError: Status(2, 500),
    UnknownDomainError: Status(2, 404),
    TrainingError: Status(2, 500),
    MissingExtraError: Status(2, 501),
}


def status_of(error: CpnerError) -> Status:
    """The status of an error's class, or of the nearest class above it that `STATUS` names."""
    return next(STATUS[kind] for kind in type(error).mro() if kind in STATUS)


def place(path: object, line: int | None = None) -> str:
    """`FILE, line N: `, the head of a message about a file; empty without a path."""
    if path is None:
        return ""
    return f"{path}: " if line is None else f"{path}, line {line}: "


def shorten(value: object, length: int = _SHOWN) -> str:
    """A value for a message: at most `length` characters, with `...` in the middle of a longer one."""
    text = str(value)
    if len(text) <= length:
        return text
    head = (length - 3) // 2
    return f"{text[:head]}...{text[len(text) - (length - 3 - head) :]}"


def shorten_values(message: str) -> str:
    """A message whose quoted values have at most 80 characters, and words without quotes at most 300."""

    def short(match: re.Match[str]) -> str:
        quote = match[1]
        return shorten(match[0], _LONGEST) if quote is None else f"{quote}{shorten(match[2])}{quote}"

    return _VALUES.sub(short, message)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ` Did you mean 'music'?` when a known name is close to `name`, else an empty string."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" Did you mean {close[0]!r}?" if close else ""


def one_line(error: Exception) -> str:
    """The first line of an error's message."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
