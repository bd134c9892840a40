"""The grammar reads the template back: what the instructor writes it allows, and only what it allows is well-formed.

The reading of a target: mention by mention, the first slice of whole words, not before the previous mention's end,
that has the mention's pieces; of types with the same pieces, the first. `reading` says so in plain Python.
"""

from __future__ import annotations

import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cpner.corpus.sentence import Sentence, Span
from cpner.instructor import Instructor, Source, Vocabulary
from cpner.instructor.draft import Draft
from cpner.instructor.grammar import Grammar, Mention, word_span
from cpner.instructor.parse import parse
from tests.strategies import TYPES, WORDS, tasks


def reading(sentence: Sentence, types: list[str], vocabulary: Vocabulary) -> list[Span]:
    """The spans that a sentence's target means."""
    words = [vocabulary.word(word) for word in sentence.word_texts]
    read: list[Span] = []
    for span in sentence.spans:
        mention = sum(words[span.start : span.end], ())
        start, end = next(
            (a, b)
            for a in range(read[-1].end if read else 0, len(words))
            for b in range(a + 1, len(words) + 1)
            if sum(words[a:b], ()) == mention
        )
        name = vocabulary.phrase(span.type)
        read.append(Span(start, end, next(type for type in types if vocabulary.phrase(type) == name)))
    return read


def members(numbers: int) -> list[int]:
    """The numbers of a set."""
    return [i for i in range(numbers.bit_length()) if numbers >> i & 1]


def span_of(source: Source, mention: Mention) -> Span:
    """The mention's span, which must be of whole words."""
    words, start, end = source.word_of, mention.start, mention.end
    assert start == 0 or words[start - 1] != words[start]
    assert end == len(words) or words[end] != words[end - 1]
    return word_span(source, mention)


def walk(source: Source, target: list[int]) -> list[Span]:
    """Follow a target through the grammar: every piece must be allowed, and nothing after the end."""
    grammar = Grammar(source)
    state, found = grammar.start(), []
    for candidate in grammar.index(target):
        allowed = members(grammar.allowed(state))
        assert candidate in allowed and allowed[-1] < len(grammar.candidates)
        state, mention = grammar.advance(state, candidate)
        found += [] if mention is None else [span_of(source, mention)]
    assert not grammar.allowed(state)
    return found


@given(task=tasks())
@example(task=([], Sentence("", [])))
@example(task=(["person"], Sentence("", [])))
@example(task=(["person"], Sentence.from_words(["Ada"], [Span(0, 1, "person")])))
def test_target_walks_through_the_grammar_to_its_reading(vocabulary, task):
    types, sentence = task
    prompt = Instructor(vocabulary, types)
    source = prompt.source(sentence)
    target = prompt.target(source, sentence)
    expected = reading(sentence, types, vocabulary)

    assert walk(source, target) == expected
    assert parse(target, source, vocabulary) == (expected, 0, 0)


# With pieces of their own: special tokens are all unknown, a letter is the same in every form, marks join words.
DISTINCT = [word for word in WORDS if word not in ("<pad>", "<unk>", "e\u0301", "▁", "▁(", "<0x41>")]


@settings(max_examples=40)
@given(words=st.permutations(DISTINCT), data=st.data())
def test_target_of_distinct_words_gives_its_entities_exactly(lexicon, words, data):
    assert len({lexicon.word(word) for word in words}) == len(words)
    edges = sorted(data.draw(st.sets(st.integers(0, len(words)))))
    spans = [Span(a, b, data.draw(st.sampled_from(TYPES))) for a, b in zip(edges[::2], edges[1::2], strict=False)]
    sentence = Sentence.from_words(words, spans)
    prompt = Instructor(lexicon, TYPES)
    source = prompt.source(sentence)
    target = prompt.target(source, sentence)

    assert walk(source, target) == spans
    assert parse(target, source, lexicon).spans == spans


@pytest.mark.parametrize(
    ("gold", "read"),
    [
        ([(0, 1), (2, 3)], [(0, 1), (2, 3)]),  # both places: told apart by being written twice
        ([(2, 3)], [(0, 1)]),  # only the second: the first is meant
        ([(1, 2), (2, 3)], [(1, 2), (2, 3)]),  # what stands between makes the second the first one after it
        ([(2, 3), (4, 5)], [(0, 1), (2, 3)]),  # an early reading never blocks a later mention
        ([(2, 5)], [(2, 5)]),  # a longer mention that begins alike
    ],
)
def test_repeated_mention_is_the_first_after_the_previous_one(lexicon, gold, read):
    sentence = Sentence.from_words(
        ["Joseph", "met", "Joseph", "and", "Joseph"], [Span(a, b, "person") for a, b in gold]
    )
    prompt = Instructor(lexicon, ["person"])
    source = prompt.source(sentence)
    target = prompt.target(source, sentence)
    expected = [Span(a, b, "person") for a, b in read]

    assert walk(source, target) == expected
    assert parse(target, source, lexicon) == (expected, 0, 0)


def wander(source: Source, seed: int) -> tuple[list[int], list[Span]]:
    """Choose at random among what is allowed until the target is done."""
    grammar, dice = Grammar(source), random.Random(seed)
    draft = Draft(source, grammar)
    state, written, found = grammar.start(), [], []
    longest = max(len(pieces) for pieces in [[], *source.options.pieces])
    for _ in range(3 + len(set(source.word_of)) * (3 + longest) + len(source.pieces)):
        allowed = grammar.allowed(state)
        assert draft.guess(state, allowed) in (None, *members(allowed))
        chosen = dice.choice(members(allowed))
        written.append(grammar.candidates[chosen])
        state, mention = grammar.advance(state, chosen)
        found += [] if mention is None else [span_of(source, mention)]
        if not grammar.allowed(state):
            return written, found
    raise AssertionError("not ended within the bound")


@settings(max_examples=150)
@given(task=tasks(), seed=st.integers(0, 2**32))
def test_random_walk_ends_in_a_well_formed_target(vocabulary, task, seed):
    types, sentence = task
    source = Instructor(vocabulary, types).source(sentence)
    ids, spans = wander(source, seed)

    assert ids[0] == vocabulary.open and ids[-2:] == [vocabulary.close, vocabulary.eos]
    assert list(sentence.with_spans(spans).spans) == sorted(spans)  # without overlap, in any order
    assert parse(ids, source, vocabulary) == (sorted(spans), 0, 0)


def test_decoder_may_go_back_to_words_that_it_skipped(lexicon):
    sentence = Sentence.from_words(["Ada", "met", "Charles"])
    source = Instructor(lexicon, ["person"]).source(sentence)
    person, ada, charles = (list(lexicon.word(word)) for word in ("person", "Ada", "Charles"))
    first, second = ([lexicon.open, *person, lexicon.colon, *name, lexicon.close] for name in (charles, ada))
    target = [lexicon.open, *first, *second, lexicon.close, lexicon.eos]
    closed = walk(source, target)

    assert closed == [Span(2, 3, "person"), Span(0, 1, "person")]
    assert parse(target, source, lexicon).spans == sorted(closed)


def test_type_that_begins_another_may_end_or_go_on(lexicon):
    sentence = Sentence.from_words(["Ada"])
    source = Instructor(lexicon, ["person", "person name"]).source(sentence)
    grammar = Grammar(source)
    state = grammar.start()
    for chosen in grammar.index([lexicon.open, lexicon.open, *lexicon.word("person")]):
        state, _ = grammar.advance(state, chosen)

    assert {grammar.candidates[i] for i in members(grammar.allowed(state))} == {
        lexicon.colon,
        lexicon.word("name")[0],
    }


def test_without_words_or_types_nothing_can_be_opened(lexicon):
    wordless = Instructor(lexicon, ["person"]).source(Sentence("", []))
    untyped = Instructor(lexicon, []).source(Sentence.from_words(["Ada"]))

    for source in (wordless, untyped):
        assert wander(source, 0) == ([lexicon.open, lexicon.close, lexicon.eos], [])
