"""The demo's report: one self-contained page of HTML, laid out by the template `demo`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from cpner.corpus.sentence import Entity
from cpner.experiments.demo.result import KINDS, SEVERAL, DemoResult, Example, label, verdict
from cpner.files import write_text
from cpner.show.entities import Palette, Piece, pieces, size_text
from cpner.show.pages import render_page

_TEMPLATE = re.compile(r"\(([^(:]+): |[()]")


def write_report(result: DemoResult, path: Path, store: Path) -> None:
    """Write the report; commands in it, for readers to try, name the folder of the demo's domains."""
    write_text(path, [page(result, store)])


def page(result: DemoResult, store: Path) -> str:
    """The report as HTML; `store` is the folder of the demo's domains."""
    palette = Palette.of_domains([trained.types for trained in result.trained])
    domain = result.variants[-1].domain
    instruction, options, sentence = result.prompt[0].split(": ", 2)
    return render_page(
        "demo",
        title=f"cpner demo: {result.target}",
        result=result,
        palette=palette,
        tiles=_tiles(result),
        examples=[_example(example, palette) for example in result.examples if example.gold.domain == domain],
        views=[(view.domain or "", pieces(view, palette)) for view in result.views],
        charts={size: _bars(result, size) for size in result.sizes},
        verdict=verdict(result),
        grids=_grids(result),
        sparks={trained.name: _spark(trained.curve) for trained in result.trained},
        prompt={"instruction": instruction, "options": options, "sentence": sentence},
        answer=_coloured(result.prompt[1]),
        commands=_commands(result, store),
        facts=_facts(result),
    )


class _Example(NamedTuple):
    pieces: Iterator[Piece]
    missed: list[Entity]


class _Bar(NamedTuple):
    name: str
    kind: str  # of KINDS, for the colour
    value: float
    share: float  # of the longest bar, 0 to 100


class _Cell(NamedTuple):
    value: float
    shade: float  # 0.06 to 1
    depth: str  # of the shade, for the colour of the figure


class _Row(NamedTuple):
    name: str
    cells: list[_Cell | None]


class _Grid(NamedTuple):
    title: str
    words: str
    rows: list[_Row]


class _Spark(NamedTuple):
    words: str
    width: int
    height: int
    points: list[tuple[float, float]]


def _tiles(result: DemoResult) -> dict[str, str]:
    """The figures at the top, and what they are."""
    backbone = result.backbone
    name = Path(backbone["name"]).name
    size = max(trained.size_bytes for trained in result.trained)
    share = 100 * size / (2 * backbone["parameters"])  # two bytes a parameter in bfloat16
    largest = result.variant(result.sizes[-1], SEVERAL)
    trainings = len(result.trained) - 1 + len(result.sizes) * (1 + len(KINDS))
    return {
        f"{backbone['parameters'] / 1e6:.1f} million": f"parameters of {name}, all frozen",
        size_text(size): f"for a domain's prefix, {share:.1f} % of the model",
        _duration(result.seconds): f"for all {trainings} trainings, on {backbone['device'].upper()}",
        f"{largest.f1:.1f}": f"F1 on {result.target} with all sources; {result.zero_shot_f1:.1f} without a prefix",
    }


def _example(example: Example, palette: Palette) -> _Example:
    gold = {entity[:3] for entity in example.gold.entities}
    predicted = {entity[:3] for entity in example.predicted.entities}
    marks = ["right" if entity[:3] in gold else "wrong" for entity in example.predicted.entities]
    missed = [entity for entity in example.gold.entities if entity[:3] not in predicted]
    return _Example(pieces(example.predicted, palette, marks=marks), missed)


def _bars(result: DemoResult, size: int) -> list[_Bar]:
    longest = max(1, *(variant.f1 for variant in result.variants))
    variants = [result.variant(size, kind) for kind in KINDS]
    return [_Bar(label(variant), variant.kind, variant.f1, 100 * variant.f1 / longest) for variant in variants]


def _grids(result: DemoResult) -> list[_Grid]:
    like = result.likeness
    grids = {
        "Entity similarity": (like.entity, "of the names of the types (Eq. 5)"),
        "Prefix similarity": (like.prefix, "of the trained prefixes (Eq. 6)"),
        "Weight of a source": (like.weights, "softmax over the mean of both (Eq. 7-8)"),
    }
    return [_Grid(title, words, _rows(like.names, values)) for title, (values, words) in grids.items()]


def _rows(names: Sequence[str], values: Sequence[Sequence[float | None]]) -> list[_Row]:
    """The cells of a heat map; none on the diagonal."""
    shown = [[None if i == j else value for j, value in enumerate(row)] for i, row in enumerate(values)]
    known = [value for row in shown for value in row if value is not None]
    low = min(known)
    span = max(max(known) - low, 1e-9)

    def cell(value: float) -> _Cell:
        shade = 0.06 + 0.94 * (value - low) / span
        return _Cell(value, shade, "deep" if shade > 0.68 else "half" if shade > 0.55 else "pale")

    return [
        _Row(name, [None if value is None else cell(value) for value in row])
        for name, row in zip(names, shown, strict=True)
    ]


def _spark(curve: Sequence[float], width: int = 92, height: int = 30) -> _Spark:
    """A line of figures from 0 to 100, as high as its cell at their largest."""
    words = f"dev F1 {', '.join(f'{value:.0f}' for value in curve)}"
    step = (width - 8) / max(len(curve) - 1, 1)
    top = max([*curve, 1])
    points = [(4 + i * step, height - 4 - (height - 8) * value / top) for i, value in enumerate(curve)]
    return _Spark(words, width, height, points)


def _coloured(answer: str) -> list[tuple[str, str]]:
    """The answer in the paper's template, cut into parts with the class of each; no class for words."""
    parts = []
    position = 0
    for match in _TEMPLATE.finditer(answer):
        parts.append(("", answer[position : match.start()]))
        if match[1]:
            parts += [("sign", "("), ("type", match[1]), ("sign", ":"), ("", " ")]
        else:
            parts.append(("sign", match[0]))
        position = match.end()
    return [*parts, ("", answer[position:])]


def _commands(result: DemoResult, store: Path) -> list[str]:
    sources = ",".join(trained.name for trained in result.trained[:2])
    return [
        f'cpner predict --store {store} --domain {result.target} "{_shortest(result)}"',
        f"cpner evaluate sample:{result.target} --store {store} --domain {result.target}",
        f"cpner domains list --store {store}",
        f"cpner warm-up my-corpus --store {store} --domain mine",
        f"cpner transfer my-corpus --store {store} --target mine --sources {sources}",
    ]


def _shortest(result: DemoResult) -> str:
    """A sentence that can be typed into a shell as it is."""
    texts = [example.gold.text for example in result.examples if example.gold.domain == result.variants[-1].domain]
    plain = [text for text in texts if not set(text) & set('"$`\\!')]
    return min(plain or [result.views[0].text], key=len)


def _facts(result: DemoResult) -> dict[str, str]:
    """What the figures were made with."""
    return {
        "Backbone": f"{result.backbone['name']} ({result.backbone['fingerprint']}, {result.backbone['dtype']})",
        "Settings": ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in result.settings.items()),
        "Versions": ", ".join(f"{name} {value}" for name, value in result.versions.items()),
        "Corpora": "the sample domains of cpner, invented text (CC0): they show how it works and are no benchmark.",
    }


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
