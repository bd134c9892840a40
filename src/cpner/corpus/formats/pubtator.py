"""PubTator: `ID|t|title`, `ID|a|abstract`, then `ID`, start, end, text and type of each entity, parted by tabs."""

from __future__ import annotations

import regex

from cpner.corpus.formats._file import File
from cpner.corpus.formats._offsets import Labelled, RawMark
from cpner.corpus.formats._options import Options
from cpner.corpus.formats._sentences import at_least_one, sentences_of_texts
from cpner.corpus.repairs import Place, Repairs
from cpner.corpus.sentence import Sentence
from cpner.corpus.words import strip_white

_PART = regex.compile(r"(\w+)\|([ta])\|(.*)")
_ENTITY = regex.compile(r"\w+\t(\d{1,18})\t(\d{1,18})\t([^\t]*)\t([^\t]+)(?:\t.*)?")


def sniff(file: File) -> str | None:
    """Tell a file by the title that it begins with."""
    match = _PART.match(file.text.lstrip())
    return "a title with |t|" if match and match[2] == "t" else None


def read(file: File, options: Options, repairs: Repairs) -> list[Sentence]:
    """Read the documents of a file, title and abstract as one text, where a line end joins the two.

    Raises:
        CorpusError: A line is none of the three kinds, or an entity isn't what it says.
    """
    labelled: list[Labelled] = []
    lines = options.counted(file.text.rstrip("\n").split("\n"), file.path, "lines")
    for number, line in enumerate(lines, 1):
        place = Place(file.path, number)
        part = _PART.fullmatch(line)
        entity = _ENTITY.fullmatch(line)
        if part and part[2] == "t":
            labelled.append(Labelled(place, part[3], []))
        elif part and labelled:
            labelled[-1] = labelled[-1]._replace(text=f"{labelled[-1].text}\n{part[3]}")
        elif entity and labelled and strip_white(entity[4]):
            labelled[-1].marks.append(RawMark(int(entity[1]), int(entity[2]), strip_white(entity[4]), entity[3]))
        elif labelled and line.count("\t") == 3:
            repairs.note("relation left out", place)
        elif line.strip():
            raise place.error("no title, abstract or entity; expected ID|t|..., ID|a|... or ID, start, end, text, type")
    return at_least_one(sentences_of_texts(labelled, options, repairs), file.path)
