"""Which column of a table holds the words and which the tags."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from cpner.corpus.formats import _tags as tags

Rows = Sequence[Sequence[str]]
_NUMBER = re.compile(r"(\d{1,18})(?:[.)]|[-.:_](\d{1,18}))?")  # of a word: "3", "3.", "2-3"
_COUNTED = re.compile(r"(\D*)(\d{1,18})")  # of a sentence: "3", "s3", "Sentence: 3"
_LANGUAGE = re.compile(r"([a-z]{2,3}(?:-[a-z]{1,8}){0,3}):")  # "en:", "zh-min-nan:"
_PHRASES = {  # types of chunks, which are no entities
    *("NP", "VP", "PP", "ADJP", "ADVP", "SBAR", "PRT", "CONJP", "INTJ", "LST", "UCP", "NX", "QP")
}


class Layout(NamedTuple):
    """Where words and tags stand.

    Attributes:
        width: Columns of a line.
        word: The column of the words.
        tag: The column of the tags.
        lower: Whether the tags are in lower case.
        bare: Whether the tags are types alone, without B- or I-.
        other_tags: Another column that holds tags as well, which is left out.
    """

    width: int
    word: int = 0
    tag: int = 0
    lower: bool = False
    bare: bool = False
    other_tags: int | None = None


def find_layout(blocks: Sequence[Rows], width: int, asked: tuple[int, int] | None = None) -> Layout:
    """Find the columns of words and tags.

    Args:
        blocks: The lines of each sentence, split into columns.
        width: The columns of most lines; others are not looked at.
        asked: Columns of words and tags that the user names, from 0.
    """
    fitting = [[row for row in block if len(row) == width] for block in blocks]
    fitting = [block for block in fitting if block]
    values = [Counter(tags.strip_tag(row[i]) for block in fitting for row in block) for i in range(width)]
    if asked is not None:
        column = values[asked[1]]
        return Layout(width, *asked, _share(column, lower=True) > _share(column), tags.are_bare(column))
    if width == 1:
        return Layout(width)
    tag, lower, other = _tag_column(values)
    bare = tags.are_bare(values[tag])
    return Layout(width, _word_column(fitting, values, tag), tag, lower, bare, other)


def sentence_starts(rows: Rows) -> tuple[int, list[int]] | None:
    """The column that numbers the sentences of a file without empty lines, and the rows where a number begins.

    The numbers ascend, and one of them stands in several rows; None if there is no such column.
    """
    width = len(rows[0])
    if width < 3 or any(len(row) != width for row in rows):
        return None
    for i in range(width):
        cells = [_COUNTED.fullmatch(row[i].strip()) for row in rows]
        numbers = [int(cell[2]) for cell in cells if cell is not None]
        if len(numbers) < len(rows) or len({cell[1] for cell in cells if cell is not None}) > 1:
            continue
        starts = [j for j in range(len(rows)) if j == 0 or numbers[j] != numbers[j - 1]]
        if sorted(numbers) == numbers and 1 < len(starts) < len(rows):
            return i, starts
    return None


def language_of(words: Sequence[str]) -> str:
    """The code of a language with its colon that stands before each word of a file; empty if none does."""
    first = _LANGUAGE.match(words[0]) if len(words) > 1 else None
    return first[0] if first and all(word.startswith(first[0]) for word in words) else ""


def _tag_column(values: Sequence[Counter[str]]) -> tuple[int, bool, int | None]:
    """The column of tags, whether they are in lower case, and another that holds tags as well."""
    lower = max(map(_share, values)) < 1 and any(
        _share(column, lower=True) == 1 and any(tags.is_typed(value) for value in column) for column in values
    )
    shares = [_share(column, lower) for column in values]
    best = max(shares)
    columns = [i for i, share in enumerate(shares) if share == best]
    bare = [i for i in (len(values) - 1, 0) if tags.are_bare(values[i])]
    if best < 1 and bare:
        return bare[0], False, None
    if best < 1:  # lines that don't fit: as before, the last column or the first
        edge = max((len(values) - 1, 0), key=lambda i: (shares[i], values[i]["O"]))
        return (edge if shares[edge] == best else columns[-1]), lower, None
    typed = [i for i in columns if any(tags.is_typed(value) for value in values[i])]
    if typed:
        columns = typed + [i for i in columns if i not in typed and set(values[i]) == {"O"}]
    entities = [i for i in columns if not _are_chunks(values[i])]
    columns = sorted(entities or columns)
    if len(columns) == 1:
        return columns[0], lower, None
    if len(columns) == len(values):  # the words look like tags
        return len(values) - 1, lower, None
    others = [i for i in columns[1:] if set(values[i]) != {"O"}]
    return columns[0], lower, next(iter(others), None)


def _word_column(blocks: Sequence[Rows], values: Sequence[Counter[str]], tag: int) -> int:
    """The first column that can hold words: no tags, no numbers of words or sentences, no name of a document."""
    candidates = [i for i in range(len(values)) if i != tag]
    for i in candidates[:-1]:
        if not (_counts_words(blocks, i) or _is_constant(blocks, i) or _share(values[i]) == 1):
            return i
    last = candidates[-1]
    useless = _counts_words(blocks, last) or _is_constant(blocks, last) or _share(values[last]) == 1
    return candidates[0] if useless else last


def _share(column: Counter[str], lower: bool = False) -> float:
    test = tags.is_lower_tag if lower else tags.is_tag
    return sum(count for value, count in column.items() if test(value)) / max(1, column.total())


def _are_chunks(column: Counter[str]) -> bool:
    types = {value[2:] for value in column if tags.is_typed(value)}
    return bool(types) and types <= _PHRASES


def _counts_words(blocks: Sequence[Rows], column: int) -> bool:
    """Whether a column holds numbers that ascend in each sentence; in sentences of one word, the same ones."""
    longest = 0
    firsts = set()
    for block in blocks:
        cells = [_NUMBER.fullmatch(row[column].strip()) for row in block]
        numbers = [(int(cell[1]), int(cell[2] or 0)) for cell in cells if cell is not None]
        if len(numbers) < len(block) or any(left >= right for left, right in itertools.pairwise(numbers)):
            return False
        longest = max(longest, len(numbers))
        firsts.add(numbers[0])
    return longest > 1 or (len(blocks) > 1 and firsts <= {(0, 0), (1, 0)} and len(firsts) == 1)


def _is_constant(blocks: Sequence[Rows], column: int) -> bool:
    """Whether a column is the same in all lines of each sentence, of which one has several."""
    return any(len(block) > 1 for block in blocks) and all(len({row[column] for row in block}) == 1 for block in blocks)
