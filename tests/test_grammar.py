"""The grammar reads the template back: what the instructor writes it allows, and only what it allows is well-formed.

The reading of a target: mention by mention, the first slice of whole words, not before the previous mention's end,
that has the mention's pieces; of types with the same pieces, the first. `reading` says so in plain Python.
"""

from __future__ import annotations

import random

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cpner.corpus.sentence import Sentence, Span
from cpner.grammar import Closed, Grammar, parse, word_span
from cpner.instructor import Instructor, Source, Vocabulary
from tests.strategies import TYPES, WORDS, sentencepiece_tokenizer, tasks

BATCHES = st.lists(tasks(), min_size=1, max_size=3)


@pytest.fixture(scope="module", params=["own", "sentencepiece"])
def vocabulary(request, tiny) -> Vocabulary:
    return tiny.vocabulary if request.param == "own" else Vocabulary(sentencepiece_tokenizer())


@pytest.fixture(scope="module")
def own(tiny) -> Vocabulary:
    return tiny.vocabulary


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


def collect(found: list[list[Span]], sources: list[Source], closed: Closed) -> None:
    for row, type_, start, end in zip(*(part.tolist() for part in closed), strict=True):
        words = sources[row].word_of
        assert start == 0 or words[start - 1] != words[start]
        assert end == len(words) or words[end] != words[end - 1]
        found[row].append(word_span(sources[row], start, end, type_))


def walk(sources: list[Source], targets: list[list[int]], vocabulary: Vocabulary) -> list[list[Span]]:
    """Follow targets through the grammar: every piece must be allowed, and nothing after the end."""
    grammar = Grammar.build(sources, vocabulary)
    chosen = grammar.index(targets, vocabulary)
    found: list[list[Span]] = [[] for _ in sources]
    for step, (allowed, closed) in enumerate(grammar.walk(chosen)):
        for row, target in enumerate(targets):
            assert allowed[row, chosen[row, step]] if step < len(target) else not allowed[row].any()
        assert not (allowed & ~grammar.real).any()
        collect(found, sources, closed)
    return found


@given(batch=BATCHES)
@example(batch=[([], Sentence("", []))])
@example(batch=[(["person"], Sentence("", [])), (["person"], Sentence.from_words(["Ada"], [Span(0, 1, "person")]))])
def test_target_walks_through_the_grammar_to_its_reading(vocabulary, batch):
    instructor = Instructor(vocabulary)
    sources = [instructor.source(sentence, types) for types, sentence in batch]
    targets = [instructor.target(source, sentence) for source, (_, sentence) in zip(sources, batch, strict=True)]
    expected = [reading(sentence, types, vocabulary) for types, sentence in batch]

    assert walk(sources, targets, vocabulary) == expected
    for source, target, spans in zip(sources, targets, expected, strict=True):
        assert parse(target, source, vocabulary) == (spans, 0, 0)


# With pieces of their own: special tokens are all unknown, a letter is the same in every form, marks join words.
DISTINCT = [word for word in WORDS if word not in ("<pad>", "<unk>", "e\u0301", "▁", "▁(", "<0x41>")]


@settings(max_examples=40)
@given(words=st.permutations(DISTINCT), data=st.data())
def test_target_of_distinct_words_gives_its_entities_exactly(own, words, data):
    assert len({own.word(word) for word in words}) == len(words)
    edges = sorted(data.draw(st.sets(st.integers(0, len(words)))))
    spans = [Span(a, b, data.draw(st.sampled_from(TYPES))) for a, b in zip(edges[::2], edges[1::2], strict=False)]
    sentence = Sentence.from_words(words, spans)
    source = Instructor(own).source(sentence, TYPES)
    target = Instructor(own).target(source, sentence)

    assert walk([source], [target], own) == [spans]
    assert parse(target, source, own).spans == spans


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
def test_repeated_mention_is_the_first_after_the_previous_one(own, gold, read):
    sentence = Sentence.from_words(
        ["Joseph", "met", "Joseph", "and", "Joseph"], [Span(a, b, "person") for a, b in gold]
    )
    source = Instructor(own).source(sentence, ["person"])
    target = Instructor(own).target(source, sentence)
    expected = [Span(a, b, "person") for a, b in read]

    assert walk([source], [target], own) == [expected]
    assert parse(target, source, own) == (expected, 0, 0)


def wander(sources: list[Source], vocabulary: Vocabulary, seeds: list[int]) -> tuple[list[list[int]], list[list[Span]]]:
    """Choose at random among what is allowed until every row is done; each row has its own dice."""
    grammar, dice = Grammar.build(sources, vocabulary), [random.Random(seed) for seed in seeds]
    written: list[list[int]] = [[] for _ in sources]
    found: list[list[Span]] = [[] for _ in sources]
    state = grammar.start()
    longest = max(len(pieces) for source in sources for pieces in [[], *source.type_pieces])
    most = max(3 + len(set(source.word_of)) * (3 + longest) + len(source.pieces) for source in sources)
    for _ in range(most + 1):
        allowed = grammar.allowed(state)
        if not allowed.any():
            return written, found
        choices = [row.nonzero()[:, 0].tolist() for row in allowed]
        chosen = torch.tensor([d.choice(c) if c else 0 for d, c in zip(dice, choices, strict=True)])
        for row in range(len(sources)):
            if choices[row]:
                written[row].append(int(grammar.candidates[row, chosen[row]]))
        state, closed = grammar.advance(state, chosen)
        collect(found, sources, closed)
    raise AssertionError("not ended within the bound")


@settings(max_examples=50)
@given(batch=BATCHES, seed=st.integers(0, 2**32))
def test_random_walk_ends_in_a_well_formed_target(vocabulary, batch, seed):
    sources = [Instructor(vocabulary).source(sentence, types) for types, sentence in batch]
    written, found = wander(sources, vocabulary, [seed + row for row in range(len(batch))])

    for (_, sentence), source, ids, spans in zip(batch, sources, written, found, strict=True):
        assert ids[0] == vocabulary.open and ids[-2:] == [vocabulary.close, vocabulary.eos]
        assert list(sentence.with_spans(spans).spans) == sorted(spans)  # without overlap, in any order
        assert parse(ids, source, vocabulary) == (sorted(spans), 0, 0)


def test_decoder_may_go_back_to_words_that_it_skipped(own):
    sentence = Sentence.from_words(["Ada", "met", "Charles"])
    source = Instructor(own).source(sentence, ["person"])
    person, ada, charles = (list(own.word(word)) for word in ("person", "Ada", "Charles"))
    first, second = ([own.open, *person, own.colon, *name, own.close] for name in (charles, ada))
    target = [own.open, *first, *second, own.close, own.eos]
    grammar = Grammar.build([source], own)
    chosen = grammar.index([target], own)

    closed = []
    for t, (allowed, done) in enumerate(grammar.walk(chosen)):
        assert allowed[0, chosen[0, t]]
        closed += [word_span(source, a, b, y) for _, y, a, b in zip(*(p.tolist() for p in done), strict=True)]

    assert closed == [Span(2, 3, "person"), Span(0, 1, "person")]
    assert parse(target, source, own).spans == sorted(closed)


@settings(max_examples=30)
@given(batch=BATCHES, seed=st.integers(0, 2**32))
def test_rows_of_a_batch_are_independent(own, batch, seed):
    sources = [Instructor(own).source(sentence, types) for types, sentence in batch]
    seeds = [seed + row for row in range(len(batch))]
    written, found = wander(sources, own, seeds)

    for source, row_seed, ids, spans in zip(sources, seeds, written, found, strict=True):
        assert wander([source], own, [row_seed]) == ([ids], [spans])


def test_type_that_begins_another_may_end_or_go_on(own):
    sentence = Sentence.from_words(["Ada"])
    source = Instructor(own).source(sentence, ["person", "person name"])
    grammar = Grammar.build([source], own)
    start = [own.open, own.open, *own.word("person")]
    *_, (allowed, _) = grammar.walk(grammar.index([[*start, own.colon]], own))

    assert set(grammar.candidates[allowed].tolist()) == {own.colon, own.word("name")[0]}


def test_without_words_or_types_nothing_can_be_opened(own):
    instructor = Instructor(own)
    sources = [
        instructor.source(Sentence("", []), ["person"]),
        instructor.source(Sentence.from_words(["Ada"]), []),
    ]

    assert wander(sources, own, [0, 0]) == ([[own.open, own.close, own.eos]] * 2, [[], []])


@given(task=tasks(), data=st.data())
def test_parse_accepts_any_pieces_and_invents_nothing(own, task, data):
    types, sentence = task
    source = Instructor(own).source(sentence, types)
    signs = [own.open, own.close, own.colon, own.comma]
    known = st.sampled_from([*signs, *source.pieces, *(piece for pieces in source.type_pieces for piece in pieces)])
    ids = data.draw(st.lists(known | st.integers(-3, own.size + 3), max_size=40))
    parsed = parse(ids, source, own)

    assert {span.type for span in parsed.spans} <= set(types)
    assert list(sentence.with_spans(parsed.spans).spans) == parsed.spans
    assert len(parsed.spans) + parsed.malformed + parsed.unknown <= ids.count(own.open)


def test_parse_counts_what_it_drops(own):
    sentence = Sentence.from_words(["Ada", "met", "Charles", "Babbage"])
    source = Instructor(own).source(sentence, ["person"])
    o, c, colon = own.open, own.close, own.colon
    person, ada, charles = own.word("person"), own.word("Ada"), own.word("Charles")

    def parsed(*parts: tuple[int, ...]) -> tuple[list[Span], int, int]:
        return parse([o, *(piece for part in parts for piece in part), c, own.eos], source, own)

    assert parsed((o, *person, colon, *charles, c), (o, *person, colon, *ada, c)) == (
        [Span(0, 1, "person"), Span(2, 3, "person")], 0, 0,
    )  # out of order  # fmt: skip
    assert parsed((o, *person, colon, *ada, c), (o, *person, colon, *ada, c)) == ([Span(0, 1, "person")], 0, 1)
    assert parsed((o, *own.word("song"), colon, *ada, c)) == ([], 0, 1)
    assert parsed((o, *person, *ada, c)) == ([], 1, 0)
    assert parsed((o, *person, colon, *ada)) == ([Span(0, 1, "person")], 0, 0)  # never closed
    assert parsed() == ([], 0, 0)
