"""CoNLL: one word a line, its tag in the first or the last column, an empty line after each sentence.

Every dialect is read: two or more columns, tabs or blanks between them, all tag schemes of `tags`,
`-DOCSTART-` lines, a running number before the word, comment lines before a sentence. Which layout a file
has is decided by the whole of it: the one in which most lines have the usual number of columns and a tag
where the tag belongs. A word that looks like a tag ("O", "B-52") so never counts against its neighbours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from cpner.corpus import tags
from cpner.corpus.sentence import Sentence
from cpner.errors import CorpusError

_BLANKS = " \t\r"
_DOCUMENT = "-DOCSTART-"

Line = tuple[int, str]  # number in the file, content


class _Row(NamedTuple):
    """A word's line, split into columns."""

    number: int
    columns: list[str]
    comment: bool  # it may be a comment: it begins with "#" and opens a sentence


class _Layout(NamedTuple):
    """How many columns the lines have and which holds what."""

    width: int
    tag: int
    word: int
    bad: list[_Row]  # lines that don't fit

    def fits(self, row: _Row) -> bool:
        return len(row.columns) == self.width and tags.is_tag(row.columns[self.tag])


def read(path: Path, text: str, repairs: Counter[str]) -> list[Sentence]:
    """Read the sentences of a CoNLL file; types stay the codes of the file.

    Args:
        path: Named in errors.
        text: The content of the file.
        repairs: Gains a count of what was mended.

    Raises:
        CorpusError: A line has too few or too many columns, or a tag that is none.
    """
    blocks = list(_blocks(text, repairs))
    if not blocks:
        raise CorpusError("holds no sentence", path=path)
    rows, layout = _best_reading(blocks)
    comments = {row.number for row in layout.bad if row.comment}
    repairs["comment line left out"] += len(comments)
    for row in layout.bad:
        if row.number not in comments:
            raise _misfit(row, layout, path)
    kept = [[r for r in block if r.number not in comments] if comments else block for block in rows]
    kept = [block for block in kept if block]
    words = [[row.columns[layout.word] for row in block] for block in kept]
    spans = tags.decode([[row.columns[layout.tag] for row in block] for block in kept], repairs)
    return [Sentence.from_words(*both) for both in zip(words, spans, strict=True)]


def write(sentences: Iterable[Sentence]) -> Iterator[str]:
    """The lines of a CoNLL file: word, tab, IOB2 tag; blanks in types become underscores.

    Raises:
        CorpusError: A word holds white space that would part it from itself.
    """
    for sentence in sentences:
        for word, tag in zip(sentence.word_texts, tags.encode(sentence), strict=True):
            if any(sign in word for sign in " \t\r\n"):
                raise CorpusError(f"the word {word!r} holds a blank, which CoNLL can't keep; write 'jsonl' or 'tokens'")
            yield f"{word}\t{tag.replace(' ', '_')}"
        yield ""


def _blocks(text: str, repairs: Counter[str]) -> Iterator[list[Line]]:
    """The lines of each sentence; lines of documents and empty ones part them."""
    block: list[Line] = []
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip(_BLANKS)
        if len(line) != len(raw):
            repairs["line with blanks at an end"] += 1
        if line and not (_DOCUMENT in line and _DOCUMENT in line.split()[:2]):
            block.append((number, line))
        elif block:
            yield block
            block = []
    if block:
        yield block


def _best_reading(blocks: list[list[Line]]) -> tuple[list[list[_Row]], _Layout]:
    """Split lines at all blanks, or at tabs only where that leaves fewer misfits (words or types with blanks)."""
    rows = _split(blocks, tabs=False)
    layout = _layout(rows)
    if any(not row.comment for row in layout.bad):
        other = _split(blocks, tabs=True)
        other_layout = _layout(other)
        if other_layout.width > 1 and len(other_layout.bad) < len(layout.bad):
            return other, other_layout
    return rows, layout


def _split(blocks: list[list[Line]], *, tabs: bool) -> list[list[_Row]]:
    return [
        [
            _Row(
                number,
                [column.strip(" ") for column in line.split("\t")]
                if tabs
                else [column for column in line.replace("\t", " ").split(" ") if column],
                line[0] == "#" and all(before[0] == "#" for _, before in block[:i]),
            )
            for i, (number, line) in enumerate(block)
        ]
        for block in blocks
    ]


def _layout(blocks: list[list[_Row]]) -> _Layout:
    """The layout that most lines fit; on a tie the one with more O, then the tag last."""
    rows = [row for block in blocks for row in block]
    counted = [row for row in rows if not row.comment] or rows
    usual = Counter(len(row.columns) for row in counted).most_common(1)[0][0]
    full = [row for row in rows if len(row.columns) == usual]
    tag = max((-1, 0), key=lambda column: _tag_counts(full, column)) if usual > 1 else -1
    word = 1 if tag == 0 or (usual > 2 and _is_numbered(blocks, usual)) else 0
    layout = _Layout(usual, tag, word, [])
    return layout._replace(bad=[row for row in rows if not layout.fits(row)])


def _tag_counts(rows: Sequence[_Row], column: int) -> tuple[int, int]:
    """How many lines have a tag in this column, and how many have O."""
    values = Counter(row.columns[column] for row in rows)
    return sum(n for value, n in values.items() if tags.is_tag(value)), values["O"]


def _is_numbered(blocks: list[list[_Row]], width: int) -> bool:
    """Whether the first column only counts the words of each sentence, from 0 or 1."""
    longest = 0
    for block in blocks:
        numbers = [row.columns[0] for row in block if len(row.columns) == width and not row.comment]
        first = int(numbers[:1] == ["1"])
        if numbers != [str(first + i) for i in range(len(numbers))]:
            return False
        longest = max(longest, len(numbers))
    return longest > 1


def _misfit(row: _Row, layout: _Layout, path: Path) -> CorpusError:
    if layout.width < 2:
        message = f"a word alone: {row.columns[0][:60]!r}; expected a word and a tag, as CoNLL has them, or JSON lines"
    elif len(row.columns) != layout.width:
        message = (
            f"{len(row.columns)} columns where the other lines have {layout.width}; "
            "expected a word and its tag, with tabs between the columns if words hold blanks"
        )
    else:
        side = "first" if layout.tag == 0 else "last"
        tag = row.columns[layout.tag]
        message = f"{tag!r} in the {side} column is no tag; expected O or one of B, I, E, S, L, U with '-' and a type"
    return CorpusError(message, path=path, line=row.number)
