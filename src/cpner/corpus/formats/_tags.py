"""Tags of words (IOB1, IOB2, BIOES, BILOU, plain IO) to entities and back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from cpner.corpus.repairs import Repairs
from cpner.corpus.sentence import Sentence, Span

_TAG = re.compile(r"O|[BIESLU]-\S.*")
_OPENING_I = "entity that began with I- without B-"
_OPENING_E = "entity that began with E- or L- without B-"
_UNCLOSED = "entity without its closing E- or L-"


def is_tag(tag: str) -> bool:
    """Whether this is O or one of B, I, E, S, L, U with a hyphen and a type."""
    return _TAG.fullmatch(tag) is not None


def decode(sentences: Sequence[Sequence[str]], repairs: Repairs) -> list[list[Span]]:
    """Turn the tags of a whole file into entities.

    The scheme is found from all tags together, so that an entity that opens with I- is right in a file
    in IOB1 or IO and a repair in any other. Types stay the codes of the file.

    Args:
        sentences: The tags of each sentence; all pass `is_tag`.
        repairs: Gains a count of what was mended.
    """
    letters = {tag[0] for tags in sentences for tag in set(tags)} - {"O"}
    i_opens = letters <= {"I"} or (letters <= {"B", "I"} and all(map(_is_iob1, sentences)))
    closes = bool(letters & {"E", "L", "S", "U"})
    return [_decode_one(tags, i_opens, closes, repairs) for tags in sentences]


def encode(sentence: Sentence) -> list[str]:
    """The IOB2 tags of a sentence's words."""
    tags = ["O"] * len(sentence.words)
    for start, end, type_ in sentence.spans:
        tags[start:end] = [f"B-{type_}", *[f"I-{type_}"] * (end - start - 1)]
    return tags


def _is_iob1(tags: Iterable[str]) -> bool:
    """Whether each B- only parts an entity from one of the same type just before it."""
    previous = ""
    for tag in tags:
        if tag[0] == "B" and previous[2:] != tag[2:]:
            return False
        previous = tag
    return True


def _decode_one(tags: Sequence[str], i_opens: bool, closes: bool, repairs: Repairs) -> list[Span]:
    spans: list[Span] = []
    start, open_type = 0, ""  # an empty type: no entity is open

    def close(end: int) -> None:
        nonlocal open_type
        if open_type:
            spans.append(Span(start, end, open_type))
            open_type = ""

    for i, tag in enumerate(tags):
        if tag == "O" and not open_type:
            continue
        letter, type_ = tag[0], tag[2:]
        goes_on = letter in "IEL" and type_ == open_type
        if not goes_on:
            repairs[_UNCLOSED] += closes and bool(open_type)
            close(i)
            if letter == "O":
                continue
            start, open_type = i, type_
            repairs[_OPENING_I] += letter == "I" and not i_opens
            repairs[_OPENING_E] += letter in "EL"
        if letter in "ELSU":
            close(i + 1)
    repairs[_UNCLOSED] += closes and bool(open_type)
    close(len(tags))
    return spans
