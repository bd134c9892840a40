from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cpner.corpus.sentence import Sentence, Span
from cpner.evaluation import Outcome, evaluate
from cpner.evaluation.errors import find_outcomes
from cpner.evaluation.scores import Aligned
from tests.strategies import PREDICTED_TYPES, labelled_and_predicted, spans_of

WORDS = ["Bach", "and", "Sons", "of", "old", "Bonn"]


def outcomes(gold, predicted):
    sentence = Sentence.from_words(WORDS, gold)
    return Counter(f.outcome for f in find_outcomes(Aligned(sentence, tuple(sorted(predicted)))))


@pytest.mark.parametrize(
    ("predicted", "expected"),
    [
        ([Span(1, 3, "band")], {Outcome.RIGHT}),
        ([Span(1, 3, "song")], {Outcome.TYPE}),
        ([Span(0, 3, "band")], {Outcome.BOUNDARY}),
        ([Span(2, 5, "song")], {Outcome.BOUNDARY_AND_TYPE}),
        ([], {Outcome.MISSED}),
        ([Span(3, 4, "band")], {Outcome.MISSED, Outcome.SPURIOUS}),  # it touches, without a common word
    ],
)
def test_one_prediction_for_one_entity(predicted, expected):
    assert outcomes([Span(1, 3, "band")], predicted) == Counter(expected)


def test_entity_in_two_pieces_is_one_boundary_error_and_one_spurious_entity():
    found = find_outcomes(
        Aligned(Sentence.from_words(WORDS, [Span(0, 5, "band")]), (Span(0, 2, "band"), Span(2, 5, "band")))
    )

    assert [(f.outcome, f.predicted) for f in found] == [
        (Outcome.BOUNDARY, Span(2, 5, "band")),  # more words in common
        (Outcome.SPURIOUS, Span(0, 2, "band")),
    ]


def test_right_type_at_wrong_boundary_is_preferred_to_wrong_type():
    gold = [Span(0, 2, "band"), Span(2, 4, "song")]

    assert outcomes(gold, [Span(1, 4, "band")]) == {Outcome.BOUNDARY: 1, Outcome.MISSED: 1}


def test_overlapping_predictions_pair_once():
    predicted = [Span(0, 2, "band"), Span(0, 2, "song"), Span(0, 3, "band")]

    assert outcomes([Span(0, 2, "band")], predicted) == {Outcome.RIGHT: 1, Outcome.SPURIOUS: 2}


@st.composite
def overlapping(draw):
    gold, predicted = draw(labelled_and_predicted())
    more = [draw(spans_of(len(sentence.words), PREDICTED_TYPES)) for sentence in gold]
    return gold, [[*a, *b] for a, b in zip(predicted, more, strict=True)]


@given(labelled_and_predicted() | overlapping())
@settings(deadline=None)
def test_every_entity_has_exactly_one_outcome(data):
    for sentence, spans in zip(*data, strict=True):
        found = find_outcomes(Aligned(sentence, tuple(set(spans))))

        assert Counter(f.gold for f in found if f.gold) == Counter(sentence.spans)
        assert Counter(f.predicted for f in found if f.predicted) == Counter(set(spans))


@given(labelled_and_predicted() | overlapping())
@settings(deadline=None)
def test_outcomes_and_confusions_agree_with_scores(data):
    gold, predicted = data
    result = evaluate(gold, predicted)
    counts = result.confusion.counts
    right = len(
        {(i, s) for i, x in enumerate(gold) for s in x.spans} & {(i, s) for i, x in enumerate(predicted) for s in x}
    )

    assert result.errors[Outcome.RIGHT] == right
    assert [sum(row) for row in counts[:-1]] == [score.support for score in result.per_type.values()]
    for column, type in enumerate(result.confusion.types):
        assert sum(row[column] for row in counts) == sum(s.type == type for spans in predicted for s in set(spans))
    assert (sum(row[-1] for row in counts), sum(counts[-1])) == (
        result.errors[Outcome.MISSED],
        result.errors[Outcome.SPURIOUS],
    )
    assert counts[-1][-1] == 0


def test_confusion_counts_gold_in_rows_and_predicted_in_columns():
    sentence = Sentence.from_words(WORDS, [Span(0, 3, "band"), Span(5, 6, "city")])
    result = evaluate([sentence], [[Span(0, 3, "song"), Span(4, 6, "city")]], types=["band", "song", "city"])

    assert result.confusion.labels == ["band", "song", "city", "none"]
    assert result.confusion.counts == ((0, 1, 0, 0), (0, 0, 0, 0), (0, 0, 1, 0), (0, 0, 0, 0))


def test_examples_take_each_kind_in_turn():
    missed = Sentence.from_words(WORDS, [Span(0, 1, "band")])
    spurious = Sentence.from_words(WORDS)
    result = evaluate([missed] * 50 + [spurious], [[]] * 50 + [[Span(0, 1, "band")]], examples=3)

    assert [e.outcome for e in result.examples] == [Outcome.MISSED, Outcome.SPURIOUS, Outcome.MISSED]
    assert evaluate([missed], [[]], examples=0).examples == ()
