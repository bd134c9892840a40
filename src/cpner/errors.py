"""What can go wrong, as one tree: each class is a `CpnerError` and the nearest builtin.

A message says what is wrong (with the value), what was expected or exists, and what to do.
The command line prints it as one line and exits with code 2.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass


class CpnerError(Exception):
    """Base of every error that cpner raises on purpose."""


class CorpusError(CpnerError, ValueError):
    """A corpus file can't be read, or holds what cpner can't use."""

    def __init__(self, message: str, *, path: object = None, line: int | None = None) -> None:
        where = "" if path is None else f"{path}: " if line is None else f"{path}, line {line}: "
        super().__init__(f"{where}{message}")
        self.path, self.line = path, line


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


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ` Did you mean 'music'?` when a known name is close to `name`, else an empty string."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" Did you mean {close[0]!r}?" if close else ""


def one_line(error: Exception) -> str:
    """The first line of an error's message."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
