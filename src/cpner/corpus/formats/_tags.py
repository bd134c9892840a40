"""Tags of words to entities and back.

Schemes: IOB1, IOB2, IOE1, IOE2, BIOES, BILOU, BMES, BMEWO and plain IO; tags without a type, and tags in lower case.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from cpner.corpus.repairs import Repairs
from cpner.corpus.sentence import Sentence, Span
from cpner.corpus.words import strip_white

BARE = "entity"  # the type of tags without one
_TAG = re.compile(r"O|[BIESLUMW](?:-\S.*)?")
_LOWER = re.compile(r"o|[bieslumw](?:-\S.*)?")
_BARE = re.compile(r"[A-Z][^\W\d_][\w&/]*")  # a type alone; the parts of speech that have an O are single letters
_MOST_BARE = 100  # types; words of a text are more
_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u2060\ufeff"))
_LINE_ENDS = re.compile("[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_TWO = re.compile(r"[|,;][BIESLUMW]-\S")
_SAME = str.maketrans("MLUW", "IESS")  # letters of other schemes
_OPENING_I = "entity that began with I- without B-"
_OPENING_E = "entity that began with E- or L- without B-"
_UNCLOSED = "entity without its closing E- or L-"


def strip_tag(tag: str) -> str:
    """A tag without white space at its ends and before its type, and without signs that nobody sees."""
    tag = strip_white(tag if tag.isascii() else tag.translate(_INVISIBLE))
    return tag[:2] + strip_white(tag[2:]) if tag[1:2] == "-" else tag


def is_tag(tag: str) -> bool:
    """Whether this is O or one of B, I, E, S, L, U, M, W alone or with a hyphen and a type."""
    return _TAG.fullmatch(tag) is not None


def is_lower_tag(tag: str) -> bool:
    """Whether this would be a tag in capitals."""
    return _LOWER.fullmatch(tag) is not None


def is_typed(tag: str) -> bool:
    """Whether a tag names a type."""
    return len(tag) > 2


def is_bare(tag: str) -> bool:
    """Whether this is O or a type alone."""
    return tag == "O" or _BARE.fullmatch(tag) is not None


def are_bare(values: Mapping[str, int]) -> bool:
    """Whether the values of a column are O and types alone, as in Stanford NER's files."""
    return "O" in values and 1 < len(values) <= _MOST_BARE and all(map(is_bare, values))


def line_end(tag: str) -> str | None:
    """A sign in a tag that ends lines elsewhere; None if there is none."""
    sign = _LINE_ENDS.search(tag)
    return sign and sign[0]


def holds_two(tag: str) -> bool:
    """Whether a column holds two tags, of entities that overlap."""
    return _TWO.search(tag) is not None


def first_of_two(tag: str) -> str:
    """The tag before the second in a column."""
    return _TWO.split(tag)[0]


def decode(sentences: Sequence[Sequence[str]], repairs: Repairs) -> list[list[Span]]:
    """Turn the tags of a whole file into entities.

    The scheme is found from all tags together. So an entity that opens with I- is right in a file in IOB1 or IO, and
    a repair in any other. Types stay the codes of the file.

    Args:
        sentences: The tags of each sentence; all pass `is_tag`.
        repairs: Gains a count of what was mended.
    """
    known = {tag: _parts(tag) for tags in sentences for tag in set(tags)}
    letters = {letter for letter, _ in known.values()} - {"O"}
    if any(tag != "O" and not is_typed(tag) for tag in known):
        repairs.note(f"file whose tags name no type: called {BARE!r}")
    parted = [[known[tag] for tag in tags] for tags in sentences]
    ends = bool(letters & {"E", "S"})
    ends_alone = "E" in letters and letters <= {"I", "E"}  # IOE1, IOE2
    i_opens = ends_alone or letters <= {"I"} or (letters <= {"B", "I"} and all(map(_is_iob1, parted)))
    closes = ends and not (ends_alone and all(map(_is_ioe1, parted)))
    return [_decode_one(tags, i_opens, ends_alone, closes, repairs) for tags in parted]


def encode(sentence: Sentence) -> list[str]:
    """The IOB2 tags of a sentence's words."""
    tags = ["O"] * len(sentence.words)
    for start, end, type_ in sentence.spans:
        tags[start:end] = [f"B-{type_}", *[f"I-{type_}"] * (end - start - 1)]
    return tags


Tag = tuple[str, str]  # letter of IOBES, type


def _parts(tag: str) -> Tag:
    return tag[0].translate(_SAME), tag[2:] or ("" if tag == "O" else BARE)


def _is_iob1(tags: Iterable[Tag]) -> bool:
    """Whether each B- only parts an entity from one of the same type just before it."""
    previous = ("O", "")
    for letter, type_ in tags:
        if letter == "B" and previous[1] != type_:
            return False
        previous = (letter, type_)
    return True


def _is_ioe1(tags: Sequence[Tag]) -> bool:
    """Whether each E- only parts an entity from one of the same type just behind it."""
    following = [*tags[1:], ("O", "")]
    return all(letter != "E" or type_ == after for (letter, type_), (_, after) in zip(tags, following, strict=True))


def _decode_one(tags: Sequence[Tag], i_opens: bool, e_opens: bool, closes: bool, repairs: Repairs) -> list[Span]:
    spans: list[Span] = []
    start = 0  # an empty type: no entity is open
    open_type = ""

    def close(end: int) -> None:
        nonlocal open_type
        if open_type:
            spans.append(Span(start, end, open_type))
            open_type = ""

    for i, (letter, type_) in enumerate(tags):
        if letter == "O" and not open_type:
            continue
        goes_on = letter in "IE" and type_ == open_type
        if not goes_on:
            repairs.mend(_UNCLOSED, times=int(closes and bool(open_type)))
            close(i)
            if letter == "O":
                continue
            start = i
            open_type = type_
            repairs.mend(_OPENING_I, times=int(letter == "I" and not i_opens))
            repairs.mend(_OPENING_E, times=int(letter == "E" and not e_opens))
        if letter in "ES":
            close(i + 1)
    repairs.mend(_UNCLOSED, times=int(closes and bool(open_type)))
    close(len(tags))
    return spans
