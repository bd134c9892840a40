"""Entities for people and programs: JSON lines, CoNLL, coloured terminal text, and a page of HTML."""

from __future__ import annotations

import colorsys
import html
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cpner.corpus.formats import conll
from cpner.corpus.sentence import Entity, Sentence
from cpner.errors import ConfigError, did_you_mean

FORMATS = ("jsonl", "conll", "table", "html")
_HUES = (205, 22, 140, 290, 65, 0, 180, 260, 45, 325, 95, 230)  # neighbours in a list of types differ clearly
ENTITY_CSS = """
.entity { background: hsl(var(--hue) 90% 90%); color: hsl(var(--hue) 70% 18%); padding: .1em .35em;
  border-radius: .35em; -webkit-box-decoration-break: clone; box-decoration-break: clone; }
.entity small { font-size: .68em; font-weight: 600; margin-left: .5em; opacity: .75; white-space: nowrap; }
@media (prefers-color-scheme: dark) {
  .entity { background: hsl(var(--hue) 42% 24%); color: hsl(var(--hue) 85% 88%); }
}
"""
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ max-width: 46rem; margin: 2.5rem auto; padding: 0 1.2rem; font: 1.05rem/1.9 system-ui, sans-serif; }}
h1 {{ font-size: 1.3rem; }} p {{ margin: .8em 0; white-space: pre-wrap; overflow-wrap: anywhere; }}
.legend {{ line-height: 2.2; }}{css}</style>
<h1>{title}</h1>
<div class="legend">{legend}</div>
<main>
"""


class Tagged(NamedTuple):
    """A text, the entities found in it, and the domain that they were looked for in (None: zero-shot)."""

    text: str
    entities: Sequence[Entity]
    domain: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The record that `predict --format jsonl` prints; scores have four digits."""
        entities = [
            {**entity._asdict(), "score": None if entity.score is None else round(entity.score, 4)}
            for entity in self.entities
        ]
        return {"text": self.text, "domain": self.domain, "entities": entities}

    def to_sentence(self) -> Sentence:
        """The words of the text, cut where entities begin and end."""
        return Sentence.cut_at_entities(self.text, [(e.start, e.end, e.type) for e in self.entities])


class Palette:
    """A hue for each type, the same in the terminal and in HTML; types it was not told of get the next hues."""

    def __init__(self, types: Iterable[str] = ()) -> None:
        self._index = {type: i for i, type in enumerate(dict.fromkeys(types))}

    @classmethod
    def of_domains(cls, types: Sequence[Sequence[str]]) -> Palette:
        """One palette for several domains: a type looks the same in all, and those of one domain differ."""
        counts = Counter(type for own in types for type in own)
        shared = [type for type, count in counts.items() if count > 1]
        palette = cls(shared)
        for own in types:
            alone = (type for type in own if type not in shared)
            palette._index.update({type: len(shared) + i for i, type in enumerate(alone)})
        return palette

    def hue(self, type: str) -> int:
        """The hue in degrees."""
        return _HUES[self._index.setdefault(type, len(self._index)) % len(_HUES)]

    def style(self, type: str) -> str:
        """A style of rich: dark letters on a pale ground, for light and dark terminals."""
        red, green, blue = (round(255 * part) for part in colorsys.hls_to_rgb(self.hue(type) / 360, 0.8, 0.8))
        return f"#101820 on #{red:02x}{green:02x}{blue:02x}"


def render(
    tagged: Iterable[Tagged], format: str, *, types: Iterable[str] = (), title: str = "Entities", colour: bool = False
) -> Iterator[str]:
    """Write tagged texts one by one, so that a long input needs no memory.

    Args:
        tagged: The texts, in order.
        format: One of `FORMATS`.
        types: The types of the domain, for the order of colours.
        title: The heading of the HTML page.
        colour: Whether tables are written for a colour terminal.

    Returns:
        Pieces of the output; joined they are all of it.

    Raises:
        ConfigError: No such format.
    """
    if format == "jsonl":
        return (json.dumps(each.to_json(), ensure_ascii=False) + "\n" for each in tagged)
    if format == "conll":
        return ("".join(f"{line}\n" for line in conll.write([each.to_sentence()])) for each in tagged)
    if format == "table":
        return _tables(tagged, Palette(types), colour)
    if format == "html":
        return _page(tagged, Palette(types), list(types), title)
    raise ConfigError(f"No format {format!r}. Known: {', '.join(FORMATS)}.{did_you_mean(format, FORMATS)}")


def terminal_text(tagged: Tagged, palette: Palette) -> Text:
    """The text with its entities on coloured grounds."""
    text = Text(tagged.text)
    for entity in tagged.entities:
        text.stylize(palette.style(entity.type), entity.start, entity.end)
    return text


def html_text(tagged: Tagged, palette: Palette, *, marks: Sequence[str] = ()) -> str:
    """The text as HTML with its entities marked and named.

    Args:
        tagged: Text and entities.
        palette: The colours.
        marks: A further class for each entity, as "right" and "wrong"; none if empty.
    """
    parts, position = [], 0
    for i, entity in enumerate(tagged.entities):
        if entity.start < position:  # overlaps can't be nested into marks
            continue
        score = "" if entity.score is None else f", {entity.score:.2f}"
        parts += [
            html.escape(tagged.text[position : entity.start]),
            f'<mark class="{" ".join(["entity", *marks[i : i + 1]])}" style="--hue:{palette.hue(entity.type)}" '
            f'title="{html.escape(entity.type)}{score}">{html.escape(tagged.text[entity.start : entity.end])}'
            f"<small>{html.escape(entity.type)}</small></mark>",
        ]
        position = entity.end
    return "".join([*parts, html.escape(tagged.text[position:])])


def html_chip(type: str, palette: Palette) -> str:
    """A type's name on its colour."""
    return f'<span class="entity" style="--hue:{palette.hue(type)}">{html.escape(type)}</span>'


def size_text(count: int) -> str:
    """A number of bytes for people: `87 kB`, `1.18 MB`."""
    return f"{count / 1e6:.2f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"


def _tables(tagged: Iterable[Tagged], palette: Palette, colour: bool) -> Iterator[str]:
    console = Console(force_terminal=colour, width=None if colour else 200, highlight=False)
    for each in tagged:
        table = Table.grid(padding=(0, 2))
        for entity in each.entities:
            score = "" if entity.score is None else f"{entity.score:.2f}"
            where = Text(f"{entity.start}-{entity.end}", style="dim")
            table.add_row("", Text(entity.type, palette.style(entity.type)), Text(entity.text), where, score)
        with console.capture() as capture:
            console.print(terminal_text(each, palette), soft_wrap=True)
            if each.entities:
                console.print(table)
        yield capture.get()


def _page(tagged: Iterable[Tagged], palette: Palette, types: list[str], title: str) -> Iterator[str]:
    legend = " ".join(html_chip(type, palette) for type in types)
    yield _PAGE.format(title=html.escape(title), css=ENTITY_CSS, legend=legend)
    for each in tagged:
        yield f"<p>{html_text(each, palette)}</p>\n"
    yield "</main>\n</html>\n"
