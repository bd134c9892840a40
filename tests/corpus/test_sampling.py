from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpner.corpus import Corpus, Sentence, Span
from cpner.corpus.sampling import hold_out, spread
from cpner.errors import ConfigError
from tests.corpus.support import sentence
from tests.strategies import corpora, word_sentences
from tests.support import SENTENCES


@given(corpora(word_sentences()), st.integers(1, 4), st.integers(0, 9))
def test_every_type_has_its_shots_or_all_there_are(sentences, shots, seed):
    corpus = Corpus.from_sentences(sentences, test=sentences[:1])

    sample = corpus.sample(shots=shots, seed=seed)

    def holders(chosen: list[Sentence]) -> Counter[str]:
        return Counter(type_ for s in chosen for type_ in {span.type for span in s.spans})

    held = holders(sample.train)
    assert all(held[type_] >= min(shots, n) for type_, n in holders(corpus.train).items())
    assert len(sample.train) <= shots * len(corpus.types)
    assert not Counter(sample.train) - Counter(corpus.train)
    assert (sample.test, sample.types) == (corpus.test, corpus.types)


def many() -> Corpus:
    types = ["a", "b", "c", "d"]
    return Corpus.from_sentences(Sentence.from_words([f"w{i}"], [Span(0, 1, types[i % 4])]) for i in range(200))


@pytest.mark.parametrize("size", [{"shots": 3}, {"count": 12}])
def test_samples_depend_on_the_seed_alone(size):
    texts = [[s.text for s in many().sample(**size, seed=seed).train] for seed in (0, 0, 1)]

    assert len(texts[0]) == 12
    assert texts[0] == texts[1] != texts[2]


def test_samples_are_the_same_on_every_machine():
    assert [s.text for s in many().sample(count=3, seed=7).train] == ["w4", "w28", "w41"]


def test_larger_counts_hold_smaller_ones():
    small, large = (many().sample(count=count, seed=3).train for count in (10, 20))

    assert set(small) < set(large)


def test_every_sentence_is_in_one_fold():
    corpus = many()
    corpora_of_folds = corpus.folds(7, seed=1)

    assert Counter(one for fold in corpora_of_folds for one in fold.test) == Counter(corpus.train)
    assert {len(fold.test) for fold in corpora_of_folds} == {28, 29}
    for fold in corpora_of_folds:
        assert Counter([*fold.train, *fold.test]) == Counter(corpus.train)
        assert fold.types == corpus.types
    assert corpora_of_folds[0].test == corpus.folds(7, seed=1)[0].test != corpus.folds(7, seed=2)[0].test


@pytest.mark.parametrize("count", [0, 1, 201])
def test_numbers_of_folds_that_there_are_not(count):
    with pytest.raises(ConfigError, match="expected 2 to 200"):
        many().folds(count)


def test_rare_types_come_first_so_that_few_sentences_do():
    both = [sentence("rare", "common") for _ in range(2)]
    corpus = Corpus.from_sentences([*(sentence("common") for _ in range(50)), *both])

    assert corpus.sample(shots=2).train == both


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ({}, "one of shots .* and count"),
        ({"shots": 1, "count": 1}, "one of shots .* and count"),
        ({"shots": 0}, "shots=0 asks for no sentence"),
        ({"count": 0}, "count=0 sentences asked for; expected 1 to 200"),
        ({"count": 201}, "count=201 sentences asked for; expected 1 to 200"),
    ],
)
def test_impossible_samples_are_refused(size, message):
    with pytest.raises(ConfigError, match=message):
        many().sample(**size)


def test_sample_needs_a_train_split():
    with pytest.raises(ConfigError, match="has no train split to sample from; it has test"):
        Corpus.from_sentences(test=[sentence("a")]).sample(shots=1)


def test_sentences_held_out_and_the_rest_are_all_sentences():
    rest, held = hold_out(SENTENCES, 0.4, seed=1)

    assert len(held) == round(0.4 * len(SENTENCES))
    assert sorted([*rest, *held], key=SENTENCES.index) == SENTENCES
    assert hold_out(SENTENCES, 0.4, seed=1) == (rest, held)
    assert {tuple(hold_out(SENTENCES, 0.4, seed)[1]) for seed in range(9)} != {tuple(held)}


def test_a_single_sentence_can_not_be_parted():
    with pytest.raises(ConfigError, match="none to spare"):
        hold_out(SENTENCES[:1], 0.5, seed=0)


@pytest.mark.parametrize(("limit", "expected"), [(None, [0, 1, 2, 3, 4]), (9, [0, 1, 2, 3, 4]), (2, [0, 2])])
def test_spread_takes_some_from_all_over(limit, expected):
    assert spread(SENTENCES[:5], limit) == [SENTENCES[i] for i in expected]
