"""Settings check themselves, and come in one way from a dict, a file and flags."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest

from cpner.errors import ConfigError
from cpner.settings import Settings, above, at_least, below, between, merge, one_of


@dataclass(frozen=True)
class Inner(Settings):
    share: float = 0.5

    called = "oven setting inner."
    ranges: ClassVar = {between(0, 1): ("share",)}


@dataclass(frozen=True)
class Oven(Settings):
    heat: float = 180.0
    minutes: int = 20
    fan: bool = False
    shelf: str = "middle"
    limit: int | None = None
    tolerance: float | None = None
    names: tuple[str, ...] = ()
    inner: Inner = field(default_factory=Inner)

    called = "oven setting "
    ranges: ClassVar = {
        above(0): ("heat",), at_least(0): ("minutes", "limit"), below(1): ("tolerance",),
        one_of(("top", "middle")): ("shelf",),
    }  # fmt: skip
    unset_by_zero = ("limit", "tolerance")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"heat": "hot"}, "oven setting heat is 'hot'; expected a number"),
        ({"heat": True}, "oven setting heat is True; expected a number"),
        ({"heat": 0}, "oven setting heat is 0; expected above 0"),
        ({"heat": float("inf")}, "oven setting heat is inf; expected above 0"),
        ({"heat": float("nan")}, "oven setting heat is nan; expected above 0"),
        ({"minutes": 1.5}, "oven setting minutes is 1.5; expected a whole number"),
        ({"minutes": -1}, "oven setting minutes is -1; expected at least 0"),
        ({"minutes": None}, "oven setting minutes is None; expected a whole number"),
        ({"fan": 1}, "oven setting fan is 1; expected true or false"),
        ({"limit": "few"}, "oven setting limit is 'few'; expected a whole number or none"),
        ({"limit": -2}, "oven setting limit is -2; expected at least 0"),
        ({"limit": False}, "oven setting limit is False; expected a whole number or none"),
        ({"tolerance": 1}, "oven setting tolerance is 1; expected at least 0 and below 1"),
        ({"shelf": "low"}, "oven setting shelf is 'low'; expected one of top, middle"),
        ({"names": "a"}, "oven setting names is 'a'; expected a list"),
        ({"inner": 3}, "oven setting inner is 3; expected a table"),
        ({"inner": {"share": 2}}, "oven setting inner.share is 2; expected 0 to 1"),
        ({"inner": {"shares": 1}}, "there is no oven setting inner.shares. Did you mean 'share'?"),
        ({"heet": 3}, "there is no oven setting heet. Did you mean 'heat'?"),
        ({"x": 3}, "there is no oven setting x. Known are heat, minutes, fan, "),
    ],
)
def test_what_is_wrong_is_named_with_what_is_right(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Oven.from_dict(values)

    assert str(caught.value).startswith(message)


def test_whole_numbers_are_numbers_too() -> None:
    assert Oven(heat=200) == Oven(heat=200.0)


def test_zero_is_none_where_that_means_unset() -> None:
    assert Oven(limit=0, tolerance=0.0) == Oven() and Oven(limit=0).limit is None
    assert Oven(minutes=0).minutes == 0


def test_what_is_written_reads_as_the_same_and_has_no_none() -> None:
    for oven in (Oven(), Oven(limit=3, inner=Inner(0.25))):
        written = oven.written()

        assert None not in written.values()
        assert Oven.from_dict(written) == oven


def test_flags_come_before_the_file_and_the_file_before_defaults(tmp_path: Path) -> None:
    file = tmp_path / "oven.toml"
    file.write_text("heat = 90\nminutes = 5\nlimit = 0\n[inner]\nshare = 0.1\n", "utf-8")

    assert Oven.from_flags(file, minutes=7, limit=None) == Oven(heat=90.0, minutes=7, inner=Inner(0.1))
    assert Oven.from_flags(file, inner={"share": 0.2}).inner == Inner(0.2)
    assert Oven.from_flags(minutes=7, heat=None) == Oven(minutes=7)


def test_a_file_is_named_for_its_own_mistakes_alone(tmp_path: Path) -> None:
    file = tmp_path / "oven.toml"
    file.write_text("heat = 90\n", "utf-8")

    with pytest.raises(ConfigError, match=r"^oven setting heat is -1"):
        Oven.from_toml(file, heat=-1)
    file.write_text("heat = -1\n", "utf-8")
    with pytest.raises(ConfigError, match=r"oven\.toml: oven setting heat is -1"):
        Oven.from_toml(file, minutes=3)


def test_tables_are_merged_and_the_second_wins() -> None:
    first = {"a": 1, "b": {"c": 2, "d": 3}, "e": {"f": 4}}

    assert merge(first, {"a": 5, "b": {"d": 6}, "e": 7}) == {"a": 5, "b": {"c": 2, "d": 6}, "e": 7}
    assert first["b"] == {"c": 2, "d": 3}
