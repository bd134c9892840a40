"""What the offsets of a file count: characters, or by its own texts and words something else."""

from __future__ import annotations

import unicodedata
from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

from cpner.corpus.formats._options import Options
from cpner.corpus.repairs import Place, Repairs
from cpner.corpus.words import ink, split_words, strip_white

Map = Callable[[int], int]  # an offset of the file to a character, -1 where none begins or ends
_MOST_DIGITS = 18  # of an offset; Python refuses thousands of them
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


def recount(labelled: Sequence[Labelled], options: Options, repairs: Repairs) -> list[Labelled]:
    """Turn the offsets of a file into characters where it is certain that they count something else.

    It is certain when, over the whole file, every entity that another count would place elsewhere fits there: its
    text, or the edges of words. Less than half of them may fit where characters place them. Of several such counts
    the one that lets most entities fit is taken. Entities that say their text may be told so in a single
    record.
    """
    counted = options.counted(labelled, labelled[0].place.path, "texts") if labelled else ()
    texts = [_Text(one) for one in counted]
    doubtful = [number for number, text in enumerate(texts) if not all(text.plain)]
    if not doubtful:
        return list(labelled)
    best = max(_COUNTS, key=lambda count: _gain(texts, count))
    if _gain(texts, best):
        return [_told(one, best, repairs) for one in labelled]
    result = list(labelled)
    for number in doubtful:
        one = [texts[number]]
        best = max(_COUNTS, key=lambda count: _gain(one, count))
        if all(mark.text is not None for mark in labelled[number].marks) and _gain(one, best):
            result[number] = _told(labelled[number], best, repairs)
    return result


def whole_number(value: Any) -> int | None:
    """A whole number, or one that is written as a text; None for what is neither, and for what no offset can be."""
    if isinstance(value, str) and value.strip().isdecimal() and len(value) <= _MOST_DIGITS:
        return int(value)
    return value if type(value) is int else None


def from_utf16(one: Labelled) -> Labelled:
    """Turn offsets that are known to count UTF-16 units into characters."""
    return _moved(one, UTF16)


def _told(one: Labelled, count: _Count, repairs: Repairs) -> Labelled:
    new = _moved(one, count)
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


class _Text:
    """A text with the edges of its words, and which of its entities fit where characters place them."""

    def __init__(self, labelled: Labelled) -> None:
        self.labelled = labelled
        self.starts: set[int] = set()
        self.ends: set[int] = set()
        if any(mark.text is None for mark in labelled.marks):
            words = split_words(labelled.text)
            self.starts = {start for start, _ in words}
            self.ends = {end for _, end in words}
        self.plain = [self.fits(*self._trimmed(mark)) for mark in labelled.marks]

    def fits(self, mark: RawMark, said: str | None) -> bool:
        """Whether an entity is what it says, or without a text of its own begins and ends with words."""
        if not 0 <= mark.start < mark.end <= len(self.labelled.text):
            return False
        if said is not None:
            return self.labelled.text[mark.start : mark.end] == said
        return mark.start in self.starts and mark.end in self.ends

    def _trimmed(self, mark: RawMark) -> tuple[RawMark, str | None]:
        """An entity without white space at its ends, which characters may well have counted."""
        said = None if mark.text is None else strip_white(mark.text)
        if not 0 <= mark.start < mark.end <= len(self.labelled.text):
            return mark, said
        start, end = ink(self.labelled.text, mark.start, mark.end)
        return mark._replace(start=start, end=end), said


def _gain(texts: Sequence[_Text], count: _Count) -> int:
    """How many more entities fit by another count; 0 where it is not certain."""
    moved = said = before = 0
    for text in texts:
        old = text.labelled.marks
        new = _moved(text.labelled, count).marks
        for mark, other, as_it_is in zip(old, new, text.plain, strict=True):
            if mark != other:
                if not text.fits(other, other.text):
                    return 0
                moved += 1
                said += mark.text is not None
                before += as_it_is
    enough = moved >= _LEAST or said == moved
    return moved - before if enough and before * 2 < moved else 0
