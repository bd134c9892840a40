"""The template read backwards: an automaton that allows only well-formed targets (section 3.2).

    target   = "(" entity* ")" end
    entity   = "(" type ":" mention ")"
    type     = one of the options
    mention  = a slice of the sentence's words that no mention has taken

The automaton never deals with the whole vocabulary. A sentence has a short list of *candidates*, the distinct pieces of
the template, its words and its options. Sets of candidates and of positions in the sentence are integers: bit i is set
where i belongs to the set. What has been copied so far is a set of positions, so that offsets fall out of decoding:
nothing is searched for afterwards. No tensors: a step is a few operations on integers, and a model on a GPU is asked
once for what it chose.

Reading: mentions don't overlap. Targets list them in order of appearance, but the decoder may go back to an entity that
it has skipped. Of several places that the copied pieces fit, the first one after the previous mention is meant, else
the first. An entity that the sentence repeats is written once for each place.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from cpner.corpus.sentence import Span
from cpner.instructor.bits import least, set_of
from cpner.instructor.instructor import Source
from cpner.instructor.options import CLOSE, COLON, END, OPEN

BEGIN, LIST, TYPE, MENTION, LAST, DONE = range(6)  # what the next piece may be


class State(NamedTuple):
    """Where a target stands."""

    mode: int
    free: int  # positions that no mention has taken
    after: int = 0  # position after the previous mention
    name: int = 0  # node of the types' names that has been reached
    type: int = -1  # of the current mention, else of the previous one
    depth: int = 0  # pieces of the current mention so far
    ends: int = 0  # positions at which a slice that equals the mention so far ends


class Mention(NamedTuple):
    """An entity that was closed: the index of its type and its slice of sentence pieces."""

    type: int
    start: int
    end: int


class Grammar:
    """What may be written for one source.

    Attributes:
        candidates: ids of the pieces that may be written; a candidate's number is its place here.
        sentence: for each piece of the sentence its candidate.
        word_starts: the set of positions in the sentence where a word begins.
        word_ends: the set of positions where a word has its last piece.
    """

    def __init__(self, source: Source) -> None:
        numbers = dict(source.options.numbers)
        words = source.word_of
        self.sentence = [numbers.setdefault(piece, len(numbers)) for piece in source.pieces]
        self.word_starts = set_of(i for i, word in enumerate(words) if i == 0 or words[i - 1] != word)
        self.word_ends = (self.word_starts | 1 << len(words)) >> 1
        self._places = [0] * len(numbers)  # of each candidate in the sentence
        for i, candidate in enumerate(self.sentence):
            self._places[candidate] |= 1 << i
        self._options = source.options
        self._numbers = numbers
        self.candidates = list(numbers)

    def start(self) -> State:
        """The state before the first piece."""
        return State(BEGIN, free=(1 << len(self.sentence)) - 1)

    def allowed(self, state: State) -> int:
        """Candidates that may come next; none when the target is done."""
        if state.mode == MENTION:
            return self._pieces(self._copied(state)) | bool(state.ends & self.word_ends) << CLOSE
        if state.mode == TYPE:
            return self._options.tree.allowed[state.name]
        if state.mode == LIST:
            return 1 << CLOSE | bool(self._options.types and self.word_starts & state.free) << OPEN
        return {BEGIN: 1 << OPEN, LAST: 1 << END, DONE: 0}[state.mode]

    def advance(self, state: State, chosen: int) -> tuple[State, Mention | None]:
        """Write a candidate, which must be allowed; the mention that it closes, if it does."""
        mode, free, after, name, type_, depth, ends = state
        if mode == MENTION and chosen != CLOSE:
            return State(MENTION, free, after, name, type_, depth + 1, self._copied(state) & self._places[chosen]), None
        if mode == MENTION:
            fits = ends & self.word_ends
            later = fits >> (after + depth - 1) << (after + depth - 1)
            end = least(later or fits) + 1
            start = end - depth
            return State(LIST, free & ~((1 << end) - (1 << start)), end, type=type_), Mention(type_, start, end)
        if mode == TYPE:
            to = self._options.tree.nodes[name][chosen]
            return State(MENTION, free, after, 0, to) if chosen == COLON else State(TYPE, free, after, to, type_), None
        if mode == LIST:
            return State(TYPE if chosen == OPEN else LAST, free, after, 0, type_), None
        return State(LIST if mode == BEGIN else DONE, free, after), None

    def index(self, pieces: Iterable[int]) -> list[int]:
        """The candidates that these pieces are. Every piece must be one."""
        return [self._numbers[piece] for piece in pieces]

    def _copied(self, state: State) -> int:
        """Positions that the mention may go on at."""
        return (state.ends << 1 if state.depth else self.word_starts) & state.free

    def _pieces(self, places: int) -> int:
        """Candidates that stand at these positions."""
        candidates = 0
        while places:
            candidates |= 1 << self.sentence[least(places)]
            places &= places - 1
        return candidates


def word_span(source: Source, mention: Mention) -> Span:
    """The mention as a span of words."""
    return Span(source.word_of[mention.start], source.word_of[mention.end - 1] + 1, source.options.types[mention.type])
