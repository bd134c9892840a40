"""Entities for people and programs: JSON lines, CoNLL, coloured terminal text, and a page of HTML."""

from __future__ import annotations

import colorsys
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cpner.corpus.formats import conll
from cpner.corpus.sentence import Entity, Reading, Sentence
from cpner.errors import ConfigError, did_you_mean
from cpner.show.pages import stream_page

FORMATS = ("jsonl", "conll", "table", "html")
READINGS = "readings"  # the key of a record that gets the best ways to read its text
_HUES = (205, 22, 140, 290, 65, 0, 180, 260, 45, 325, 95, 230)  # neighbours in a list of types differ clearly


class Tagged(NamedTuple):
    """A text, its entities, the domain that they were looked for in (None: zero-shot), and the record it came in.

    `into` is the key of the record that gets the entities; None adds the keys domain and entities. `score` is the
    probability that the entities are right and none is missing; None if that is not known. `readings` are the best ways
    to read the text, of which the entities are the first. `types` has for each entity the shares of its plausible
    types. Both are empty where they were not asked for.
    """

    text: str
    entities: Sequence[Entity]
    domain: str | None = None
    record: Mapping[str, Any] = {}
    into: str | None = None
    score: float | None = None
    readings: Sequence[Reading] = ()
    types: Sequence[Mapping[str, float]] = ()

    def to_json(self) -> dict[str, Any]:
        """The record that `predict --format jsonl` prints, with the keys it came with."""
        record = dict(self.record or {"text": self.text})
        if self.into is None:
            record["domain"] = self.domain
        entities = entities_json(self.entities)
        for entity, shares in zip(entities, self.types, strict=False):
            entity["types"] = {type_: round(share, 4) for type_, share in shares.items()}
        record[self.into or "entities"] = entities
        if self.readings:
            record[READINGS] = [
                {"probability": round(reading.probability, 4), "entities": entities_json(reading.entities)}
                for reading in self.readings
            ]
        return record

    def to_sentence(self) -> Sentence:
        """The words of the text, cut where entities begin and end."""
        return Sentence.cut_at_entities(self.text, [(e.start, e.end, e.type) for e in self.entities])


def entities_json(entities: Iterable[Entity]) -> list[dict[str, Any]]:
    """Entities as JSON has them; scores have four digits."""
    return [
        {**entity._asdict(), "score": None if entity.score is None else round(entity.score, 4)} for entity in entities
    ]


class Palette:
    """A hue for each type, the same in the terminal and in HTML; types that are new to it get the next hues."""

    def __init__(self, types: Iterable[str] = ()) -> None:
        self._index = {type: i for i, type in enumerate(dict.fromkeys(types))}

    @classmethod
    def of_domains(cls, types: Sequence[Sequence[str]]) -> Palette:
        """One palette for several domains: a type looks the same in all, and those of one domain differ."""
        counts = Counter(type for domain in types for type in domain)
        shared = [type for type, count in counts.items() if count > 1]
        palette = cls(shared)
        for domain in types:
            alone = (type for type in domain if type not in shared)
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
        return (json.dumps(text.to_json(), ensure_ascii=False) + "\n" for text in tagged)
    if format == "conll":
        return ("".join(f"{line}\n" for line in conll.write([text.to_sentence()])) for text in tagged)
    if format == "table":
        return _tables(tagged, Palette(types), colour)
    if format == "html":
        palette = Palette(types)
        texts = (pieces(text, palette) for text in tagged)
        return stream_page("entities", title=title, types=list(types), palette=palette, texts=texts)
    raise ConfigError(f"No format {format!r}. Known: {', '.join(FORMATS)}.{did_you_mean(format, FORMATS)}")


def terminal_text(tagged: Tagged, palette: Palette) -> Text:
    """The text with its entities on coloured grounds."""
    text = Text(tagged.text)
    for entity in tagged.entities:
        text.stylize(palette.style(entity.type), entity.start, entity.end)
    return text


class Piece(NamedTuple):
    """A part of a text for a page: an entity, or what stands between entities, which has no type."""

    text: str
    type: str | None = None
    hue: int = 0  # degrees
    score: float | None = None
    mark: str = ""  # a further class, as "right" and "wrong"


def pieces(tagged: Tagged, palette: Palette, *, marks: Sequence[str] = ()) -> Iterator[Piece]:
    """Cut a text into its entities and what is between them.

    Args:
        tagged: Text and entities.
        palette: The colours.
        marks: A further class for each entity; none if empty.
    """
    position = 0
    for entity, mark in zip(tagged.entities, marks or repeat(""), strict=False):
        if entity.start < position:  # overlaps can't be nested into marks
            continue
        yield Piece(tagged.text[position : entity.start])
        text = tagged.text[entity.start : entity.end]
        yield Piece(text, entity.type, palette.hue(entity.type), entity.score, mark)
        position = entity.end
    yield Piece(tagged.text[position:])


def size_text(count: int) -> str:
    """A number of bytes for people: `87 kB`, `1.18 MB`."""
    return f"{count / 1e6:.2f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"


def _tables(tagged: Iterable[Tagged], palette: Palette, colour: bool) -> Iterator[str]:
    console = Console(force_terminal=colour, width=None if colour else 200, highlight=False)
    for text in tagged:
        table = Table.grid(padding=(0, 2))
        for reading in text.readings or [Reading(list(text.entities), 1.0)]:
            if text.readings:
                table.add_row(Text(f"{reading.probability:.2f}", style="bold"), *[] if reading.entities else ["none"])
            for entity, shares in zip(reading.entities, text.types or repeat({}), strict=False):
                score = "" if entity.score is None else f"{entity.score:.2f}"
                where = Text(f"{entity.start}-{entity.end}", style="dim")
                type_ = Text(entity.type, palette.style(entity.type))
                or_else = " or ".join(f"{name} {share:.2f}" for name, share in shares.items())
                table.add_row("", type_, Text(entity.text), where, score, Text(or_else))
        with console.capture() as capture:
            console.print(terminal_text(text, palette), soft_wrap=True)
            if table.rows:
                console.print(table)
        yield capture.get()
