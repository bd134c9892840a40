"""Imports run one way: each layer uses those below it alone, and no module needs itself to be imported.

Tests stand where the code stands that they test.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
SOURCE = TESTS.parent / "src"
LAYERS = [  # lowest first; packages and modules of one layer don't know each other
    {"__init__"},  # the version and the public names, which load late
    {"errors", "progress", "stopping"},
    {"files", "settings", "machine", "cluster"},
    {"corpus"},
    {"evaluation"},
    {"calibration"},
    {"show", "instructor"},
    {"backbone"},
    {"recognition"},
    {"training"},
    {"store", "transfer", "pretraining"},
    {"query", "calibrating"},
    {"recogniser"},
    {"alternatives"},
    {"ner", "integrations"},
    {"bench", "experiments", "serve", "client", "annotation"},
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
OF_SEVERAL = {  # tests of more than one module, and what they hold together
    "test_architecture": "all modules",
    "test_docs": "the documents, with the code that they speak of",
    "test_light_imports": "the command line, with what it must not load",
    "test_mini": "the shipped backbone, from text to entities",
    "test_style": "all modules",
    "hostile/test_hostile": "all that reads, with hostile input, and all that writes, killed",
    "serve/test_fuzz": "the whole server, with requests that no client would make",
    "serve/test_page": "the page, in a real browser",
    "serve/test_process": "the whole server, as a process of its own",
    "corpus/test_datasets": "the readers, with the public datasets",
    "corpus/test_same_words": "readers and predictions",
    "corpus/formats/test_binary": "formats that need a library of their own",
    "corpus/formats/test_libraries": "formats, with the tools that write and read them",
    "corpus/formats/test_roundtrip": "all formats that are written",
    "corpus/formats/test_tools": "formats of annotation tools",
}
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


def test_every_test_stands_where_its_module_does() -> None:
    apart = {
        str(path.relative_to(TESTS).with_suffix(""))
        for path in TESTS.rglob("test_*.py")
        if not modules_of_test(path) & MODULES.keys()
    }

    assert apart == OF_SEVERAL.keys(), "move it to tests/<package>/test_<module>.py, or say in OF_SEVERAL what it tests"


def test_no_test_uses_another() -> None:
    using = {
        str(path.relative_to(TESTS))
        for path in TESTS.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom) and re.search(r"(^|\.)(test_\w+|conftest)$", node.module or "")
    }

    assert not using, "what tests share stands in a support.py"


def test_no_test_leans_on_private_state() -> None:
    private = {
        f"{path.relative_to(TESTS)}:{node.lineno} {ast.unparse(node)}"
        for path in TESTS.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute)
        and re.match("_[a-z]", node.attr)
        and ast.unparse(node.value) not in ("self", "os")
        and node.attr != "_replace"  # of named tuples
    }

    assert not private


def modules_of_test(path: Path) -> set[str]:
    """The names that the module of a test may have: those with a leading underscore are private to their package."""
    folder, name = path.relative_to(TESTS).parent, path.stem.removeprefix("test_")
    return {".".join(("cpner", *folder.parts, stem)) for stem in (name, f"_{name}")}
