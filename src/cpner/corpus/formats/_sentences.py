"""Sentences of what readers found: labelled texts, and words with entities or tags."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from cpner.corpus.formats._file import File
from cpner.corpus.formats._offsets import Labelled, RawMark, recount
from cpner.corpus.formats._options import Options
from cpner.corpus.formats._records import check_inside, check_unicode, in_order, shorten
from cpner.corpus.repairs import Place, Repairs
from cpner.corpus.sentence import Mark, Sentence, Span
from cpner.corpus.words import ink, strip_white
from cpner.errors import CorpusError
from cpner.files import check_utf8

UNREACHABLE = "entity that begins or ends inside a word, so that no prediction can be it"
_EMPTY = "empty sentence left out"


def sentences_of_texts(labelled: Iterable[Labelled], options: Options, repairs: Repairs) -> list[Sentence]:
    """Sentences of texts with entities in characters; words come from the texts alone.

    Raises:
        CorpusError: An entity leaves its text, is white space, isn't what it says, or overlaps another.
    """
    known = recount(list(labelled), options, repairs)
    counted = options.counted(known, known[0].place.path, "texts") if known else ()
    read = (sentence_of_text(text, marks, place, repairs, options) for place, text, marks in counted)
    return [sentence for sentence in read if sentence is not None]


def sentence_of_text(
    text: str, marks: Sequence[Mark | RawMark], place: Place, repairs: Repairs, options: Options
) -> Sentence | None:
    """A sentence of a text whose entities are known to count characters; None where it has no word.

    Raises:
        CorpusError: An entity leaves its text, is white space, isn't what it says, or overlaps another.
    """
    check_unicode(text, place)
    trimmed = [_trimmed(RawMark(*mark), text, place, repairs) for mark in marks]
    sentence = Sentence.from_text(text, in_order(trimmed, place, "character", repairs, options))
    repairs.note(UNREACHABLE, place, len(sentence.unreachable))
    if sentence.words:
        return sentence
    repairs.mend(_EMPTY, place)
    return None


def sentence_of_words(
    words: Sequence[str], spans: Sequence[Span], place: Place, repairs: Repairs, options: Options
) -> Sentence | None:
    """A sentence of words with entities; words of white space are left out, None where no word remains.

    Raises:
        CorpusError: An entity leaves the sentence or overlaps another.
    """
    check_unicode(" ".join(words), place)
    for span in spans:
        check_inside(span, len(words), place, "word")
    stripped = [strip_white(word) for word in words]
    repairs.mend(
        "white space around a word left out", place, sum(a != b for a, b in zip(words, stripped, strict=True) if b)
    )
    solid = [i for i, word in enumerate(stripped) if word]
    ordered: Iterable[Mark] = in_order([(*span,) for span in spans], place, "word", repairs, options)
    if len(solid) < len(words):
        repairs.mend("word of white space left out", place, len(words) - len(solid))
        before = [0, *itertools.accumulate(int(bool(word)) for word in stripped)]
        moved = [(before[start], before[end], type_) for start, end, type_ in ordered]
        ordered = [mark for mark in moved if mark[0] < mark[1]]
        repairs.mend("entity of white space left out", place, len(moved) - len(list(ordered)))
    if not solid:
        repairs.mend(_EMPTY, place)
        return None
    return Sentence.from_words([stripped[i] for i in solid], [Span(*mark) for mark in ordered])


def cut(whole: Labelled, starts: Iterable[int]) -> list[Labelled]:
    """The pieces of a text that begin where sentences do, none of them inside an entity, with their entities."""
    length = len(whole.text)
    marks = sorted(whole.marks, key=lambda mark: mark[:3])
    edges = [0]
    reached = first = 0  # the furthest end of the entities that begin before an edge
    for start in sorted({start for start in starts if 0 < start < length}):
        while first < len(marks) and marks[first].start < start:
            reached = max(reached, marks[first].end)
            first += 1
        if reached <= start:
            edges.append(start)
    pieces = []
    first = 0
    for begin, end in itertools.pairwise([*edges, max(length, 1)]):
        last = first
        while last < len(marks) and (marks[last].start < end or end >= length):
            last += 1
        inside = [mark._replace(start=mark.start - begin, end=mark.end - begin) for mark in marks[first:last]]
        if strip_white(whole.text[begin:end]) or inside:
            pieces.append(Labelled(whole.place, whole.text[begin:end].rstrip("\r\n"), inside))
        first = last
    return pieces


def text_beside(file: File, name: PurePosixPath, place: Place) -> str:
    """The text of a file that another names, which must lie in its folder or below.

    Raises:
        CorpusError: It lies elsewhere, or is not there.
    """
    if name.is_absolute() or ".." in name.parts:
        raise place.error(f"the text {shorten(str(name))} lies outside the folder of the file")
    path = file.path.parent / name
    if not os.path.isfile(path):  # unlike `Path.is_file`, never raises: a name may be too long
        raise place.error(f"no text {shorten(str(name))} beside the file")
    return check_utf8(File(path).data, path)


def at_least_one(sentences: list[Sentence], path: object) -> list[Sentence]:
    """The sentences.

    Raises:
        CorpusError: There are none.
    """
    if not sentences:
        raise CorpusError("holds no sentence", path=path)
    return sentences


def _trimmed(mark: RawMark, text: str, place: Place, repairs: Repairs) -> Mark:
    """Check an entity's offsets and leave out white space around it."""
    check_inside(mark[:3], len(text), place, "character")
    inside = text[mark.start : mark.end]
    if mark.text is not None and mark.text.strip() != inside.strip():
        said = shorten(mark.text)
        raise place.error(
            f"characters {mark.start} to {mark.end} are {shorten(inside)}, but the entity's text is {said}"
        )
    start, end = ink(text, mark.start, mark.end)
    if start == end:
        raise place.error(f"the entity {mark.type[:60]!r} at characters {mark.start} to {mark.end} is only white space")
    repairs.mend("white space around an entity left out", place, int((start, end) != (mark.start, mark.end)))
    return start, end, mark.type
