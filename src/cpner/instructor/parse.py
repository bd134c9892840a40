"""Targets that were generated freely, read tolerantly: what the grammar is worth is measured so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cpner.corpus.sentence import Span
from cpner.instructor.instructor import Source
from cpner.instructor.vocabulary import Vocabulary


class Parsed(NamedTuple):
    """What a free generation held: entities found in the sentence, and how many well- and ill-formed parts."""

    spans: list[Span]
    malformed: int  # parts that are no "(type: mention)"
    unknown: int  # mentions that the sentence does not hold, or types that are no option


def parse(ids: Sequence[int], source: Source, vocabulary: Vocabulary) -> Parsed:
    """Read any sequence of pieces as a target, tolerantly; never fails (used to measure what the grammar is worth).

    A mention is looked for after the previous one, then anywhere that is still free.
    """
    options = source.options
    spans: list[Span] = []
    malformed = unknown = 0
    position = 0
    taken: set[int] = set()
    for part in _parts(list(ids), vocabulary):
        name, sign, mention = _partition(part, vocabulary.colon)
        if not sign or not mention or not name:
            malformed += 1
            continue
        type_ = next((t for t, p in zip(options.types, options.pieces, strict=True) if p == name), None)
        places = [i for i in range(len(source.pieces)) if _fits(source, mention, i, taken)]
        place = next((i for i in places if i >= position), places[0] if places else None)
        if type_ is None or place is None:
            unknown += 1
            continue
        end = place + len(mention)
        taken.update(range(place, end))
        position = end
        spans.append(Span(source.word_of[place], source.word_of[end - 1] + 1, type_))
    return Parsed(sorted(spans), malformed, unknown)


def _parts(ids: list[int], vocabulary: Vocabulary) -> list[list[int]]:
    """The stretches between an opening and the next closing sign."""
    parts: list[list[int]] = []
    current: list[int] | None = None
    for piece in ids:
        if piece == vocabulary.eos:
            break
        if piece == vocabulary.open:
            if current:
                parts.append(current)
            current = []
        elif piece == vocabulary.close:
            if current:
                parts.append(current)
            current = None
        elif current is not None:
            current.append(piece)
    return [*parts, current] if current else parts


def _partition(part: list[int], sign: int) -> tuple[list[int], bool, list[int]]:
    if sign not in part:
        return part, False, []
    at = part.index(sign)
    return part[:at], True, part[at + 1 :]


def _fits(source: Source, mention: list[int], place: int, taken: set[int]) -> bool:
    end = place + len(mention)
    words = source.word_of
    return (
        source.pieces[place:end] == mention
        and (place == 0 or words[place - 1] != words[place])
        and (end == len(words) or words[end] != words[end - 1])
        and not taken.intersection(range(place, end))
    )
