"""Settings: frozen dataclasses that check themselves, and come from a dict, a TOML file or flags in one way."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, ClassVar, NamedTuple, Self, Union, get_args, get_origin, get_type_hints

from cpner.errors import ConfigError, did_you_mean

MOST_SENTENCES = 100_000  # read or decoded at once
MOST_BEAMS = 1000
_MOST_BYTES = 1 << 20  # of a file of settings
_WORDS = {
    bool: "true or false", int: "a whole number", float: "a number", str: "a text", dict: "a table", list: "a list",
    tuple: "a list", NoneType: "none",
}  # fmt: skip


class Range(NamedTuple):
    """The values that a setting may have, and how a message says so."""

    holds: Callable[[Any], bool]
    words: str


def at_least(least: float) -> Range:
    """Finite numbers from `least`."""
    return Range(lambda value: least <= value < float("inf"), f"at least {least}")


def above(least: float) -> Range:
    """Finite numbers above `least`."""
    return Range(lambda value: least < value < float("inf"), f"above {least}")


def between(least: float, most: float) -> Range:
    """Numbers from `least` to `most`, both included."""
    return Range(lambda value: least <= value <= most, f"{least} to {most}")


def below(most: float) -> Range:
    """Numbers from 0 that are below `most`."""
    return Range(lambda value: 0 <= value < most, f"at least 0 and below {most}")


def one_of(names: Sequence[str]) -> Range:
    """Some names."""
    return Range(lambda value: value in names, f"one of {', '.join(names)}")


@dataclass(frozen=True)
class Settings:
    """Base of all settings: a subclass is a frozen dataclass whose fields have defaults.

    Attributes:
        called: what a message calls a setting, before its name.
        ranges: which settings must lie in which range; None does in any.
        unset_by_zero: settings for which 0 means the same as None, as TOML has no word for None.

    Raises:
        ConfigError: a value is of another kind than its type hint, or out of its range.
    """

    called: ClassVar[str] = "setting "
    ranges: ClassVar[Mapping[Range, Sequence[str]]] = {}
    unset_by_zero: ClassVar[Sequence[str]] = ()

    def __post_init__(self) -> None:
        for name in self.unset_by_zero:
            value = getattr(self, name)
            if value == 0 and not isinstance(value, bool):
                object.__setattr__(self, name, None)
        for name, words in wrong_kinds(self):
            self.expect(name, False, words)
        for allowed, names in self.ranges.items():
            for name in names:
                value = getattr(self, name)
                self.expect(name, value is None or allowed.holds(value), allowed.words)

    def expect(self, name: str, right: bool, words: str) -> None:
        """Refuse a setting unless it is right; `words` say what is.

        Raises:
            ConfigError: it is not.
        """
        if not right:
            raise ConfigError(f"{self.called}{name} is {getattr(self, name)!r}; expected {words}")

    def written(self) -> dict[str, Any]:
        """The settings as files hold them: None is 0 where that means the same."""
        values = asdict(self)
        for name in self.unset_by_zero:
            if values[name] is None:
                values[name] = 0.0 if float in _kinds(_hints(type(self))[name]) else 0
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Settings by name; those that are not named keep their defaults.

        Raises:
            ConfigError: a name is unknown, or a value is of another kind or out of its range.
        """
        hints = _hints(cls)
        for name in values:
            if name not in hints:
                hint = did_you_mean(name, hints) or f" Known are {', '.join(hints)}."
                raise ConfigError(f"there is no {cls.called}{name}.{hint}")
        inner = {name: _nested(hints[name], value) for name, value in values.items()}
        return cls(**inner)

    @classmethod
    def from_toml(cls, path: str | Path, **flags: Any) -> Self:
        """Settings from a TOML file with lines as `lr = 0.1`; `flags` come before the file's.

        Raises:
            ConfigError: the file can't be read, a name is unknown, or a value is of another kind or out of its range.
        """
        try:
            values = tomllib.loads(_read(Path(path)))
            settings = cls.from_dict(values)
        except OSError as error:
            raise ConfigError(f"{path} can't be read: {error.strerror or error}") from error
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from error
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"{path} is no TOML: {error}") from error
        return cls.from_dict(merge(values, flags)) if flags else settings

    @classmethod
    def from_flags(cls, file: Path | None = None, **flags: Any) -> Self:
        """Settings from a TOML file, if there is one, and flags, which come before it; None is a flag not given.

        Raises:
            ConfigError: the file can't be read, a name is unknown, or a value is of another kind or out of its range.
        """
        given = {name: value for name, value in flags.items() if value is not None}
        return cls.from_dict(given) if file is None else cls.from_toml(file, **given)


def check_count(name: str, value: object, most: int) -> None:
    """Check a number of things that a caller asks for.

    Raises:
        ConfigError: it is no whole number from 1 to `most`.
    """
    if type(value) is not int or not 1 <= value <= most:
        raise ConfigError(f"{name} is {value!r}; expected a whole number from 1 to {most:,}")


def _read(path: Path) -> str:
    """The text of a file of settings; devices have no end, so that not all is read of what is too large."""
    with path.open("rb") as file:
        data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise ConfigError(f"holds more than {_MOST_BYTES:,} bytes, which no settings need")
    return data.decode("utf-8-sig")


def merge(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Both as one, tables in them too; the second comes before the first."""
    merged = {**first, **second}
    for name, value in second.items():
        inner = first.get(name)
        if isinstance(inner, Mapping) and isinstance(value, Mapping):
            merged[name] = merge(inner, value)
    return merged


def wrong_kinds(record: Any) -> Iterator[tuple[str, str]]:
    """The fields of a dataclass that are of another kind than their type hints, each with the right kind in words.

    An int is a float, too, but a bool is no number. What a list or a table holds is not looked at.
    """
    for name, hint in _hints(type(record)).items():
        if not _fits(getattr(record, name), hint):
            yield name, " or ".join(_WORDS.get(kind, "a table") for kind in _kinds(hint))


def _read_hints(kind: Any) -> dict[str, Any]:
    """The type hints of a dataclass's fields."""
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}


_hints: Callable[[type], dict[str, Any]] = cache(_read_hints)


def _kinds(hint: Any) -> list[type]:
    """The types in a hint: `float | None` has two, `dict[str, int]` is a dict."""
    if get_origin(hint) in (Union, UnionType):
        return [kind for part in get_args(hint) for kind in _kinds(part)]
    return [get_origin(hint) or hint]


def _fits(value: object, hint: Any) -> bool:
    kinds = _kinds(hint)
    if isinstance(value, bool):
        return bool in kinds or Any in kinds
    return any(kind is Any or isinstance(value, (int, float) if kind is float else kind) for kind in kinds)


def _nested(hint: Any, value: object) -> object:
    """A table as the settings that it holds, where the hint is a class of settings."""
    inner = isinstance(hint, type) and issubclass(hint, Settings)
    return hint.from_dict(value) if inner and isinstance(value, Mapping) else value
