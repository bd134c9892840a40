"""Tables with commas, semicolons or tabs, and quotes: a word and its tag a row, as in Kaggle's NER data.

A row of names may come first. A sentence ends at an empty row, at a row without a word, or where a column that is
named for the sentence has something new. An empty cell there goes on.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

from cpner.corpus.formats import _tags as tags
from cpner.corpus.formats._file import File
from cpner.corpus.formats._options import Options
from cpner.corpus.formats.conll import Table, read_table
from cpner.corpus.repairs import Repairs
from cpner.corpus.sentence import Sentence
from cpner.corpus.words import strip_white
from cpner.errors import ConfigError, CorpusError

_SIGNS = ",;\t"
_DOCUMENT = "-DOCSTART-"
_SENTENCES = ("sentence #", "sentence", "sentence_id", "sentence id", "sent_id", "sent", "sentence_idx")
_WORDS = ("word", "words", "token", "tokens", "text")
_TAGS = ("tag", "tags", "ner", "ner_tag", "ner_tags", "label", "labels", "entity")
Row = tuple[int, list[str]]  # line, cells


class _Header(NamedTuple):
    """Columns by their names, from 0."""

    names: list[str]
    sentence: int | None


def sniff(file: File) -> str | None:
    """Tell a table by its ending, or by commas where no column is a tag without them."""
    lines = [line for line in file.text.split("\n", 50)[:50] if line.strip()]
    if file.ending == ".csv":
        return "the ending .csv"
    if not all("," in line and "\t" not in line for line in lines):
        return None
    cells = [line.rpartition(",")[2].rstrip() for line in lines]
    return "commas between columns" if sum(map(tags.is_tag, cells)) * 2 > len(cells) else None


def read(file: File, options: Options, repairs: Repairs) -> list[Sentence]:
    """Read the sentences of a table.

    Raises:
        CorpusError: The table is broken, or has no column of words or tags.
    """
    rows = _rows(file, options)
    header = _header(rows)
    body = rows[1:] if header else rows
    width = len(body[0][1]) if body else 0
    options = _columns(options, header)
    blocks = list(_sentences(body, header, repairs))
    if header and header.sentence is not None:
        blocks = [[(number, cells) for number, cells in block] for block in blocks]
    if width < 2:
        raise CorpusError("holds no table of words and tags", path=file.path)
    return read_table(Table(blocks, set()), file.path, options, repairs)


def write(sentences: Iterable[Sentence]) -> Iterator[str]:
    """The lines of a table with the columns `Sentence #`, `Word` and `Tag`."""
    yield "Sentence #,Word,Tag"
    for number, sentence in enumerate(sentences, 1):
        for word, tag in zip(sentence.word_texts, tags.encode(sentence), strict=True):
            line = io.StringIO()
            csv.writer(line, lineterminator="\r\n").writerow([number, word, tag])  # quotes words with line ends
            yield line.getvalue().removesuffix("\r\n")


def _rows(file: File, options: Options) -> list[Row]:
    """The rows that a table has, with the line in which each begins."""
    first = next(line for line in file.text.split("\n") if line.strip())
    delimiter = max(_SIGNS, key=first.count)
    reader = csv.reader(io.StringIO(file.text, newline=""), delimiter=delimiter)
    rows: list[Row] = []
    number = 1
    try:
        for cells in options.counted(reader, file.path, "rows"):
            rows.append((number, cells))
            number = reader.line_num + 1
    except csv.Error as error:
        raise CorpusError(f"broken table: {error}", path=file.path, line=number) from error
    return rows


def _header(rows: list[Row]) -> _Header | None:
    names = [strip_white(cell).lower() for cell in rows[0][1]] if rows else []
    if not any(name in _TAGS for name in names) or not any(name in _WORDS for name in names):
        return None
    return _Header(names, next((i for i, name in enumerate(names) if name in _SENTENCES), None))


def _columns(options: Options, header: _Header | None) -> Options:
    """The columns of words and tags by number, where they are known by name."""
    if header is None or (options.columns and all(column.isdecimal() for column in options.columns)):
        return options
    if options.columns is None:
        word = next(i for i, name in enumerate(header.names) if name in _WORDS)
        tag = next(i for i, name in enumerate(header.names) if name in _TAGS)
        return replace(options, columns=(str(word + 1), str(tag + 1)))
    missing = [column for column in options.columns if column.lower() not in header.names]
    if missing:
        raise ConfigError(f"no column {missing[0]!r}; there are {', '.join(header.names)}")
    word, tag = (header.names.index(column.lower()) for column in options.columns)
    return replace(options, columns=(str(word + 1), str(tag + 1)))


def _sentences(rows: list[Row], header: _Header | None, repairs: Repairs) -> Iterator[list[Row]]:
    """The rows of each sentence."""
    block: list[Row] = []
    current = ""
    column = header.sentence if header else None
    for number, cells in rows:
        name = strip_white(cells[column]) if column is not None and column < len(cells) else ""
        empty = not any(strip_white(cell) for cell in cells) or (column is None and not strip_white(cells[0]))
        if empty or _DOCUMENT in cells or (name and name != current):
            if block:
                yield block
            block = []
        current = name or current
        if not empty and _DOCUMENT not in cells:
            block.append((number, cells))
    if block:
        yield block
