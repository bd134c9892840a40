"""Imports run one way: each layer uses those below it alone, and no module needs itself to be imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"
LAYERS = [  # lowest first; packages and modules of one layer don't know each other
    {"__init__"},  # the version and the public names, which load late
    {"errors", "progress"},
    {"files", "settings", "machine"},
    {"corpus"},
    {"evaluation"},
    {"show", "instructor"},
    {"backbone"},
    {"recognition"},
    {"training"},
    {"store", "transfer", "pretraining"},
    {"recogniser"},
    {"ner"},
    {"bench", "experiments", "serve", "client"},
    {"cli"},
    {"__main__"},
]
PUBLIC = {
    "backbone",
    "corpus",
    "errors",
    "evaluation",
    "ner",
    "store",
    "training",
    "transfer",
}  # whose names `cpner` hands out
ALLOWED: set[tuple[str, str]] = set()  # pairs of modules (importer, imported) that still go up


def modules() -> dict[str, Path]:
    """Every module of the package with its file."""
    found = {}
    for path in SOURCE.rglob("*.py"):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imports(name: str, *, at_once: bool) -> Iterator[str]:
    """The modules of the package that a module imports; `at_once` leaves out those that it loads late or for types."""
    tree = ast.parse(MODULES[name].read_text("utf-8"))
    nodes = tree.body if at_once else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module in MODULES:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else node.module


def layer(name: str) -> int:
    """The place of a module's room in `LAYERS`."""
    room = name.split(".")[1] if "." in name else "__init__"
    return next(i for i, rooms in enumerate(LAYERS) if room in rooms)


def room(name: str) -> str:
    """The package or module right below `cpner` that a module belongs to."""
    return name.split(".")[1] if "." in name else "__init__"


def test_every_room_has_a_layer() -> None:
    assert {room(name) for name in MODULES} - {"models"} == set().union(*LAYERS)  # models holds weights, no code


@pytest.mark.parametrize("name", sorted(name for name in MODULES if room(name) not in ("models", "__init__")))
def test_imports_go_down(name: str) -> None:
    up = {
        (name, other)
        for other in imports(name, at_once=False)
        if room(other) != room(name) and layer(other) >= layer(name)
    }

    assert up <= ALLOWED


def test_what_is_allowed_is_still_there() -> None:
    assert not [pair for pair in ALLOWED if pair[1] not in imports(pair[0], at_once=False)]


def test_the_top_hands_out_public_rooms_alone() -> None:
    assert {room(other) for other in imports("cpner", at_once=False)} <= PUBLIC


def test_no_module_needs_itself() -> None:
    graph = {name: set(imports(name, at_once=True)) - {name} for name in MODULES}

    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"imports go in a circle: {' <- '.join(error.args[1])}")


def test_a_circle_is_found() -> None:
    with pytest.raises(CycleError):
        TopologicalSorter({"a": {"b"}, "b": {"a"}}).prepare()
