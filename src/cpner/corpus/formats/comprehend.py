"""AWS Comprehend's annotations: a table of `File, Line, Begin Offset, End Offset, Type`, with the text files beside."""

from __future__ import annotations

import csv
import io
from pathlib import PurePosixPath

from cpner.corpus.formats._file import File
from cpner.corpus.formats._offsets import Labelled, RawMark, whole_number
from cpner.corpus.formats._options import Options
from cpner.corpus.formats._records import show
from cpner.corpus.formats._sentences import at_least_one, sentences_of_texts, text_beside
from cpner.corpus.repairs import Place, Repairs
from cpner.corpus.sentence import Sentence
from cpner.corpus.words import strip_white
from cpner.errors import CorpusError

_COLUMNS = ["file", "line", "begin offset", "end offset", "type"]
_LIST = ["text", "type"]  # an entity list, which has no sentences


def sniff(file: File) -> str | None:
    """Tell a table by its first row."""
    first = _cells(file.text.lstrip().partition("\n")[0])
    if sorted(first) == sorted(_COLUMNS):
        return "columns 'Begin Offset' and 'End Offset'"
    return "columns 'Text' and 'Type'" if first == _LIST else None


def read(file: File, options: Options, repairs: Repairs) -> list[Sentence]:
    """Read the text files that a table names; each line is a text, or a whole file where no line is given.

    Raises:
        CorpusError: It is an entity list, a file is missing, or a row is broken.
    """
    rows = list(csv.reader(io.StringIO(file.text, newline="")))
    names = [strip_white(cell).lower() for cell in rows[0]]
    if names == _LIST:
        raise CorpusError("an entity list has no sentences to learn from; expected annotations with offsets",
                          path=file.path)  # fmt: skip
    if sorted(names) != sorted(_COLUMNS):
        raise CorpusError(f"its columns are {show(names)}; expected {', '.join(_COLUMNS)}", path=file.path, line=1)
    documents: dict[str, dict[int | None, list[RawMark]]] = {}
    for number, cells in enumerate(rows[1:], 2):
        place = Place(file.path, number)
        if not any(map(strip_white, cells)):
            continue
        if len(cells) != len(names):
            raise place.error(f"{len(cells)} columns; the first row has {len(names)}")
        row = dict(zip(names, map(strip_white, cells), strict=True))
        numbers = [row["line"] or "0", row["begin offset"], row["end offset"]]
        line, start, end = map(whole_number, numbers)
        if line is None or start is None or end is None or not row["type"]:
            raise place.error("expected whole numbers as line and offsets, and a type")
        mark = RawMark(start, end, row["type"])
        documents.setdefault(row["file"], {}).setdefault(line if row["line"] else None, []).append(mark)
    labelled = [one for name, marks in documents.items() for one in _document(file, name, marks)]
    return at_least_one(sentences_of_texts(labelled, options, repairs), file.path)


def _document(file: File, name: str, marks: dict[int | None, list[RawMark]]) -> list[Labelled]:
    """The texts of a file with their entities."""
    text = text_beside(file, PurePosixPath(name), Place(file.path, 1))
    path = file.path.with_name(PurePosixPath(name).name)
    if None in marks:
        if len(marks) > 1:
            raise CorpusError(f"{name[:60]!r} has entities with a line and without", path=file.path)
        return [Labelled(Place(path, 1), text, marks[None])]
    lines = text.replace("\r\n", "\n").split("\n")
    beyond = max(line for line in marks if line is not None)
    if beyond >= len(lines):
        raise CorpusError(f"{name[:60]!r} has no line {beyond}, counted from 0", path=file.path)
    return [
        Labelled(Place(path, i + 1), line, marks.get(i, []))
        for i, line in enumerate(lines)
        if strip_white(line) or i in marks
    ]


def _cells(line: str) -> list[str]:
    return [strip_white(cell).lower() for cell in line.split(",")]
