"""Calibrators: from what a search saw to the probability that an entity, or a whole sentence, is right."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from cpner.calibration.features import ENTITY, SENTENCE, entity_features, sentence_features
from cpner.calibration.thresholds import Thresholds
from cpner.corpus.evidence import Evidence
from cpner.corpus.sentence import Answer, Prediction, Sentence
from cpner.errors import StoreError, shorten

VERSION = 1  # of the features: the weights of another version are not read
KINDS = ("default", "temperature", "logistic", "isotonic")
_DIGITS = 4
_SMALL = 1e-12


@dataclass(frozen=True)
class Calibrator:
    """Turns evidence into probabilities.

    Attributes:
        kind: how it was fitted, one of `KINDS`.
        weights: of the features of an entity.
        sentence: weights of the features of a sentence.
        knots: (logistic score, probability), both rising, of a further isotonic step; empty for none.
        entities: held-out entities that it was fitted on.
        sentences: held-out sentences that it was fitted on.
        thresholds: chosen on the same entities, each scored by a calibrator that had not seen it.
        bins: of a reliability diagram of those scores, by rising score: entities, their mean score, the right share.
    """

    kind: str
    weights: tuple[float, ...]
    sentence: tuple[float, ...]
    knots: tuple[tuple[float, float], ...] = ()
    entities: int = 0
    sentences: int = 0
    thresholds: Thresholds = field(default_factory=Thresholds)
    bins: tuple[tuple[int, float, float], ...] = ()

    def apply(self, sentence: Sentence, answer: Answer) -> Answer:
        """The same entities with calibrated scores, and the probability that they are right and all.

        Further readings of the sentence share what is left. Their probabilities are as large to that of the first as
        they were written, unless there is too little left.
        """
        scored = Answer(map(self._scored, answer), answer.end, 1.0, answer.log)
        if not sentence.words:
            return scored
        whole = _sigmoid(_dot(self.sentence, sentence_features(scored, len(sentence.words))))
        scored.score = min([whole, *(one.score for one in scored)])  # no sentence is surer than its entities
        if answer.others:
            written = math.exp(answer.log)
            share = min(scored.score / max(written, _SMALL), (1 - scored.score) / max(1 - written, _SMALL))
            scored.others = tuple(
                Answer(map(self._scored, other), other.end, min(1.0, share * math.exp(other.log)), other.log)
                for other in answer.others
            )
        return scored

    def probability(self, evidence: Evidence) -> float:
        """The probability that an entity is right, in [0, 1]."""
        p = _sigmoid(_dot(self.weights, entity_features(evidence)))
        return _interpolated(self.knots, p) if self.knots else p

    def _scored(self, prediction: Prediction) -> Prediction:
        if prediction.evidence is None:
            return prediction
        return prediction._replace(score=self.probability(prediction.evidence))

    def to_json(self) -> dict[str, Any]:
        """A table that a card can hold, of a few hundred bytes."""
        return {
            "version": VERSION,
            "kind": self.kind,
            "weights": [round(weight, _DIGITS) for weight in self.weights],
            "sentence": [round(weight, _DIGITS) for weight in self.sentence],
            "knots": [[round(value, _DIGITS) for value in knot] for knot in self.knots],
            "entities": self.entities,
            "sentences": self.sentences,
            "thresholds": self.thresholds.to_json(),
            "bins": [[count, round(score, _DIGITS), round(right, _DIGITS)] for count, score, right in self.bins],
        }

    @classmethod
    def from_json(cls, table: Mapping[str, Any]) -> Self | None:
        """The inverse of `to_json`; None for no table, and for one of another version of the features.

        Raises:
            StoreError: a field is missing or holds what it can't.
        """
        version = table.get("version")
        if not table or (type(version) is int and version > VERSION):
            return None
        if version != VERSION:
            raise StoreError(f"calibration has version {shorten(repr(version))}; expected {VERSION}")
        kind = table.get("kind")
        if kind not in KINDS:
            raise StoreError(f"calibration has kind {shorten(repr(kind))}; expected one of {', '.join(KINDS)}")
        knots = table.get("knots", [])
        if not isinstance(knots, list | tuple) or not all(_is_row(knot, 2) for knot in knots):
            raise StoreError("calibration has knots that are no pairs of numbers")
        columns = list(zip(*knots, strict=True))
        if any(list(column) != sorted(column) or column[0] < 0 or column[-1] > 1 for column in columns):
            raise StoreError("calibration has knots that do not rise from 0 to 1")
        counts = [table.get(name, 0) for name in ("entities", "sentences")]
        if any(type(count) is not int or count < 0 for count in counts):
            raise StoreError(f"calibration counts {shorten(repr(counts))}; expected whole numbers")
        bins = table.get("bins", [])
        if not isinstance(bins, list | tuple) or not all(_is_row(bin, 3) and min(bin) >= 0 for bin in bins):
            raise StoreError("calibration has bins that are no three numbers each")
        return cls(
            str(kind),
            _weights(table, "weights", ENTITY),
            _weights(table, "sentence", SENTENCE),
            tuple((float(x), float(p)) for x, p in knots),
            counts[0],
            counts[1],
            Thresholds.from_json(table.get("thresholds", {})),
            tuple((int(count), float(score), float(right)) for count, score, right in bins),
        )


def _weights(table: Mapping[str, Any], name: str, features: Sequence[str]) -> tuple[float, ...]:
    row: Any = table.get(name)
    if not _is_row(row, len(features)) or any(weight < 0 for weight in row[1:]):
        raise StoreError(
            f"calibration has {name} {shorten(repr(row))}; expected {len(features)} numbers, from the second on not "
            "below 0"
        )
    return tuple(float(weight) for weight in row)


def _is_row(row: Any, length: int) -> bool:
    is_list = isinstance(row, list | tuple) and len(row) == length
    return is_list and all(type(value) in (int, float) and abs(value) < 1e6 for value in row)


def _dot(weights: Sequence[float], features: Sequence[float]) -> float:
    return sum(weight * feature for weight, feature in zip(weights, features, strict=True))


def _sigmoid(x: float) -> float:
    return 0.5 * (1.0 + math.tanh(0.5 * x))


def _interpolated(knots: Sequence[tuple[float, float]], x: float) -> float:
    """The function through these knots, linear between them, flat beyond them."""
    at = bisect_right(knots, x, key=lambda knot: knot[0])
    if at in (0, len(knots)):
        return knots[min(at, len(knots) - 1)][1]
    (left, low), (right, high) = knots[at - 1 : at + 1]
    return low + (high - low) * (x - left) / (right - left)
