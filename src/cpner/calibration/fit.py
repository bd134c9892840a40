"""Calibrators are fitted on predictions for sentences that nothing was learnt from: a domain's, and the defaults."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from cpner.calibration.calibrator import Calibrator
from cpner.calibration.features import ENTITY, SENTENCE, entity_features, sentence_features
from cpner.calibration.isotonic import fit_isotonic, interpolate
from cpner.calibration.logistic import Floats, fit_logistic, sigmoid
from cpner.calibration.report import BINS, bins_of
from cpner.calibration.thresholds import choose
from cpner.corpus.sentence import Answer, Sentence

LOGISTIC_FROM = 30  # entities
ISOTONIC_FROM = 500
_FOLDS = 5
_LEAST_BIN = 10  # entities of a bin on the card: the share that is right of fewer says little
_SHIFT = 2.0  # strength of the prior: one over the variance of the intercept
_SCALE = 20.0  # of the factor of the default's logit, and of the slopes
_TIGHT = 300.0  # of the parts' weights in the defaults: they carry over to other domains, less than the whole does
_WEAK = 0.02  # of the whole's weight there, and of the shift


def plain() -> Calibrator:
    """A calibrator where nothing was ever fitted: the raw score, less sure."""
    weights = dict.fromkeys(ENTITY, 0.0) | {"whole": 0.5, "agreement": 4.0, "mass": 2.0}
    sentence = dict.fromkeys(SENTENCE, 0.0) | {"entities": 1.0, "end": 0.2}
    return Calibrator("default", tuple(weights.values()), tuple(sentence.values()))


class Held(NamedTuple):
    """Predictions for labelled sentences that nothing was learnt from.

    Attributes:
        x: [n, k] features of the entities.
        y: [n] 1 where right, else 0.
        groups: [n] the sentence of each.
        types: [n] the type of each.
    """

    sentences: list[Sentence]
    answers: list[Answer]
    x: Floats
    y: Floats
    groups: np.ndarray
    types: list[str]

    @classmethod
    def of(cls, sentences: Sequence[Sentence], answers: Sequence[Answer]) -> Held:
        """Predictions beside the labels; those without evidence are left out."""
        rows = [
            (entity_features(one.evidence), one.span in gold, i, one.span.type)
            for i, (sentence, answer) in enumerate(zip(sentences, answers, strict=True))
            for gold in [set(sentence.spans)]
            for one in answer
            if one.evidence is not None
        ]
        x = np.array([row[0] for row in rows], dtype=float).reshape(-1, len(ENTITY))
        y = np.array([row[1] for row in rows], dtype=float)
        groups = np.array([row[2] for row in rows], dtype=int)
        return cls(list(sentences), list(answers), x, y, groups, [row[3] for row in rows])

    @property
    def gold(self) -> Counter[str]:
        """Labelled entities by type."""
        return Counter(entity.type for sentence in self.sentences for entity in sentence.gold)


def fit(sentences: Sequence[Sentence], answers: Sequence[Answer], default: Calibrator) -> Calibrator:
    """Fit a domain's calibrator: the fewer entities there are, the more it stays the default.

    Args:
        sentences: labelled, and not learnt from.
        answers: what was recognised in them.
        default: the backbone's.

    Returns:
        A temperature and a shift of the default's logit with fewer than 30 entities; from there on a logistic
        regression that is drawn to the default; from 500 on with an isotonic step, if that is better on folds.
        Its thresholds were chosen on scores of entities by calibrators of the other folds.
    """
    held = Held.of(sentences, answers)
    if not len(held.y):
        return replace(default, kind="default", sentences=len(sentences))
    kind, weights = _entity_weights(held.x, held.y, default)
    folds = held.groups % _FOLDS
    apart = np.zeros(len(held.y))  # scores by calibrators that have not seen the entity
    for fold in range(_FOLDS):
        others = folds != fold
        _, fold_weights = _entity_weights(held.x[others], held.y[others], default)
        apart[~others] = sigmoid(held.x[~others] @ fold_weights)
    knots: tuple[tuple[float, float], ...] = ()
    if len(held.y) >= ISOTONIC_FROM:
        stepped = _stepped(apart, held.y, folds)
        if ((stepped - held.y) ** 2).mean() < ((apart - held.y) ** 2).mean():
            kind = "isotonic"
            knots = tuple(fit_isotonic(apart, held.y))
            apart = stepped
    thresholds = choose(apart, held.y, held.types, held.gold)
    bins = min(BINS, -(-len(held.y) // _LEAST_BIN))
    fitted = Calibrator(
        kind, tuple(weights.tolist()), default.sentence, knots, len(held.y), len(sentences), thresholds,
        bins=tuple((bin.entities, bin.score, bin.right) for bin in bins_of(apart, held.y, bins)),
    )  # fmt: skip
    return _with_sentence(fitted, held, apart, np.full(len(SENTENCE), 2.0))


def fit_default(sets: Sequence[tuple[Sequence[Sentence], Sequence[Answer]]]) -> Calibrator:
    """Fit a backbone's default on predictions in many domains, each of which counts as much as another.

    Args:
        sets: for each domain labelled sentences, and what was recognised in them.
    """
    helds = [Held.of(*pair) for pair in sets]
    share = np.concatenate([np.full(len(held.y), 1 / max(1, len(held.y))) for held in helds])
    share *= len(share) / share.sum()
    x = np.concatenate([held.x for held in helds])
    y = np.concatenate([held.y for held in helds])
    start = plain()
    unseen = np.isin(ENTITY, ("agreement", "mass"))  # one prefix and greedy search show neither
    loose = np.isin(ENTITY, ("intercept", "whole"))
    fixed = np.where(unseen, 1e6, np.where(loose, _WEAK, _TIGHT))
    weights = fit_logistic(x, y, np.array(start.weights), fixed, share)
    sentences = sum(len(held.sentences) for held in helds)
    fitted = replace(start, weights=tuple(weights.tolist()), entities=len(y), sentences=sentences)
    rows = [_sentence_rows(fitted, held, sigmoid(held.x @ weights)) for held in helds]
    sentence = fit_logistic(
        np.concatenate([row[0] for row in rows]),
        np.concatenate([row[1] for row in rows]),
        np.array(start.sentence),
        np.full(len(SENTENCE), _WEAK),
    )
    return replace(fitted, sentence=tuple(sentence.tolist()))


def _entity_weights(x: Floats, y: Floats, default: Calibrator) -> tuple[str, Floats]:
    """The kind of a fit, and its weights."""
    start = np.array(default.weights)
    if len(y) < LOGISTIC_FROM:
        pair = np.column_stack([np.ones(len(y)), x @ start])
        shift, scale = fit_logistic(pair, y, np.array([0.0, 1.0]), np.array([_SHIFT, _SCALE]))
        weights = scale * start
        weights[0] += shift
        return "temperature", weights
    strength = np.full(len(start), _SCALE)
    strength[0] = _SHIFT
    return "logistic", fit_logistic(x, y, start, strength)


def _stepped(scores: Floats, right: Floats, folds: np.ndarray) -> Floats:
    """Scores through an isotonic step that was fitted on the other folds."""
    stepped = np.zeros(len(scores))
    for fold in range(_FOLDS):
        others = folds != fold
        if not others.all():
            stepped[~others] = interpolate(fit_isotonic(scores[others], right[others]), scores[~others])
    return stepped


def _sentence_rows(calibrator: Calibrator, held: Held, scores: Floats) -> tuple[Floats, Floats]:
    """The features of sentences whose entities have these scores, and whether each sentence is right as a whole."""
    by_sentence: dict[int, list[float]] = {}
    for i, score in zip(held.groups.tolist(), scores.tolist(), strict=True):
        by_sentence.setdefault(i, []).append(score)
    features = []
    right = []
    for i, (sentence, answer) in enumerate(zip(held.sentences, held.answers, strict=True)):
        values = by_sentence.get(i, [])
        scored = Answer([one._replace(score=p) for one, p in zip(answer, values, strict=True)], answer.end)
        features.append(sentence_features(scored, len(sentence.words)))
        right.append(set(sentence.gold) == {one.span for one in answer})
    return np.array(features, dtype=float).reshape(-1, len(SENTENCE)), np.array(right, dtype=float)


def _with_sentence(calibrator: Calibrator, held: Held, scores: Floats, strength: Floats) -> Calibrator:
    """With the weights of sentences fitted too, drawn to those that it has."""
    x, y = _sentence_rows(calibrator, held, scores)
    strength = strength.copy()
    strength[0] = _SHIFT
    weights = fit_logistic(x, y, np.array(calibrator.sentence), strength)
    return replace(calibrator, weights=calibrator.weights, sentence=tuple(weights.tolist()))
