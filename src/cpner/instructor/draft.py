"""Drafts: what a model will probably write next, so that one pass of it can verify several pieces."""

from __future__ import annotations

from cpner.instructor.bits import least, set_of
from cpner.instructor.grammar import DONE, LAST, LIST, TYPE, Grammar, State
from cpner.instructor.instructor import Source
from cpner.instructor.options import CLOSE, OPEN


class Draft:
    """Guesses candidates of one source.

    What must come does come. Another entity of the same type follows where one can, at the next word with a capital
    letter, if there is one. A mention ends where it can, unless such a word is next.
    """

    def __init__(self, source: Source, grammar: Grammar) -> None:
        self.grammar = grammar
        self.paths = source.options.tree.paths
        capital = {i for i, word in enumerate(source.words) if word[:1].isupper()}  # as names often begin
        self.capitals = set_of(i for i, word in enumerate(source.word_of) if word in capital) & grammar.word_starts

    def guess(self, state: State, allowed: int) -> int | None:
        """A candidate that is likely next, of the set that is allowed; None where nothing is known."""
        if state.mode in (LAST, DONE):
            return None
        if allowed & (allowed - 1) == 0:
            return least(allowed)
        if state.mode == LIST:
            return OPEN if allowed >> OPEN & 1 else None
        names = self.capitals & state.free
        ahead = names >> state.after << state.after
        if state.mode == TYPE:
            return self.paths[state.type].get(state.name) if ahead and state.type >= 0 else None
        adjacent = names & (state.ends & self.grammar.word_ends) << 1
        if name := adjacent if state.depth else ahead:
            return self.grammar.sentence[least(name)]
        return CLOSE if allowed >> CLOSE & 1 else None
