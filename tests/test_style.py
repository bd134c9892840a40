"""The code keeps the rules of CONTRIBUTING that a program can check."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "cpner"
MODULES = {path.relative_to(SOURCE).as_posix(): path for path in sorted(SOURCE.rglob("*.py"))}
MOST_LINES = 350
MOST_PARAMETERS = 10
# Words that say nothing of what they hold.
NO_NAMES = {"own", "each", "told", "found", "kept", "every", "begun", "stand", "way", "back"}
OF_JSON = {"pretraining/leaks.py:found"}  # a field that is written under this name

Function = ast.FunctionDef | ast.AsyncFunctionDef
FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)


def tuple_assignments(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """`a, b = x, y`: two things said on one line. To unpack what a call gives is fine."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and all(isinstance(side, ast.Tuple) for side in (*node.targets, node.value)):
            yield node.lineno, ast.unparse(node)


def long_signatures(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Functions with more parameters than a reader can hold, but for those whose parameters are a user's options."""
    for node in ast.walk(tree):
        if isinstance(node, FUNCTION) and not takes_options(node):
            arguments = node.args
            named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
            count = len([a for a in named if a.arg not in ("self", "cls")])
            count += (arguments.vararg is not None) + (arguments.kwarg is not None)
            if count > MOST_PARAMETERS:
                yield node.lineno, f"{node.name} has {count} parameters"


def takes_options(function: Function) -> bool:
    """Whether click makes a command of a function, or spaCy a component: a decorator is called so, or `factory`."""
    calls = [call.func if isinstance(call, ast.Call) else call for call in function.decorator_list]
    return any(isinstance(call, ast.Attribute) and call.attr in ("command", "factory") for call in calls)


def empty_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Variables, attributes, parameters and functions whose name does not say what they are."""
    for node in ast.walk(tree):
        name = ""
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            name = node.id if isinstance(node, ast.Name) else node.attr
        elif isinstance(node, ast.arg):
            name = node.arg
        elif isinstance(node, FUNCTION):
            name = node.name
        if name in NO_NAMES:
            yield getattr(node, "lineno", 0), name


def trusting_loads(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Loads by `transformers` that do not say that a folder's own code is never run."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "from_pretrained":
            trusts = {word.arg: ast.unparse(word.value) for word in node.keywords}
            if trusts.get("trust_remote_code") != "False":
                yield node.lineno, ast.unparse(node)


@pytest.mark.parametrize("rule", [tuple_assignments, long_signatures, empty_names, trusting_loads])
def test_code_keeps_the_rule(rule: Callable[[ast.Module], Iterator[tuple[int, str]]]) -> None:
    broken = [
        f"{name}:{line}: {what}"
        for name, path in MODULES.items()
        for line, what in rule(ast.parse(path.read_text("utf-8")))
        if f"{name}:{what}" not in OF_JSON
    ]
    assert not broken, "\n".join(broken)


def test_what_tests_share_keeps_the_rules() -> None:
    broken = [
        f"{path.name}:{line}: {what}"
        for path in Path(__file__).parent.rglob("*.py")
        if path.name in ("conftest.py", "strategies.py", "support.py")
        for rule in (tuple_assignments, long_signatures, empty_names)
        for line, what in rule(ast.parse(path.read_text("utf-8")))
    ]
    assert not broken, "\n".join(broken)


def test_modules_are_short() -> None:
    lengths = {name: len(path.read_text("utf-8").splitlines()) for name, path in MODULES.items()}
    assert not {name: length for name, length in lengths.items() if length > MOST_LINES}


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        (tuple_assignments, "a, b = 1, 2"),
        (tuple_assignments, "self.a, self.b = a, b"),
        (long_signatures, f"def f({', '.join(f'x{i}' for i in range(11))}): pass"),
        (empty_names, "def f(own): pass"),
        (empty_names, "self.kept = 1"),
        (empty_names, "[each for each in rows]"),
        (trusting_loads, "AutoModel.from_pretrained(folder)"),
        (trusting_loads, "AutoModel.from_pretrained(folder, trust_remote_code=trust)"),
    ],
)
def test_the_rules_see_what_breaks_them(rule: Callable[[ast.Module], Iterator[tuple[int, str]]], code: str) -> None:
    assert list(rule(ast.parse(code)))


def test_the_rules_let_good_code_pass() -> None:
    code = "a, b = pair()\n@click.command()\ndef f(a, b, c, d, e, f, g, h, i, j, k): pass\nkeep = x.found"
    tree = ast.parse(code)
    assert not [*tuple_assignments(tree), *long_signatures(tree), *empty_names(tree)]
