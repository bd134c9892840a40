"""CoNLL: one word a line and its tag in a column, an empty line after each sentence.

Every dialect is read: two or more columns, with tabs or blanks between them, in all tag schemes of `_tags`. There may
be running numbers and names of documents before words, several columns of tags, and comment lines before a sentence.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from cpner.corpus.formats import _tags as tags
from cpner.corpus.formats._columns import Layout, find_layout, language_of, sentence_starts
from cpner.corpus.formats._file import File
from cpner.corpus.formats._options import Options
from cpner.corpus.formats._records import shorten, types_in_words
from cpner.corpus.formats._sentences import at_least_one, sentence_of_words
from cpner.corpus.repairs import Place, Repairs
from cpner.corpus.sentence import Sentence
from cpner.corpus.type_names import can_name_type
from cpner.corpus.words import strip_white
from cpner.errors import ConfigError, CorpusError

_BLANKS = " \t\r"
_DOCUMENT = "-DOCSTART-"
_LABEL_STUDIO = f"{_DOCUMENT} -X- O\n"
_MOST = 1000  # columns
_TYPES = "# types = "  # a comment with the names that no rule gives
_BETWEEN = " | "
Line = tuple[int, str]  # number in the file, content
Spot = tuple[int, int]  # block, line in it


class Table(NamedTuple):
    """Lines of sentences, split into columns.

    Attributes:
        blocks: The lines of each sentence: number in the file, and columns.
        comments: The lines that may be comments.
        numbers: The column whose numbers parted the sentences, where no empty lines did.
    """

    blocks: list[list[tuple[int, list[str]]]]
    comments: set[Spot]
    numbers: int | None = None


class _Reading(NamedTuple):
    """A table with its layout, and the lines that don't fit it."""

    table: Table
    layout: Layout
    misfits: list[Spot]


def sniff(file: File) -> str:
    """Any text that no other format takes."""
    return f"{len(file.text.lstrip().partition(chr(10))[0].split())} columns"


def read(file: File, options: Options, repairs: Repairs) -> list[Sentence]:
    """Read the sentences of a CoNLL file; types stay the codes of the file.

    Raises:
        CorpusError: A line has too few or too many columns, or a tag that is none.
    """
    text = file.text
    repairs.mend("byte order mark left out", times=file.marks)
    if text.startswith(_LABEL_STUDIO):
        repairs.note(
            "file of Label Studio's export to CoNLL, which loses labels: its JSON has all", Place(file.path, 1)
        )
    blocks = list(_blocks(options.counted(text.rstrip("\n").split("\n"), file.path, "lines"), repairs))
    comments = _possible_comments(blocks)
    by_blanks = _parted(_split(blocks, _split_at_blanks, file, options), comments)
    reading = _fit(by_blanks, options, file.path)
    if not comments.issuperset(reading.misfits):
        by_tabs = _parted(_split(blocks, _split_at_tabs, file, options), comments)
        at_tabs = _fit(by_tabs, options, file.path)
        if at_tabs.layout.width > 1 and len(at_tabs.misfits) <= len(reading.misfits):
            reading = at_tabs
    return sentences_of(reading, file.path, options, repairs)


def read_table(table: Table, path: Path, options: Options, repairs: Repairs) -> list[Sentence]:
    """Read the sentences of lines that are split into columns already.

    Raises:
        CorpusError: A line has too few or too many columns, or a tag that is none.
    """
    return sentences_of(_fit(table, options, path), path, options, repairs)


def sentences_of(reading: _Reading, path: Path, options: Options, repairs: Repairs) -> list[Sentence]:
    """Decode the tags of a whole file and make its sentences."""
    (blocks, comments, numbers), layout, misfits = reading
    for i, j in misfits:
        if (i, j) not in comments:
            raise _misfit(reading, (i, j), path)
    if numbers is not None:
        repairs.note(f"no empty lines: a sentence begins where the number in column {numbers + 1} changes")
    if layout.bare:
        repairs.note("tags without B- and I-: words of one type in a row are one entity")
    left_out = set(misfits)
    for i, j in misfits:
        _note_types(blocks[i][j][1], repairs)
    repairs.mend("comment line left out", times=len(left_out))
    rows = [[line for j, line in enumerate(block) if (i, j) not in left_out] for i, block in enumerate(blocks)]
    rows = [block for block in rows if block]
    tagged = [
        [_tag(row[layout.tag], layout, Place(path, number), options, repairs) for number, row in block]
        for block in options.counted(rows, path, "sentences")
    ]
    words = [[row[layout.word] for _, row in block] for block in rows]
    language = language_of([word for sentence in words for word in sentence])
    if language:
        repairs.mend(f"language {language!r} before a word left out", times=sum(map(len, words)))
        words = [[word[len(language) :] for word in sentence] for sentence in words]
    if layout.other_tags is not None:
        repairs.note(
            f"column {layout.other_tags + 1} has tags too: column {layout.tag + 1} is read (--columns chooses)",
            Place(path, rows[0][0][0]),
        )
    sentences = []
    decoded = options.counted(tags.decode(tagged, repairs), path, "sentences")
    for block, texts, spans in zip(rows, words, decoded, strict=True):
        sentence = sentence_of_words(texts, spans, Place(path, block[0][0]), repairs, options)
        if sentence is not None:
            sentences.append(sentence)
    return at_least_one(sentences, path)


def _note_types(comment: Sequence[str], repairs: Repairs) -> None:
    """Take the names of types that a comment of cpner's own gives as they are."""
    line = " ".join(comment)
    if line.startswith(_TYPES):
        names = line.removeprefix(_TYPES).split(_BETWEEN)
        repairs.words.update((name.replace(" ", "_"), name) for name in names if can_name_type(name))


def write(sentences: Iterable[Sentence]) -> Iterator[str]:
    """The lines of a CoNLL file: word, tab, IOB2 tag; blanks in types become underscores.

    Raises:
        CorpusError: A word can't stand in such a file.
    """
    sentences = list(sentences)
    types = types_in_words(sentences, "_")
    if types:
        yield f"{_TYPES}{_BETWEEN.join(types)}"
    for sentence in sentences:
        for word, tag in zip(sentence.word_texts, tags.encode(sentence), strict=True):
            if word == _DOCUMENT or any(sign in word for sign in " \t\r\n") or word != strip_white(word):
                raise CorpusError(f"the word {shorten(word)} can't stand in a CoNLL file; write 'jsonl' or 'tokens'")
            yield f"{word}\t{tag.replace(' ', '_')}"
        yield ""


def _blocks(lines: Iterable[str], repairs: Repairs) -> Iterator[list[Line]]:
    """The lines of each sentence; lines of documents and those of white space part them."""
    block: list[Line] = []
    for number, raw in enumerate(lines, 1):
        line = raw.strip(" \r").rstrip(_BLANKS)
        if len(line) != len(raw):
            repairs.mend("line with blanks at an end")
        if line and not strip_white(line):
            repairs.mend("line of white space read as an empty one")
            line = ""
        if line and not (_DOCUMENT in line and _DOCUMENT in line.split()[:2]):
            block.append((number, line))
        elif block:
            yield block
            block = []
    if block:
        yield block


def _possible_comments(blocks: list[list[Line]]) -> set[Spot]:
    """The lines with "#" before the first word of a sentence: comments unless they have a tag where it belongs."""
    return {
        (i, j)
        for i, block in enumerate(blocks)
        for j, _ in enumerate(itertools.takewhile(lambda line: line[1][0] == "#", block))
    }


def _parted(blocks: list[list[tuple[int, list[str]]]], comments: set[Spot]) -> Table:
    """A table, whose lines are parted by the numbers of sentences if no empty line does."""
    rows = [row for _, row in blocks[0]] if len(blocks) == 1 and not comments else []
    parting = sentence_starts(rows) if rows else None
    if parting is None:
        return Table(blocks, comments)
    column, starts = parting
    return Table([blocks[0][i:j] for i, j in itertools.pairwise([*starts, len(rows)])], comments, column)


def _split(
    blocks: list[list[Line]], split: Callable[[str], list[str]], file: File, options: Options
) -> list[list[tuple[int, list[str]]]]:
    """The columns of all lines."""
    counted_blocks = options.counted(blocks, file.path, "sentences")
    return [[(number, split(line)) for number, line in block] for block in counted_blocks]


def _split_at_blanks(line: str) -> list[str]:
    return [column for column in line.replace("\t", " ").split(" ") if column]  # str.split() would part at U+00A0


def _split_at_tabs(line: str) -> list[str]:
    return [column.strip(" ") for column in line.split("\t")]


def _fit(table: Table, options: Options, path: Path) -> _Reading:
    """Find the layout that most lines fit."""
    rows = [[row for _, row in block] for block in table.blocks]
    widths = Counter(len(row) for block in rows for row in block)
    counted = widths - Counter(len(rows[i][j]) for i, j in table.comments) or widths
    width = max(counted, key=counted.__getitem__, default=1)
    if width > _MOST:
        raise CorpusError(
            f"has lines of {width:,} columns, which are no table; expected a word and a tag a line", path=path
        )
    plain = [[row for j, row in enumerate(block) if (i, j) not in table.comments] for i, block in enumerate(rows)]
    usual = plain if any(len(row) == width for block in plain for row in block) else rows
    layout = find_layout(usual, width, _asked(options, width))
    if width == 1:
        return _Reading(table, layout, [(i, j) for i, block in enumerate(rows) for j, _ in enumerate(block)])
    valid = tags.is_bare if layout.bare else tags.is_lower_tag if layout.lower else tags.is_tag
    good = {value for block in rows for value in {row[layout.tag] for row in block if len(row) == width}}
    good = {value for value in good if valid(tags.strip_tag(value))}
    misfits = [
        (i, j)
        for i, block in enumerate(rows)
        for j, row in enumerate(block)
        if len(row) != width or row[layout.tag] not in good or not row[layout.word]
    ]
    return _Reading(table, layout, misfits)


def _asked(options: Options, width: int) -> tuple[int, int] | None:
    """The columns that the user names, from 0.

    Raises:
        ConfigError: They are no numbers of columns that there are.
    """
    if options.columns is None:
        return None
    if not all(column.isdecimal() and 1 <= int(column) <= width for column in options.columns):
        names = ",".join(options.columns)
        raise ConfigError(f"columns {names!r}; expected numbers from 1 to {width}: that of the words, that of the tags")
    word, tag = (int(column) - 1 for column in options.columns)
    return word, tag


def _tag(raw: str, layout: Layout, place: Place, options: Options, repairs: Repairs) -> str:
    """A tag without white space at its end, in capitals, and the first of two."""
    tag = tags.strip_tag(raw)
    if sign := tags.line_end(tag):
        raise place.error(f"{shorten(tag)} holds U+{ord(sign):04X}, which ends no line here; part lines with \\n")
    if tag != raw:
        repairs.mend("white space in a tag left out", place)
    if layout.lower:
        repairs.mend("tag in lower case read", place)
        tag = tag[0].upper() + tag[1:]
    if layout.bare and tag != "O":
        tag = f"I-{tag}"
    if tags.holds_two(tag):
        if options.overlaps == "error":
            raise place.error(
                f"{shorten(tag)} is two tags in one column, of entities that overlap; keep one of the two"
            )
        repairs.note("second tag in a column left out", place)
        tag = tags.first_of_two(tag)
    return tag


def _misfit(reading: _Reading, spot: Spot, path: Path) -> CorpusError:
    layout = reading.layout
    line, row = reading.table.blocks[spot[0]][spot[1]]
    if layout.width == 1:
        message = f"a word alone: {shorten(row[0])}; expected a word and a tag, as CoNLL has them, or JSON lines"
    elif len(row) != layout.width:
        message = (
            f"{len(row)} column{'s' * (len(row) != 1)} where the other lines have {layout.width}; "
            "expected a word and its tag, with tabs between the columns if words hold blanks"
        )
    elif not row[layout.word]:
        message = "the column of the word is empty; expected a word and its tag"
    else:
        side = {0: "first", layout.width - 1: "last"}.get(layout.tag, f"{layout.tag + 1}.")
        tag = row[layout.tag]
        message = (
            f"{shorten(tag)} in the {side} column is no tag; "
            "expected O or one of B, I, E, S, L, U, M, W with '-' and a type"
        )
    return CorpusError(message, path=path, line=line)
