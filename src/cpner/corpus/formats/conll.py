"""CoNLL: one word a line, its tag in the first or the last column, an empty line after each sentence.

Every dialect is read: two or more columns, tabs or blanks between them, all tag schemes of `tags`,
`-DOCSTART-` lines, a running number before the word, comment lines before a sentence. Which layout a file
has is decided by the whole of it: the one in which most lines have the usual number of columns and a tag
where the tag belongs. A word that looks like a tag ("O", "B-52") so never counts against its neighbours.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from cpner.corpus.formats import _tags as tags
from cpner.corpus.repairs import Repairs
from cpner.corpus.sentence import Sentence
from cpner.errors import CorpusError

_BLANKS = " \t\r"
_DOCUMENT = "-DOCSTART-"
Line = tuple[int, str]  # number in the file, content
Place = tuple[int, int]  # block, line in it


class _Reading(NamedTuple):
    """A file's lines split into columns: how many there are, and which holds what."""

    rows: list[list[list[str]]]
    width: int
    tag: int
    word: int
    misfits: list[Place]


def read(path: Path, text: str, repairs: Repairs) -> list[Sentence]:
    """Read the sentences of a CoNLL file; types stay the codes of the file.

    Args:
        path: Named in errors.
        text: The content of the file.
        repairs: Gains a count of what was mended.

    Raises:
        CorpusError: A line has too few or too many columns, or a tag that is none.
    """
    blocks = list(_blocks(text, repairs))
    comments = _possible_comments(blocks)
    reading = _best_reading(blocks, comments)
    for place in reading.misfits:
        if place not in comments:
            raise _misfit(reading, place, path, blocks[place[0]][place[1]][0])
    for block, line in reversed(reading.misfits):
        del reading.rows[block][line]
    repairs["comment line left out"] += len(reading.misfits)
    rows = [block for block in reading.rows if block]
    if not rows:
        raise CorpusError("holds no sentence", path=path)
    words = [[row[reading.word] for row in block] for block in rows]
    spans = tags.decode([[row[reading.tag] for row in block] for block in rows], repairs)
    return [Sentence.from_words(*both) for both in zip(words, spans, strict=True)]


def write(sentences: Iterable[Sentence]) -> Iterator[str]:
    """The lines of a CoNLL file: word, tab, IOB2 tag; blanks in types become underscores.

    Raises:
        CorpusError: A word can't stand in such a file.
    """
    for sentence in sentences:
        for word, tag in zip(sentence.word_texts, tags.encode(sentence), strict=True):
            if word == _DOCUMENT or any(sign in word for sign in " \t\r\n"):
                raise CorpusError(f"the word {word!r} can't stand in a CoNLL file; write 'jsonl' or 'tokens'")
            yield f"{word}\t{tag.replace(' ', '_')}"
        yield ""


def _blocks(text: str, repairs: Repairs) -> Iterator[list[Line]]:
    """The lines of each sentence; lines of documents and empty ones part them."""
    block: list[Line] = []
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip(_BLANKS)
        if line is not raw and len(line) != len(raw):
            repairs["line with blanks at an end"] += 1
        if line and not (_DOCUMENT in line and _DOCUMENT in line.split()[:2]):
            block.append((number, line))
        elif block:
            yield block
            block = []
    if block:
        yield block


def _possible_comments(blocks: list[list[Line]]) -> set[Place]:
    """The lines with "#" before the first word of a sentence: comments unless they have a tag where it belongs."""
    return {
        (i, j)
        for i, block in enumerate(blocks)
        for j, _ in enumerate(itertools.takewhile(lambda line: line[1][0] == "#", block))
    }


def _best_reading(blocks: list[list[Line]], comments: set[Place]) -> _Reading:
    """Split lines at all blanks, or at tabs only where that leaves fewer misfits (words or types with blanks)."""
    reading = _read_columns([[_split_at_blanks(line) for _, line in block] for block in blocks], comments)
    if not comments.issuperset(reading.misfits):
        at_tabs = _read_columns([[_split_at_tabs(line) for _, line in block] for block in blocks], comments)
        if at_tabs.width > 1 and len(at_tabs.misfits) < len(reading.misfits):
            return at_tabs
    return reading


def _split_at_blanks(line: str) -> list[str]:
    return [column for column in line.replace("\t", " ").split(" ") if column]  # str.split() would part at U+00A0


def _split_at_tabs(line: str) -> list[str]:
    return [column.strip(" ") for column in line.split("\t")]


def _read_columns(rows: list[list[list[str]]], comments: set[Place]) -> _Reading:
    """Find the layout that most lines fit; on a tie the one with more O, then the tag last."""
    widths = Counter(len(row) for block in rows for row in block)
    counted = widths - Counter(len(rows[i][j]) for i, j in comments) or widths
    width = max(counted, key=counted.__getitem__, default=1)
    if width == 1:
        return _Reading(rows, width, 0, 0, [(i, j) for i, block in enumerate(rows) for j, _ in enumerate(block)])
    values = {
        column: Counter(row[column] for block in rows for row in block if len(row) == width) for column in (-1, 0)
    }
    valid = {column: {value for value in values[column] if tags.is_tag(value)} for column in values}
    tag = max(values, key=lambda column: (sum(values[column][v] for v in valid[column]), values[column]["O"]))
    word = 1 if tag == 0 or (width > 2 and _is_numbered(rows, width, comments)) else 0
    good = valid[tag]
    misfits = [
        (i, j)
        for i, block in enumerate(rows)
        for j, row in enumerate(block)
        if len(row) != width or row[tag] not in good or not row[word]
    ]
    return _Reading(rows, width, tag, word, misfits)


def _is_numbered(rows: list[list[list[str]]], width: int, comments: set[Place]) -> bool:
    """Whether the first column only counts the words of each sentence, from 0 or 1."""
    longest = 0
    for i, block in enumerate(rows):
        numbers = [row[0] for j, row in enumerate(block) if len(row) == width and (i, j) not in comments]
        first = int(numbers[:1] == ["1"])
        if numbers != [str(first + n) for n in range(len(numbers))]:
            return False
        longest = max(longest, len(numbers))
    return longest > 1


def _misfit(reading: _Reading, place: Place, path: Path, line: int) -> CorpusError:
    row = reading.rows[place[0]][place[1]]
    if reading.width == 1:
        message = f"a word alone: {row[0][:60]!r}; expected a word and a tag, as CoNLL has them, or JSON lines"
    elif len(row) != reading.width:
        message = (
            f"{len(row)} column{'s' * (len(row) != 1)} where the other lines have {reading.width}; "
            "expected a word and its tag, with tabs between the columns if words hold blanks"
        )
    elif not row[reading.word]:
        message = "the column of the word is empty; expected a word and its tag"
    else:
        side = "first" if reading.tag == 0 else "last"
        tag = row[reading.tag]
        message = f"{tag!r} in the {side} column is no tag; expected O or one of B, I, E, S, L, U with '-' and a type"
    return CorpusError(message, path=path, line=line)
