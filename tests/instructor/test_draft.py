"""Drafts guess what is likely; that they guess only what is allowed is tested with the grammar."""

from __future__ import annotations

import pytest

from cpner.corpus.sentence import Sentence
from cpner.instructor import Instructor
from cpner.instructor.draft import Draft
from cpner.instructor.grammar import Grammar


@pytest.mark.parametrize(
    ("text", "guessed"),
    [
        ("Ada Lovelace met Babbage in London", "Lovelace ) ( person : Babbage ) ( person : London ) ("),
        ("Ada met Babbage and babbage", ") ( person : Babbage ) ("),  # whose type, and where, nobody knows
        ("Ada met babbage", ") ("),
    ],
)
def test_guess_is_of_capital_words_and_the_type_before(lexicon, text, guessed):
    signs = {"(": (lexicon.open,), ")": (lexicon.close,), ":": (lexicon.colon,)}
    source = Instructor(lexicon, ["location", "person"]).source(Sentence.from_words(text.split()))
    grammar = Grammar(source)
    draft = Draft(source, grammar)
    state, written = grammar.start(), []
    for piece in [
        lexicon.open,
        lexicon.open,
        *lexicon.word("person"),
        lexicon.colon,
        *lexicon.word("Ada"),
    ]:
        state, _ = grammar.advance(state, *grammar.index([piece]))
    while (chosen := draft.guess(state, grammar.allowed(state))) is not None:
        state, _ = grammar.advance(state, chosen)
        written.append(grammar.candidates[chosen])

    assert written == [piece for word in guessed.split() for piece in signs.get(word) or lexicon.word(word)]
