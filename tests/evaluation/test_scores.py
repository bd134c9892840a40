import numpy as np
import pytest
from hypothesis import example, given, settings
from seqeval.metrics import f1_score, precision_score, recall_score
from seqeval.scheme import IOB2

from cpner.corpus.sentence import Prediction, Sentence, Span
from cpner.errors import CorpusError
from cpner.evaluation import Score, evaluate
from tests.strategies import labelled_and_predicted

ADJACENT = Sentence.from_words(["Bach", "Bach", "Bonn"], [Span(0, 1, "person"), Span(1, 2, "person")])
NOTHING = Sentence.from_words(["the", "the"])


def tags(sentence, spans):
    row = ["O"] * len(sentence.words)
    for start, end, type in spans:
        row[start:end] = [f"B-{type}"] + [f"I-{type}"] * (end - start - 1)
    return row


def seqeval_scores(gold, predicted, average):
    truth = [tags(sentence, sentence.spans) for sentence in gold]
    guess = [tags(sentence, spans) for sentence, spans in zip(gold, predicted, strict=True)]
    measures = (precision_score, recall_score, f1_score)
    settings = {"average": average, "mode": "strict", "scheme": IOB2, "zero_division": 0}
    return [100 * np.array(measure(truth, guess, **settings)) for measure in measures]


@given(labelled_and_predicted())
@example(([ADJACENT], [[Span(0, 2, "person")]]))  # adjacent entities of one type are not one entity
@example(([ADJACENT], [list(ADJACENT.spans)]))
@example(([ADJACENT], [[]]))  # no prediction: no precision
@example(([NOTHING], [[Span(0, 1, "algorithm")]]))  # a type that gold lacks: no recall
@example(([NOTHING], [[]]))
@settings(deadline=None)
def test_strict_scores_equal_seqeval(data):
    gold, predicted = data
    result = evaluate(gold, predicted)

    assert list(result.micro[:3]) == pytest.approx(seqeval_scores(gold, predicted, "micro"))
    per_type = [[score[i] for score in result.per_type.values()] for i in range(3)]
    for ours, theirs in zip(per_type, seqeval_scores(gold, predicted, None), strict=True):
        assert ours == pytest.approx(theirs)
    assert result.support == sum(score.support for score in result.per_type.values())
    if result.per_type:  # seqeval's mean over no type is not a number
        assert list(result.macro[:3]) == pytest.approx(seqeval_scores(gold, predicted, "macro"))


@given(labelled_and_predicted())
@settings(deadline=None)
def test_string_score_is_never_below_strict_score(data):
    result = evaluate(*data)

    assert result.string.f1 >= result.f1
    assert result.string.support == result.support


def test_string_score_ignores_offsets_but_counts_mentions():
    sentence = Sentence.from_words(["Bach", "met", "Bach"], [Span(0, 1, "person"), Span(2, 3, "person")])

    one = evaluate([sentence], [[Span(2, 3, "person")]])
    elsewhere = evaluate([sentence.with_spans([Span(0, 1, "person")])], [[Span(2, 3, "person")]])

    assert one.string == Score(100.0, 50.0, pytest.approx(200 / 3), 2)
    assert (elsewhere.f1, elsewhere.string.f1) == (0.0, 100.0)


def test_string_score_does_not_match_across_sentences():
    sentences = [Sentence.from_words(["Bach"], [Span(0, 1, "person")]), Sentence.from_words(["Bach"])]

    assert evaluate(sentences, [[], [Span(0, 1, "person")]]).string.f1 == 0


def test_repeated_prediction_counts_once():
    assert evaluate([ADJACENT], [[*ADJACENT.spans, ADJACENT.spans[0]]]).precision == 100


def test_types_keep_their_order_and_others_follow():
    result = evaluate([ADJACENT], [[Span(2, 3, "city")]], types=["song", "person"])

    assert list(result.per_type) == ["song", "person", "city"]
    assert result.per_type["song"] == Score(0, 0, 0, 0)


def test_macro_leaves_out_types_that_never_occur():
    assert evaluate([ADJACENT], [ADJACENT.spans], types=["song", "person"]).macro == Score(100, 100, 100, 2)


def test_no_sentences_score_zero():
    assert evaluate([], []).micro == Score(0, 0, 0, 0)


def test_lengths_must_agree():
    with pytest.raises(CorpusError, match="1 sentences are labelled and 2 have predictions"):
        evaluate([NOTHING], [[], []])


def test_predictions_count_as_their_spans_whatever_their_scores():
    spans = [[Span(2, 3, "city"), Span(0, 1, "person")]]
    predictions = [[*(Prediction(span, 0.5) for span in spans[0]), Prediction(spans[0][0], 0.25)]]

    assert evaluate([ADJACENT], predictions) == evaluate([ADJACENT], spans)


@pytest.mark.parametrize("span", [Span(0, 3, "person"), Span(1, 1, "person"), Span(-1, 1, "person")])
def test_span_outside_its_sentence_is_refused(span):
    with pytest.raises(CorpusError, match="of sentence 1 is empty or lies outside its 2 words"):
        evaluate([NOTHING, NOTHING], [[], [span]])
