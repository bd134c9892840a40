"""Sentences of words with character offsets, and entities as spans of words (section 3.1)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from cpner.corpus.words import split_words
from cpner.errors import CorpusError


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
    """An entity that was recognised: its words, and its probability given what was written before it, in [0, 1]."""

    span: Span
    score: float


class Sentence:
    """A text, its words as character offsets, and its entities as spans of words.

    Args:
        text: The sentence as it stands in its source.
        words: (start, end) of each word in characters of `text`, ascending, without overlap.
        spans: The entities, ascending, without overlap; types in words ("political party").

    Raises:
        CorpusError: Words or spans overlap, are empty, or lie outside the text.
    """

    __slots__ = ("spans", "text", "words")

    def __init__(self, text: str, words: Iterable[tuple[int, int]], spans: Iterable[Span] = ()) -> None:
        self.text = text
        self.words = tuple(words)
        self.spans = tuple(sorted(Span(*span) for span in spans))
        _check_ascending(self.words, len(text), "word")
        _check_ascending([(s.start, s.end) for s in self.spans], len(self.words), "entity")

    @classmethod
    def from_words(cls, words: Sequence[str], spans: Iterable[Span] = ()) -> Sentence:
        """Join words with single blanks into a text, as CoNLL files need."""
        offsets, position = [], 0
        for word in words:
            offsets.append((position, position + len(word)))
            position += len(word) + 1
        return cls(" ".join(words), offsets, spans)

    @classmethod
    def from_text(cls, text: str, entities: Iterable[tuple[int, int, str]] = ()) -> Sentence:
        """Cut a text into words, also where entities begin and end: (start, end, type) in characters of it."""
        entities = list(entities)
        words = split_words(text, cuts=[edge for start, end, _ in entities for edge in (start, end)])
        first = {start: i for i, (start, _) in enumerate(words)}
        after = {end: i + 1 for i, (_, end) in enumerate(words)}
        return cls(text, words, [Span(first[start], after[end], type) for start, end, type in entities])

    @property
    def word_texts(self) -> list[str]:
        """The words as strings."""
        return [self.text[start:end] for start, end in self.words]

    @property
    def entities(self) -> list[Entity]:
        """The entities with character offsets."""
        return [self.entity(span) for span in self.spans]

    def entity(self, span: Span, score: float | None = None) -> Entity:
        """Turn a span of words into an entity with character offsets."""
        start, end = self.words[span.start][0], self.words[span.end - 1][1]
        return Entity(start, end, span.type, self.text[start:end], score)

    def with_spans(self, spans: Iterable[Span]) -> Sentence:
        """The same words with other entities."""
        return Sentence(self.text, self.words, spans)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sentence) and (self.text, self.words, self.spans) == (
            other.text,
            other.words,
            other.spans,
        )

    def __hash__(self) -> int:
        return hash((self.text, self.words, self.spans))

    def __repr__(self) -> str:
        return f"Sentence({self.text!r}, {len(self.words)} words, {list(self.spans)!r})"


def _check_ascending(pairs: Sequence[tuple[int, int]], limit: int, noun: str) -> None:
    previous = 0
    for start, end in pairs:
        if not previous <= start < end <= limit:
            raise CorpusError(f"{noun} ({start}, {end}) overlaps another, is empty, or lies outside 0..{limit}")
        previous = end
