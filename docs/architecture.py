"""The pictures of docs/architecture.md, made from the code: the rooms of the package, and the way of a sentence."""

from __future__ import annotations

import ast
import io
import re
import textwrap
import tokenize
from collections import defaultdict
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "cpner"
WIDTH = 960
GAP = 12
LINE = 17
LETTER = 6.2  # width of a letter, about
_MARK = re.compile(r"\bEqs?\. (\d+)(?:, (\d+))*$")


class Step(NamedTuple):
    """A station on the way of a sentence.

    Attributes:
        module: Its module, below `cpner`, with slashes.
        task: What is done there.
    """

    module: str
    task: str


WAYS = {
    "predict: from a text and a domain's name to entities": [
        Step("corpus/words", "cut the text into words"),
        Step("store/domains", "fetch the domain's prefix and its types"),
        Step("recognition/windows", "cut what is too long"),
        Step("instructor/instructor", "write the source"),
        Step("backbone/t5", "read it"),
        Step("backbone/attention", "look at the prefix, too"),
        Step("recognition/decode", "write entities, many rows at once"),
        Step("recognition/recognise", "join the windows"),
    ],
    "warm_up: from a file to a stored domain": [
        Step("corpus/formats", "read the file"),
        Step("training/examples", "make sources and targets"),
        Step("training/loss", "the loss of a batch"),
        Step("training/optimise", "take the steps"),
        Step("training/loop", "choose the best epoch on dev"),
        Step("store/card", "note what it was made from"),
        Step("store/store", "put it into the folder"),
    ],
    "transfer: from stored domains to a new one": [
        Step("store/domains", "fetch target and sources"),
        Step("transfer/strategies", "plan what is trained"),
        Step("transfer/selector", "weigh the sources"),
        Step("transfer/collaborate", "average them with the target"),
        Step("transfer/plan", "carry the plan out"),
        Step("training/loop", "train that on"),
        Step("store/store", "put it into the folder"),
    ],
}


def layers() -> list[set[str]]:
    """The layers of imports, lowest first: the list that the test of imports goes by."""
    tree = ast.parse((ROOT / "tests" / "test_architecture.py").read_text("utf-8"))
    values = (node.value for node in tree.body if isinstance(node, ast.Assign) and _is_named(node, "LAYERS"))
    rooms: list[set[str]] = ast.literal_eval(next(values))
    return rooms


def marks() -> dict[int, list[tuple[str, str]]]:
    """Where each equation of the paper is computed: the lines of code whose comment ends with `Eq. N`.

    Returns:
        For each number the (module, function) pairs, the module with dots.
    """
    places: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for path in sorted(PACKAGE.rglob("*.py")):
        source = path.read_text("utf-8")
        for number, line in _equations(source):
            module = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
            place = (module, _owner(ast.parse(source), line))
            if place not in places[number]:
                places[number].append(place)
    return dict(places)


def rooms() -> str:
    """The rooms of the package, a row for each layer, as SVG."""
    y = 0
    parts = []
    for layer in reversed(layers()):
        shown = sorted(name for name in layer if not name.startswith("__"))
        if shown:
            width = (WIDTH - GAP * (len(shown) - 1)) / len(shown)
            texts = [_room(name, int((width - 16) / LETTER)) for name in shown]
            height = max(len(lines) for lines in texts) * LINE + 16
            for i, lines in enumerate(texts):
                parts.append(_box(i * (width + GAP), y, width, height, lines))
            y += height + GAP
    return _svg("The rooms of cpner: each imports only from rows below its own", y, parts)


def way() -> str:
    """The way of a sentence through the modules, a row for each task, as SVG."""
    equations = defaultdict(set)
    for number, places in marks().items():
        for module, _ in places:
            equations[module.removeprefix("cpner.").replace(".", "/")].add(number)
    y = 0
    parts = []
    for title, steps in WAYS.items():
        parts.append(f'<text x="0" y="{y + 14}" font-weight="bold">{escape(title)}</text>')
        y += 26
        width = (WIDTH - 22 * (len(steps) - 1)) / len(steps)
        texts = [_station(step, sorted(equations[step.module]), int((width - 16) / LETTER)) for step in steps]
        height = max(len(lines) for lines in texts) * LINE + 16
        for i, lines in enumerate(texts):
            x = i * (width + 22)
            parts.append(_box(x, y, width, height, lines, bold=2))
            if i:
                middle = y + height / 2
                parts.append(f'<path d="M{x - 19:.0f} {middle}h14m-5 -4l5 4l-5 4" fill="none" stroke="currentColor"/>')
        y += height + 2 * GAP
    return _svg("The way of a sentence through cpner, with the equations computed there", y, parts)


def _room(name: str, columns: int) -> list[str]:
    """A room's name, what it is, and its modules."""
    folder = PACKAGE / name
    path = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    text = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    sentence = re.split(r"(?<=\.) (?=[A-Z])|\n", text.replace("`", ""))[0]
    lines = [f"{name}/" if folder.is_dir() else f"{name}.py", *textwrap.wrap(sentence, columns)]
    if folder.is_dir():
        modules = [child.stem for child in folder.glob("*.py") if child.stem != "__init__"]
        packages = [f"{child.parent.name}/" for child in folder.glob("*/__init__.py")]
        lines += textwrap.wrap(" · ".join(sorted([*modules, *packages])), columns)
    return lines


def _station(step: Step, numbers: Sequence[int], columns: int) -> list[str]:
    """A step's module on two lines, its task, and the equations that are computed there."""
    path = PACKAGE / step.module
    if not (path.is_dir() or path.with_suffix(".py").exists()):
        raise FileNotFoundError(f"docs/architecture.py names {step.module}, which is not there")
    room, _, module = step.module.partition("/")
    lines = [f"{room}/", module, *textwrap.wrap(step.task, columns)]
    return [*lines, f"Eq. {', '.join(map(str, numbers))}"] if numbers else lines


def _box(x: float, y: float, width: float, height: float, lines: Sequence[str], *, bold: int = 1) -> str:
    """A frame with lines of text, the first `bold` of which are its title."""
    frame = f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{height}" rx="4" class="room"/>'
    texts = []
    for i, line in enumerate(lines):
        weight = "bold" if i < bold else "normal"
        baseline = y + 8 + LINE * (i + 0.75)
        texts.append(f'<text x="{x + 8:.1f}" y="{baseline:.1f}" font-weight="{weight}">{escape(line)}</text>')
    return frame + "".join(texts)


def _svg(label: str, height: float, parts: Sequence[str]) -> str:
    body = "\n".join(parts)
    return (
        f'<div class="picture">\n<svg viewBox="-1 -1 {WIDTH + 2} {height}" role="img" aria-label="{escape(label)}">\n'
        f"{body}\n</svg>\n</div>"
    )


def _equations(source: str) -> Iterator[tuple[int, int]]:
    """The (equation, line) pairs of the comments behind code."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and token.line[: token.start[1]].strip():
            mark = _MARK.search(token.string)
            for number in re.findall(r"\d+", mark[0]) if mark else ():
                yield int(number), token.start[0]


def _owner(tree: ast.AST, line: int) -> str:
    """The function or method that a line stands in, as `f` or `Class.method`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.lineno <= line <= (node.end_lineno or 0):
            inner = _owner(node, line) if isinstance(node, ast.ClassDef) else ""
            return f"{node.name}.{inner}" if inner else node.name
    return ""


def _is_named(node: ast.Assign, name: str) -> bool:
    return any(isinstance(target, ast.Name) and target.id == name for target in node.targets)
