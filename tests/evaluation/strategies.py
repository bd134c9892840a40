"""Random sentences, entities and predictions."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import strategies as st

from cpner.corpus.sentence import Sentence, Span

GOLD_TYPES = ("person", "location", "political party")
PREDICTED_TYPES = (*GOLD_TYPES, "algorithm")  # a model may predict a type that the gold data lack


@st.composite
def spans_of(draw: st.DrawFn, words: int, types: tuple[str, ...] = GOLD_TYPES) -> list[Span]:
    """Entities without overlap in so many words; neighbours often touch and often share their type."""
    cuts = sorted(draw(st.sets(st.integers(0, words), max_size=words + 1)))
    pieces = list(pairwise(cuts))
    chosen = draw(st.lists(st.sampled_from([None, *types]), min_size=len(pieces), max_size=len(pieces)))
    return [Span(start, end, type) for (start, end), type in zip(pieces, chosen, strict=True) if type]


@st.composite
def labelled_and_predicted(draw: st.DrawFn) -> tuple[list[Sentence], list[list[Span]]]:
    """Some sentences and their predictions: right ones, wrong ones, and none."""
    gold, predicted = [], []
    for _ in range(draw(st.integers(1, 4))):
        words = draw(st.lists(st.sampled_from(["Bach", "Bonn", "the"]), min_size=1, max_size=8))
        sentence = Sentence.from_words(words, draw(spans_of(len(words))))
        gold.append(sentence)
        anything = st.just(list(sentence.spans)) | spans_of(len(words), PREDICTED_TYPES)
        predicted.append(draw(anything))
    return gold, predicted
