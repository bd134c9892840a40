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

Reading: mentions don't overlap. Targets list them in order of appearance, but the decoder may go back: a model that
has skipped an entity would otherwise have to name what is left at the end. Of several places that the copied pieces
fit, the first one after the previous mention is meant, else the first; an entity that is repeated is told apart by
being written again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from cpner.corpus.sentence import Span
from cpner.instructor.instructor import Source
from cpner.instructor.vocabulary import Vocabulary

OPEN, CLOSE, COLON, END = range(4)  # the template's candidates, the same in every sentence
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
    """

    def __init__(self, source: Source, vocabulary: Vocabulary) -> None:
        template = (vocabulary.open, vocabulary.close, vocabulary.colon, vocabulary.eos)
        number = {piece: i for i, piece in enumerate(template)}
        words = source.word_of
        self._sentence = [number.setdefault(piece, len(number)) for piece in source.pieces]
        self._word_starts = _set(i for i, word in enumerate(words) if i == 0 or words[i - 1] != word)
        self._word_ends = _set(i for i, word in enumerate(words) if i + 1 == len(words) or words[i + 1] != word)
        capitals = _set(i for i, word in enumerate(words) if word in source.capital_words)
        self._capitals = capitals & self._word_starts
        self._names: list[dict[int, int]] = [{}]  # a tree: candidates lead from node to node, and COLON to a type
        self._paths: list[dict[int, int]] = []  # for each type, at each node on its way the next candidate
        for type_, pieces in enumerate(source.type_pieces):
            node, path = 0, {}
            for piece in pieces:
                path[node] = number.setdefault(piece, len(number))
                if path[node] not in self._names[node]:
                    self._names[node][path[node]] = len(self._names)
                    self._names.append({})
                node = self._names[node][path[node]]
            self._names[node].setdefault(COLON, type_)
            self._paths.append(path | {node: COLON})
        self._following = [_set(node) for node in self._names]
        self._places = [0] * len(number)  # of each candidate in the sentence
        for i, candidate in enumerate(self._sentence):
            self._places[candidate] |= 1 << i
        self._number = number
        self.candidates = list(number)

    def start(self) -> State:
        """The state before the first piece."""
        return State(BEGIN, free=(1 << len(self._sentence)) - 1)

    def allowed(self, state: State) -> int:
        """Candidates that may come next; none when the target is done."""
        if state.mode == MENTION:
            return self._pieces(self._copied(state)) | bool(state.ends & self._word_ends) << CLOSE
        if state.mode == TYPE:
            return self._following[state.name]
        if state.mode == LIST:
            return 1 << CLOSE | bool(self._names[0] and self._word_starts & state.free) << OPEN
        return {BEGIN: 1 << OPEN, LAST: 1 << END, DONE: 0}[state.mode]

    def advance(self, state: State, chosen: int) -> tuple[State, Mention | None]:
        """Write a candidate, which must be allowed; the mention that it closes, if it does."""
        mode, free, after, name, type_, depth, ends = state
        if mode == MENTION and chosen != CLOSE:
            return State(MENTION, free, after, name, type_, depth + 1, self._copied(state) & self._places[chosen]), None
        if mode == MENTION:
            fits = ends & self._word_ends
            later = fits >> (after + depth - 1) << (after + depth - 1)
            end = _first(later or fits) + 1
            start = end - depth
            return State(LIST, free & ~((1 << end) - (1 << start)), end, type=type_), Mention(type_, start, end)
        if mode == TYPE:
            to = self._names[name][chosen]
            return State(MENTION, free, after, 0, to) if chosen == COLON else State(TYPE, free, after, to, type_), None
        if mode == LIST:
            return State(TYPE if chosen == OPEN else LAST, free, after, 0, type_), None
        return State(LIST if mode == BEGIN else DONE, free, after), None

    def guess(self, state: State, allowed: int) -> int | None:
        """A candidate that is likely next, of what is allowed; None where nothing is known.

        What must come does come. Another entity follows where one can, of the same type and at the next word with a
        capital letter, if there is one; a mention ends where it can, unless such a word is next.
        """
        if state.mode in (LAST, DONE):
            return None
        if allowed & (allowed - 1) == 0:
            return _first(allowed)
        if state.mode == LIST:
            return OPEN if allowed >> OPEN & 1 else None
        names = self._capitals & state.free
        ahead, next_ = names >> state.after << state.after, names & (state.ends & self._word_ends) << 1
        if state.mode == TYPE:
            return self._paths[state.type].get(state.name) if ahead and state.type >= 0 else None
        if name := next_ if state.depth else ahead:
            return self._sentence[_first(name)]
        return CLOSE if allowed >> CLOSE & 1 else None

    def index(self, pieces: Iterable[int]) -> list[int]:
        """The candidates that these pieces are. Every piece must be one."""
        return [self._number[piece] for piece in pieces]

    def _copied(self, state: State) -> int:
        """Positions that the mention may go on at."""
        return (state.ends << 1 if state.depth else self._word_starts) & state.free

    def _pieces(self, places: int) -> int:
        """Candidates that stand at these positions."""
        found = 0
        while places:
            found |= 1 << self._sentence[_first(places)]
            places &= places - 1
        return found


def word_span(source: Source, mention: Mention) -> Span:
    """The mention as a span of words."""
    return Span(source.word_of[mention.start], source.word_of[mention.end - 1] + 1, source.types[mention.type])


def _set(numbers: Iterable[int]) -> int:
    """A set as an integer."""
    return sum(1 << number for number in numbers)  # they differ


def _first(numbers: int) -> int:
    """The least number of a set that is not empty."""
    return (numbers & -numbers).bit_length() - 1
