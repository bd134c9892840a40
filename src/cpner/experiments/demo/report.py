"""The demo's report: one self-contained page of HTML."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from cpner.corpus.sentence import Entity
from cpner.experiments.demo.page import CSS, PAGE
from cpner.experiments.demo.result import KINDS, SEVERAL, DemoResult, Example, Trained, label, verdict
from cpner.files import write_text
from cpner.show.entities import Palette, html_chip, html_text, size_text

_NUMBERS = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine")
_TEMPLATE = re.compile(r"\(([^(:]+): |[()]")


def write_report(result: DemoResult, path: Path, store: Path) -> None:
    """Write the report.

    Args:
        result: What the demo measured.
        path: The file of HTML.
        store: The folder of the demo's domains, for the commands that readers may try.
    """
    write_text(path, [page(result, store)])


def page(result: DemoResult, store: Path) -> str:
    """The report as HTML."""
    palette = Palette.of_domains([trained.types for trained in result.trained])
    sections = (
        _found(result, palette),
        _views(result, palette),
        _help(result),
        _likeness(result),
        _domains(result, palette),
        _method(result),
        _try(result, store),
    )
    return PAGE.format(
        title=f"cpner demo: {escape(result.target)}",
        css=CSS,
        header=_header(result),
        sections="\n".join(sections),
        footer=_footer(result),
    )


def _header(result: DemoResult) -> str:
    backbone, target, count = result.backbone, escape(result.target), len(result.trained)
    name = escape(Path(backbone["name"]).name)
    size = max(trained.size_bytes for trained in result.trained)
    share = 100 * size / (2 * backbone["parameters"])  # two bytes a parameter in bfloat16
    largest = result.variant(result.sizes[-1], SEVERAL)
    tiles = {
        f"{backbone['parameters'] / 1e6:.1f} million": f"parameters of {name}, all frozen",
        size_text(size): f"for a domain's prefix, {share:.1f} % of the model",
        _duration(result.seconds): f"for all {_trainings(result)} trainings, on {escape(backbone['device'].upper())}",
        f"{largest.f1:.1f}": f"F1 on {target} with all sources; {result.zero_shot_f1:.1f} without a prefix",
    }
    return (
        '<div class="eyebrow">cpner demo</div>'
        f"<h1>One frozen model, {_number(count).lower()} domains</h1>"
        '<p class="lead">Each domain is a small prefix in front of the same language model. '
        f"{_number(count - 1)} of them lend what they know to <b>{target}</b>, "
        f"which learns from {_words(result.sizes)} sentences.</p>"
        f'<div class="tiles">{"".join(_tile(figure, words) for figure, words in tiles.items())}</div>'
    )


def _found(result: DemoResult, palette: Palette) -> str:
    own = [each for each in result.examples if each.gold.domain == result.variants[-1].domain]
    return _section(
        "What it finds",
        f"The first test sentences of {escape(result.target)} with three entities or more, not picked by their result. "
        "A dashed frame is an entity that the labels don't have so; what was missed stands below.",
        "".join(f'<div class="card">{_example(each, palette)}</div>' for each in own),
    )


def _example(example: Example, palette: Palette) -> str:
    gold = {each[:3] for each in example.gold.entities}
    found = {each[:3] for each in example.found.entities}
    marks = ["right" if each[:3] in gold else "wrong" for each in example.found.entities]
    missed = [each for each in example.gold.entities if each[:3] not in found]
    below = f'<p class="missed">Missed: {_listed(missed)}</p>' if missed else ""
    return f'<p class="text">{html_text(example.found, palette, marks=marks)}</p>{below}'


def _listed(entities: Iterable[Entity]) -> str:
    return ", ".join(f"<i>{escape(each.text)}</i> ({escape(each.type)})" for each in entities)


def _views(result: DemoResult, palette: Palette) -> str:
    rows = "".join(
        f'<div class="view"><b>{escape(view.domain or "")}</b><p class="text">{html_text(view, palette)}</p></div>'
        for view in result.views
    )
    return _section(
        f"One sentence, {_number(len(result.views)).lower()} readings",
        "The same sentence, read with each domain's prefix in one batch: every row of a batch may have its own.",
        f'<div class="card">{rows}</div>',
    )


def _help(result: DemoResult) -> str:
    top = max(variant.f1 for variant in result.variants)
    cards = []
    for size in result.sizes:
        bars = "".join(
            _bar(label(result.variant(size, kind)), result.variant(size, kind).f1, top, kind) for kind in KINDS
        )
        cards.append(f'<div class="card"><h3>{size} training sentences</h3><div class="bars">{bars}</div></div>')
    said = "".join(f"<p>{escape(sentence)}</p>" for sentence in verdict(result))
    return _section(
        "Do the sources help?",
        f"F1 on the test split of {escape(result.target)}. All three were trained for the same number of steps; "
        "the one source is the most similar by the selector, chosen without a look at the test split.",
        f'<div class="columns">{"".join(cards)}</div><div class="verdict">{said}</div>',
    )


def _bar(name: str, value: float, top: float, kind: str) -> str:
    share = 100 * value / max(top, 1)
    style = f"--value:{share:.1f};--colour:var(--{kind})"
    return f'<span>{escape(name)}</span><div class="bar" style="{style}"><b>{value:.1f}</b></div>'


def _likeness(result: DemoResult) -> str:
    like = result.likeness
    grids = {
        "Entity similarity": (like.entity, "of the names of the types (Eq. 5)"),
        "Prefix similarity": (like.prefix, "of the trained prefixes (Eq. 6)"),
        "Weight of a source": (like.weights, "softmax over the mean of both (Eq. 7-8)"),
    }
    cards = "".join(
        f'<div class="card"><h3>{name}</h3>{_heat(result, values)}<p class="missed">{escape(words)}</p></div>'
        for name, (values, words) in grids.items()
    )
    return _section(
        "Which domains are alike?",
        "Rows are targets, columns sources. The selector weighs each source by these figures; colours run from the "
        "smallest figure of a table to its largest.",
        f'<div class="columns">{cards}</div>',
    )


def _heat(result: DemoResult, values: Sequence[Sequence[float | None]]) -> str:
    names = result.likeness.names
    known = [value for i, row in enumerate(values) for j, value in enumerate(row) if value is not None and i != j]
    low, span = min(known), max(max(known) - min(known), 1e-9)

    def cell(value: float | None, itself: bool) -> str:
        if value is None or itself:
            return '<td class="blank">·</td>'
        shade = 0.06 + 0.94 * (value - low) / span
        depth = "deep" if shade > 0.68 else "half" if shade > 0.55 else "pale"
        return f'<td class="{depth}" style="--shade:{shade:.2f}">{value:.2f}</td>'

    def mark(name: str) -> str:
        return ' class="target"' if name == result.target else ""

    head = "".join(f"<th{mark(name)}><span>{escape(name)}</span></th>" for name in names)
    body = "".join(
        f"<tr{mark(name)}><th>{escape(name)}</th>{''.join(cell(value, i == j) for j, value in enumerate(row))}</tr>"
        for i, (name, row) in enumerate(zip(names, values, strict=True))
    )
    return f'<table class="heat"><thead><tr><th></th>{head}</tr></thead><tbody>{body}</tbody></table>'


def _domains(result: DemoResult, palette: Palette) -> str:
    rows = "".join(_row(trained, palette) for trained in result.trained)
    return _section(
        f"The {_number(len(result.trained)).lower()} domains",
        "After the warm-up on their own sentences. The line is F1 on the dev split while training.",
        '<div class="card"><table><thead><tr><th>domain</th><th>entity types</th><th class="figure">sentences</th>'
        '<th class="figure">entities</th><th>training</th><th class="figure">test F1</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>",
    )


def _row(trained: Trained, palette: Palette) -> str:
    chips = " ".join(html_chip(type, palette) for type in trained.types)
    return (
        f'<tr><th>{escape(trained.name)}</th><td class="chips">{chips}</td>'
        f'<td class="figure">{trained.sentences}</td><td class="figure">{trained.entities}</td>'
        f'<td>{_spark(trained.curve)}</td><td class="figure"><b>{trained.f1:.1f}</b></td></tr>'
    )


def _spark(curve: Sequence[float], width: int = 92, height: int = 30) -> str:
    """A line of figures from 0 to 100, as high as its cell at their largest."""
    if not curve:
        return ""
    step, top = (width - 8) / max(len(curve) - 1, 1), max(*curve, 1)
    points = [(4 + i * step, height - 4 - (height - 8) * value / top) for i, value in enumerate(curve)]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    said = f"dev F1 {', '.join(f'{value:.0f}' for value in curve)}"
    return (
        f'<svg class="spark" width="{width}" height="{height}" role="img" aria-label="{said}"><title>{said}</title>'
        f'<polyline points="{line}"/><circle cx="{points[-1][0]:.1f}" cy="{points[-1][1]:.1f}" r="2.6"/></svg>'
    )


def _method(result: DemoResult) -> str:
    steps = {
        "Warm-up": "A fresh prefix of keys and values is trained on the domain's own sentences; the model stays.",
        "Selection": "Domains with like types and like prefixes get more weight.",
        "Collaboration": "The weighted prefixes are averaged with the target's, which is then trained on.",
        "Prediction": "The model's answer can only copy types and words, so that offsets are exact.",
    }
    listed = "".join(f"<li><b>{name}</b><span>{words}</span></li>" for name, words in steps.items())
    source, target = result.prompt
    instruction, options, sentence = source.split(": ", 2)
    read = (
        f'<span class="sign">{escape(instruction)}:</span> <span class="type">{escape(options)}</span>'
        f'<span class="sign">:</span> {escape(sentence)}'
    )
    return _section(
        "How it works",
        "The method is CP-NER, collaborative domain-prefix tuning (IJCAI 2023).",
        f'<ol class="steps">{listed}</ol><div class="columns">'
        f'<div class="card"><h3>The model reads</h3><pre class="wrap">{read}</pre></div>'
        f'<div class="card"><h3>and should write</h3><pre class="wrap">{_coloured(target)}</pre></div></div>',
    )


def _coloured(target: str) -> str:
    """The answer in the paper's template, its types in colour."""
    parts, position = [], 0
    for match in _TEMPLATE.finditer(target):
        parts.append(escape(target[position : match.start()]))
        sign = match.group()
        parts.append(
            f'<span class="sign">(</span><span class="type">{escape(match[1])}</span><span class="sign">:</span> '
            if match[1]
            else f'<span class="sign">{sign}</span>'
        )
        position = match.end()
    return "".join([*parts, escape(target[position:])])


def _try(result: DemoResult, store: Path) -> str:
    sources = ",".join(trained.name for trained in result.trained[:2])
    commands = "\n".join(
        [
            f'cpner predict --store {store} --domain {result.target} "{_shortest(result)}"',
            f"cpner evaluate sample:{result.target} --store {store} --domain {result.target}",
            f"cpner domains list --store {store}",
            f"cpner warm-up my-corpus --store {store} --domain mine",
            f"cpner transfer my-corpus --store {store} --target mine --sources {sources}",
        ]
    )
    return _section(
        "Go on from here",
        "The domains of this demo are stored. Ask them, or add your own: a corpus is a folder with train, dev and test "
        "files in CoNLL or JSON lines.",
        f"<pre>{escape(commands)}</pre>",
    )


def _shortest(result: DemoResult) -> str:
    """A sentence that can be typed into a shell as it is."""
    texts = [example.gold.text for example in result.examples if example.gold.domain == result.variants[-1].domain]
    plain = [text for text in texts if not set(text) & set('"$`\\!')]
    return min(plain or [result.views[0].text], key=len)


def _footer(result: DemoResult) -> str:
    settings = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in result.settings.items())
    versions = ", ".join(f"{name} {value}" for name, value in result.versions.items())
    rows = {
        "Backbone": f"{result.backbone['name']} ({result.backbone['fingerprint']}, {result.backbone['dtype']})",
        "Settings": settings,
        "Versions": versions,
        "Corpora": "the sample domains of cpner, invented text (CC0): they show how it works and are no benchmark.",
    }
    listed = "".join(f"<dt>{name}</dt><dd>{escape(words)}</dd>" for name, words in rows.items())
    words = "F1 counts an entity as right when both its offsets and its type are. All figures are in results.json."
    return f"{words}<dl>{listed}</dl>"


def _section(title: str, words: str, body: str) -> str:
    return f"<section><h2>{escape(title)}</h2><p>{words}</p>{body}</section>"


def _tile(figure: str, words: str) -> str:
    return f'<div class="tile"><b>{escape(figure)}</b><span>{words}</span></div>'


def _number(count: int) -> str:
    return _NUMBERS[count] if count < len(_NUMBERS) else str(count)


def _words(sizes: Sequence[int]) -> str:
    return " and then from ".join(map(str, sizes))


def _trainings(result: DemoResult) -> int:
    return len(result.trained) - 1 + len(result.sizes) * (1 + len(KINDS))


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
