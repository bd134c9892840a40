"""Sentences of what readers found: labelled texts, and words with entities or tags."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

from cpner.corpus.formats._offsets import Labelled, RawMark, recount
from cpner.corpus.formats._options import Options
from cpner.corpus.formats._records import check_inside, check_unicode, in_order, shorten
from cpner.corpus.repairs import Place, Repairs
from cpner.corpus.sentence import Mark, Sentence, Span
from cpner.corpus.words import ink, strip_white
from cpner.errors import CorpusError

UNREACHABLE = "entity that begins or ends inside a word, so that no prediction can be it"
_EMPTY = "empty sentence left out"


def sentences_of_texts(labelled: Iterable[Labelled], options: Options, repairs: Repairs) -> list[Sentence]:
    """Sentences of texts with entities in characters; words come from the texts alone.

    Raises:
        CorpusError: An entity leaves its text, is white space, isn't what it says, or overlaps another.
    """
    known = recount(list(labelled), repairs)
    read = (sentence_of_text(text, marks, place, repairs, options) for place, text, marks in known)
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
