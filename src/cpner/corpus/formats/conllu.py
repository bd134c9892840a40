"""CoNLL-U: ten columns, the tag under `NER=` in the last, `SpaceAfter=No` where no blank follows a word."""

from __future__ import annotations

import itertools

import regex

from cpner.corpus.formats import _tags as tags
from cpner.corpus.formats._file import File
from cpner.corpus.formats._options import Options
from cpner.corpus.formats._records import shorten
from cpner.corpus.formats._sentences import at_least_one
from cpner.corpus.repairs import Place, Repairs
from cpner.corpus.sentence import Sentence
from cpner.corpus.words import strip_white
from cpner.errors import CorpusError

_ROW = regex.compile(r"\d+(?:[-.]\d+)?(?:\t[^\t\n]*){9}")
_TAG = regex.compile(r"(?:^|[\t|])NER=([^|\n]*)", regex.IGNORECASE)


def sniff(file: File) -> str | None:
    """Tell a file by the ten columns of its first word."""
    row = next((line for line in file.text.split("\n", 200) if line and line[0] != "#"), "")
    if _ROW.fullmatch(row) and (_TAG.search(file.text) or file.ending == ".conllu"):
        return "ten columns and 'NER=' in the last"
    return None


def read(file: File, options: Options, repairs: Repairs) -> list[Sentence]:
    """Read the sentences of a file, with the blanks of their text.

    Raises:
        CorpusError: A line has other columns, or no word has a tag.
    """
    if not _TAG.search(file.text):
        raise CorpusError("has no 'NER=' in the last column; name the columns to read it as conll", path=file.path)
    blocks = []
    counted_lines = options.counted(file.text.rstrip("\n").split("\n"), file.path, "lines")
    lines = ((Place(file.path, number), line) for number, line in enumerate(counted_lines, 1))
    for full, group in itertools.groupby(lines, key=lambda pair: bool(pair[1].strip())):
        block = [_row(line, place) for place, line in group if full and line[0] != "#"]
        block = [row for row in block if not any(sign in row[0] for sign in "-.") and strip_white(row[1])]
        if block:
            blocks.append(block)
    decoded = tags.decode([[_tag(row) for row in block] for block in blocks], repairs)
    sentences = []
    for block, spans in zip(blocks, decoded, strict=True):
        text = ""
        words = []
        for row in block:
            word = strip_white(row[1])
            words.append((len(text), len(text) + len(word)))
            text += word if "SpaceAfter=No" in row[9] else f"{word} "
        sentences.append(Sentence(text.rstrip(" "), words, spans))
    return at_least_one(sentences, file.path)


def _row(line: str, place: Place) -> list[str]:
    columns = line.split("\t")
    if len(columns) != 10:
        raise place.error(f"{len(columns)} columns; CoNLL-U has 10, with tabs between them")
    tag = _tag(columns)
    if not tags.is_tag(tag):
        raise place.error(f"{shorten(tag)} is no tag; expected O or one of B, I, E, S, L, U with '-' and a type")
    return columns


def _tag(row: list[str]) -> str:
    match = _TAG.search(row[9])
    return strip_white(match[1]) if match else "O"
