"""What the offsets of a file count: characters, or by its own texts and words something else."""

from __future__ import annotations

import unicodedata
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple

from cpner.corpus.repairs import Place, Repairs
from cpner.corpus.words import split_words

Map = Callable[[int], int]  # an offset of the file to a character, -1 where none begins or ends
_LEAST = 2  # entities without a text of their own that must agree before offsets are read anew


class RawMark(NamedTuple):
    """An entity as a file has it; `text` is what the file says that its offsets enclose."""

    start: int
    end: int
    type: str
    text: str | None = None


class Labelled(NamedTuple):
    """A text and its entities as a file has them."""

    place: Place
    text: str
    marks: list[RawMark]


class _Count(NamedTuple):
    """A way to count: the lengths of a text's characters in units, and what to add to starts and ends."""

    name: str
    lengths: Callable[[str], Sequence[int]] | None = None
    start: int = 0
    end: int = 0


def _composed(form: Literal["NFC", "NFD"]) -> Callable[[str], Sequence[int]]:
    """Lengths in a normal form: all of a letter and its accents at the letter's last character."""

    def lengths(text: str) -> list[int]:
        counts = [0] * len(text)
        begin = 0
        for i in range(1, len(text) + 1):
            if i == len(text) or not unicodedata.combining(text[i]):
                counts[i - 1] = len(unicodedata.normalize(form, text[begin:i]))
                begin = i
        return counts

    return lengths


def _line_ends(text: str) -> list[int]:
    return [0 if sign == "\r" and text[i + 1 : i + 2] == "\n" else 1 for i, sign in enumerate(text)]


_COUNTS = (
    _Count("offsets that count UTF-16 units read so", lambda text: [1 + (sign > "\uffff") for sign in text]),
    _Count("offsets that count bytes of UTF-8 read so", lambda text: [len(sign.encode()) for sign in text]),
    _Count("offsets that name the last character read so", end=1),
    _Count("offsets that count from 1 read so", start=-1, end=-1),
    _Count("offsets that count from 1 and name the last character read so", start=-1),
    _Count("offsets of the text in composed letters read so", _composed("NFC")),
    _Count("offsets of the text in parted letters read so", _composed("NFD")),
    _Count("offsets that count a line end of two signs as one read so", _line_ends),
)
UTF16 = _COUNTS[0]


def recount(labelled: Sequence[Labelled], repairs: Repairs) -> list[Labelled]:
    """Turn the offsets of a file into characters where it is certain that they count something else.

    It is certain when, over the whole file, every entity that another count would place elsewhere fits there (its
    own text, or the edges of words) and hardly one fits where characters place it. Entities that say their text may
    be told so in a single record.
    """
    doubtful = [number for number, one in enumerate(labelled) if not all(_fits(one.text, one.marks))]
    if not doubtful:
        return list(labelled)
    for count in _COUNTS:
        moved = [_moved(one, count) for one in labelled]
        if _certain(zip(labelled, moved, strict=True)):
            return [_told(one, new, count, repairs) for one, new in zip(labelled, moved, strict=True)]
    result = list(labelled)
    for number in doubtful:
        one = labelled[number]
        if all(mark.text is not None for mark in one.marks):
            for count in _COUNTS:
                new = _moved(one, count)
                if _certain([(one, new)]):
                    result[number] = _told(one, new, count, repairs)
                    break
    return result


def from_utf16(one: Labelled) -> Labelled:
    """Turn offsets that are known to count UTF-16 units into characters."""
    return _moved(one, UTF16)


def _told(one: Labelled, new: Labelled, count: _Count, repairs: Repairs) -> Labelled:
    changed = sum(a != b for a, b in zip(one.marks, new.marks, strict=True))
    repairs.mend(count.name, one.place, changed)
    return new


def _moved(one: Labelled, count: _Count) -> Labelled:
    if count.lengths is None:
        marks = [mark._replace(start=mark.start + count.start, end=mark.end + count.end) for mark in one.marks]
        return one._replace(marks=marks)
    if count is UTF16 and (not one.text or max(one.text) <= "\uffff"):
        return one
    edges = [0]
    for length in count.lengths(one.text):
        edges.append(edges[-1] + length)
    marks = [mark._replace(start=_index(edges, mark.start), end=_index(edges, mark.end)) for mark in one.marks]
    return one._replace(marks=marks)


def _index(edges: Sequence[int], offset: int) -> int:
    i = bisect_left(edges, offset)
    return i if i < len(edges) and edges[i] == offset else -1


def _certain(pairs: Iterator[tuple[Labelled, Labelled]] | Sequence[tuple[Labelled, Labelled]]) -> bool:
    moved = said = before = 0
    for old, new in pairs:
        if old.marks == new.marks:
            continue
        fits = zip(old.marks, new.marks, _fits(old.text, old.marks), _fits(old.text, new.marks), strict=True)
        for mark, other, as_it_is, anew in fits:
            if mark != other:
                if not anew:
                    return False
                moved += 1
                said += mark.text is not None
                before += as_it_is
    return before * 4 <= moved and (moved >= _LEAST or (moved > 0 and said == moved))


def _fits(text: str, marks: Sequence[RawMark]) -> list[bool]:
    """Whether each entity is what it says, or without a text of its own begins and ends with words."""
    if all(mark.text is not None for mark in marks):
        return [_says(text, mark) for mark in marks]
    words = split_words(text)
    starts = {start for start, _ in words}
    ends = {end for _, end in words}
    return [_says(text, mark) if mark.text is not None else _on_edges(text, mark, starts, ends) for mark in marks]


def _says(text: str, mark: RawMark) -> bool:
    return 0 <= mark.start < mark.end and text[mark.start : mark.end].strip() == (mark.text or "").strip()


def _on_edges(text: str, mark: RawMark, starts: set[int], ends: set[int]) -> bool:
    inside = text[mark.start : mark.end] if 0 <= mark.start < mark.end <= len(text) else ""
    start = mark.start + len(inside) - len(inside.lstrip())
    end = mark.end - len(inside) + len(inside.rstrip())
    return bool(inside) and start in starts and end in ends
