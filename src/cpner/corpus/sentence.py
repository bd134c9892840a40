"""Sentences of words with character offsets, and entities as spans of words (section 3.1)."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from cpner.corpus.evidence import Evidence
from cpner.corpus.words import ink, split_words
from cpner.errors import CorpusError

Mark = tuple[int, int, str]  # start and end in characters, type


class Entity(NamedTuple):
    """A named entity in a text, as users see it.

    Offsets count characters (Unicode code points); `end` is exclusive. `score` lies in [0, 1];
    entities of a labelled corpus have none.
    """

    start: int
    end: int
    type: str
    text: str
    score: float | None = None


class Span(NamedTuple):
    """An entity (x_{l:r}, t) of a sentence: the words from `start` up to, not including, `end`."""

    start: int
    end: int
    type: str


class Prediction(NamedTuple):
    """An entity that was recognised.

    Attributes:
        span: its words.
        score: in [0, 1]. A recogniser gives the calibrated probability that it is right, a search the raw one.
        evidence: what the search saw; None where it saw nothing, as without the grammar.
        shares: how plausible each type is for the span, the most plausible first; none unless they are asked for.
    """

    span: Span
    score: float
    evidence: Evidence | None = None
    shares: tuple[tuple[str, float], ...] = ()

    @property
    def raw(self) -> float:
        """The probability of its pieces, before any calibration, in [0, 1]."""
        return self.score if self.evidence is None else self.evidence.raw


class Answer(list[Prediction]):
    """The entities of a sentence, ascending, and how certain it is that they are all.

    Attributes:
        end: log-probability of having written no further entity, in nats, at most 0.
        score: calibrated probability that the sentence is right as a whole, in [0, 1]; None before calibration.
        log: log-probability of all that was written, in nats, at most 0; 0 where beam search did not write it.
        others: the next best readings of the sentence, the likeliest first; none unless they are asked for.
    """

    __slots__ = ("end", "log", "others", "score")

    def __init__(
        self,
        predictions: Iterable[Prediction] = (),
        end: float = 0.0,
        score: float | None = None,
        log: float = 0.0,
        others: tuple[Answer, ...] = (),
    ) -> None:
        super().__init__(predictions)
        self.end = end
        self.score = score
        self.log = log
        self.others = others


class Reading(NamedTuple):
    """One way to read a text: its entities, all of them.

    Attributes:
        entities: ascending, without overlap.
        probability: of being right as a whole, in [0, 1].
    """

    entities: list[Entity]
    probability: float


class TypeSet(NamedTuple):
    """An entity and the types that are plausible for it.

    Attributes:
        entity: as it was found.
        shares: how plausible each of the types is, in [0, 1], the most plausible first.
    """

    entity: Entity
    shares: dict[str, float]


class Sentence:
    """A text, its words as character offsets, and its entities as spans of words.

    Args:
        text: The sentence as it stands in its source.
        words: (start, end) of each word in characters of `text`, ascending, without overlap.
        spans: The entities, ascending, without overlap; types in words ("political party").
        unreachable: Entities of which an edge lies inside a word, so that no prediction can be the same. They are
            gold: evaluation scores each as a miss.

    Raises:
        CorpusError: Words or spans overlap, are empty, or lie outside the text.
    """

    __slots__ = ("spans", "text", "unreachable", "words")

    def __init__(
        self,
        text: str,
        words: Iterable[tuple[int, int]],
        spans: Iterable[Span] = (),
        unreachable: Iterable[Entity] = (),
    ) -> None:
        self.text = text
        self.unreachable = tuple(sorted(unreachable, key=lambda entity: entity[:3]))
        self.words = tuple(words)
        self.spans = tuple(sorted(Span(*span) for span in spans))
        _check_ascending(self.words, len(text), "word")
        _check_ascending([(s.start, s.end) for s in self.spans], len(self.words), "entity")

    @classmethod
    def from_words(cls, words: Sequence[str], spans: Iterable[Span] = ()) -> Sentence:
        """Join words with single blanks into a text, as CoNLL files need."""
        offsets = []
        position = 0
        for word in words:
            offsets.append((position, position + len(word)))
            position += len(word) + 1
        return cls(" ".join(words), offsets, spans)

    @classmethod
    def from_text(cls, text: str, entities: Iterable[Mark] = ()) -> Sentence:
        """Cut a text into words, by the text alone, and find the words of its entities.

        Args:
            text: Any text.
            entities: (start, end, type) in characters of it, without overlap. One with an edge inside a word is
                unreachable.
        """
        return cls._placed(text, split_words(text), entities, snap=False)

    @classmethod
    def cut_at_entities(cls, text: str, entities: Iterable[Mark]) -> Sentence:
        """Cut a text into words also where entities begin and end: for learning, never for what is scored.

        White space and signs without width at an entity's ends belong to no word, and so not to it.

        Raises:
            KeyError: An entity has nothing else.
        """
        entities = [(*ink(text, start, end), type) for start, end, type in entities]
        words = split_words(text, cuts=[edge for start, end, _ in entities for edge in (start, end)])
        first = {start: i for i, (start, _) in enumerate(words)}
        after = {end: i + 1 for i, (_, end) in enumerate(words)}
        return cls(text, words, [Span(first[start], after[end], type) for start, end, type in entities])

    def cut_anew(self) -> Sentence:
        """The same text and entities with the words that the text alone gives, as a text to predict on has them."""
        return Sentence.from_text(self.text, [entity[:3] for entity in self.entities])

    def snapped(self) -> Sentence:
        """The same words, with each unreachable entity grown to the edges of words, where no other entity is."""
        return self._placed(self.text, self.words, [entity[:3] for entity in self.entities], snap=True)

    @classmethod
    def _placed(cls, text: str, words: Sequence[tuple[int, int]], entities: Iterable[Mark], *, snap: bool) -> Sentence:
        spans, others = _place(words, sorted(entities), snap)
        return cls(text, words, spans, [Entity(*mark, text[mark[0] : mark[1]]) for mark in others])

    @property
    def word_texts(self) -> list[str]:
        """The words as strings."""
        return [self.text[start:end] for start, end in self.words]

    @property
    def entities(self) -> list[Entity]:
        """All entities with character offsets, ascending, those that no span of words can be among them."""
        return sorted([*map(self.entity, self.spans), *self.unreachable], key=lambda entity: entity[:3])

    @property
    def gold(self) -> list[Span | Entity]:
        """What evaluation asks for: the spans, then the entities that none can be."""
        return [*self.spans, *self.unreachable]

    def entity(self, span: Span | Entity, score: float | None = None) -> Entity:
        """Turn a span of words into an entity with character offsets; an entity is returned as it is."""
        if isinstance(span, Entity):
            return span
        start = self.words[span.start][0]
        end = self.words[span.end - 1][1]
        return Entity(start, end, span.type, self.text[start:end], score)

    def with_spans(self, spans: Iterable[Span]) -> Sentence:
        """The same words with other entities in the place of all."""
        return Sentence(self.text, self.words, spans)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sentence) and self._parts() == other._parts()

    def __hash__(self) -> int:
        return hash(self._parts())

    def _parts(self) -> tuple[object, ...]:
        return self.text, self.words, self.spans, self.unreachable

    def __repr__(self) -> str:
        return f"Sentence({self.text!r}, {len(self.words)} words, {list(self.spans)!r})"


def _place(words: Sequence[tuple[int, int]], marks: Iterable[Mark], snap: bool) -> tuple[list[Span], list[Mark]]:
    """The spans of marks whose edges are edges of words (or are moved there), and the other marks."""
    first = {start: i for i, (start, _) in enumerate(words)}
    after = {end: i + 1 for i, (_, end) in enumerate(words)}
    spans: list[Span] = []
    others: list[Mark] = []
    for start, end, type_ in marks:
        i = first.get(start)
        j = after.get(end)
        if snap and (i is None or j is None):
            i = bisect_right(words, start, key=lambda word: word[1])
            j = bisect_left(words, end, key=lambda word: word[0])
        if i is None or j is None or i >= j or (spans and i < spans[-1].end):
            others.append((start, end, type_))
        else:
            spans.append(Span(i, j, type_))
    return spans, others


def _check_ascending(pairs: Sequence[tuple[int, int]], limit: int, noun: str) -> None:
    previous = 0
    for start, end in pairs:
        if not previous <= start < end <= limit:
            raise CorpusError(f"{noun} ({start}, {end}) overlaps another, is empty, or lies outside 0..{limit}")
        previous = end


def reading_of(sentence: Sentence, answer: Answer) -> Reading:
    """An answer with its entities in characters; uncalibrated, its probability is that of having been written."""
    entities = [sentence.entity(one.span, one.score) for one in answer]
    return Reading(entities, math.exp(answer.log) if answer.score is None else answer.score)


def type_set_of(sentence: Sentence, prediction: Prediction, reach: float) -> TypeSet:
    """An entity with the fewest types whose shares sum to at least `reach`; with all if none do."""
    shares: dict[str, float] = {}
    for type_, share in prediction.shares:
        if sum(shares.values()) < reach:
            shares[type_] = share
    return TypeSet(sentence.entity(prediction.span, prediction.score), shares)


def utf16(text: str, entities: Iterable[Entity]) -> list[Entity]:
    """Entities whose offsets count UTF-16 units, as JavaScript and Java do."""
    before = [0]
    for letter in text:
        before.append(before[-1] + (2 if ord(letter) > 0xFFFF else 1))
    return [entity._replace(start=before[entity.start], end=before[entity.end]) for entity in entities]
