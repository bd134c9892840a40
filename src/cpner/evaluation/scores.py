"""Precision, recall and F1 of entities: strict (offsets and type) and string-level (type and text)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from cpner.corpus.sentence import Entity, Prediction, Sentence, Span
from cpner.errors import CorpusError


class Score(NamedTuple):
    """Precision, recall and F1, each from 0 to 100, and the number of gold entities behind them.

    A figure whose denominator is empty is 0, as in seqeval.
    """

    precision: float
    recall: float
    f1: float
    support: int


class Aligned(NamedTuple):
    """A labelled sentence and the distinct spans that were predicted for it, ascending."""

    sentence: Sentence
    predicted: tuple[Span, ...]


def align(gold: Sequence[Sentence], predicted: Sequence[Sequence[Span | Prediction]]) -> list[Aligned]:
    """Put each labelled sentence beside its predictions. A span that is predicted twice counts once.

    Raises:
        CorpusError: The two differ in length, or a predicted span is empty or lies outside its sentence.
    """
    if len(gold) != len(predicted):
        raise CorpusError(
            f"{len(gold)} sentences are labelled and {len(predicted)} have predictions. "
            "Give one list of spans per sentence, an empty one where nothing was found."
        )
    aligned = [
        Aligned(sentence, tuple(sorted({_span(entity) for entity in entities})))
        for sentence, entities in zip(gold, predicted, strict=True)
    ]
    for number, (sentence, spans) in enumerate(aligned):
        for span in spans:
            if not 0 <= span.start < span.end <= len(sentence.words):
                raise CorpusError(
                    f"The predicted span {tuple(span)} of sentence {number} is empty or lies outside "
                    f"its {len(sentence.words)} words. Count words from 0, with an exclusive end."
                )
    return aligned


def score(right: int, predicted: int, gold: int) -> Score:
    """Turn counts of entities into a score: `right` of `predicted` entities are among the `gold` ones."""
    return Score(_percent(right, predicted), _percent(right, gold), _percent(2 * right, predicted + gold), gold)


def score_strict(aligned: Iterable[Aligned]) -> Score:
    """Score all types together (micro): an entity counts when its offsets and its type are right."""
    counts = [strict_counts(pair) for pair in aligned]
    return score(*(sum(column) for column in zip(*counts, strict=True))) if counts else score(0, 0, 0)


def score_per_type(aligned: Iterable[Aligned], types: Iterable[str]) -> dict[str, Score]:
    """Score each type alone: those of `types` in their order, then others that occur, by name."""
    right = Counter[str]()
    predicted = Counter[str]()
    gold = Counter[str]()
    for sentence, spans in aligned:
        right.update(span.type for span in set(sentence.spans) & set(spans))
        predicted.update(span.type for span in spans)
        gold.update(entity.type for entity in sentence.gold)
    order = dict.fromkeys([*types, *sorted(gold.keys() | predicted.keys())])
    return {type: score(right[type], predicted[type], gold[type]) for type in order}


def score_strings(aligned: Iterable[Aligned]) -> Score:
    """Score the (type, string) pairs of each sentence as multisets, whatever their offsets (micro).

    Many text-to-text papers report this one. It can't tell two mentions of one name apart, so it is never below the
    strict score of the same predictions.
    """
    right = predicted = gold = 0
    for sentence, spans in aligned:
        ours = _strings(sentence, spans)
        theirs = _strings(sentence, sentence.gold)
        right += (ours & theirs).total()
        predicted += ours.total()
        gold += theirs.total()
    return score(right, predicted, gold)


def score_macro(scores: Collection[Score]) -> Score:
    """Average scores with equal weight; the supports are summed."""
    if not scores:
        return score(0, 0, 0)
    precision, recall, f1, support = (sum(column) for column in zip(*scores, strict=True))
    return Score(precision / len(scores), recall / len(scores), f1 / len(scores), int(support))


def strict_counts(pair: Aligned) -> tuple[int, int, int]:
    """Count the right, the predicted and the gold entities of one sentence."""
    gold = pair.sentence.gold
    return len(set(gold) & set(pair.predicted)), len(pair.predicted), len(gold)


def _span(entity: Span | Prediction) -> Span:
    return entity.span if isinstance(entity, Prediction) else entity


def _strings(sentence: Sentence, spans: Iterable[Span | Entity]) -> Counter[tuple[str, str]]:
    return Counter((span.type, sentence.entity(span).text) for span in spans)


def _percent(part: int, whole: int) -> float:
    return 100 * part / whole if whole else 0.0
