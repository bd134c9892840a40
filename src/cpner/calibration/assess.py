"""An assessment of scores on labelled sentences: raw ones beside calibrated ones, sentences, and what thresholds do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from cpner.calibration.report import Calibration, describe
from cpner.corpus.sentence import Answer, Sentence

_CURVE = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


class Point(NamedTuple):
    """What a threshold does.

    Attributes:
        threshold: least score, in [0, 1].
        precision: of the entities that stay, 0 to 100.
        recall: 0 to 100.
        f1: 0 to 100.
        entities: how many stay.
    """

    threshold: float
    precision: float
    recall: float
    f1: float
    entities: int


@dataclass(frozen=True)
class Assessment:
    """How good scores are on labelled sentences; a part is None where nothing was predicted, or nothing is scored.

    Attributes:
        raw: the probabilities of the written pieces.
        calibrated: the scores that users see.
        sentences: the scores of whole sentences, each of which is right or wrong.
        curve: what thresholds of the calibrated score do.
    """

    raw: Calibration | None
    calibrated: Calibration | None
    sentences: Calibration | None
    curve: list[Point]

    def to_json(self) -> dict[str, Any]:
        """Plain dicts, lists and numbers."""
        parts = {"raw": self.raw, "calibrated": self.calibrated, "sentences": self.sentences}
        figures = {name: part and part.to_json() for name, part in parts.items()}
        return {**figures, "curve": [point._asdict() for point in self.curve]}


def assess(sentences: Sequence[Sentence], answers: Sequence[Answer]) -> Assessment:
    """Compare the scores of answers with the labels of sentences.

    Args:
        sentences: labelled.
        answers: with calibrated scores.
    """
    rows = [
        (one.score, one.raw, one.span in gold, i)
        for i, (sentence, answer) in enumerate(zip(sentences, answers, strict=True))
        for gold in [set(sentence.spans)]
        for one in answer
    ]
    scores = [row[0] for row in rows]
    right = [row[2] for row in rows]
    groups = [row[3] for row in rows]
    whole = [
        (answer.score, set(sentence.gold) == {one.span for one in answer})
        for sentence, answer in zip(sentences, answers, strict=True)
        if answer.score is not None
    ]
    gold = sum(len(sentence.gold) for sentence in sentences)
    return Assessment(
        raw=describe([row[1] for row in rows], right, groups),
        calibrated=describe(scores, right, groups),
        sentences=describe([score for score, _ in whole], [yes for _, yes in whole], range(len(whole))),
        curve=[_point(threshold, scores, right, gold) for threshold in _CURVE],
    )


def _point(threshold: float, scores: Sequence[float], right: Sequence[bool], gold: int) -> Point:
    stay = [yes for score, yes in zip(scores, right, strict=True) if score >= threshold]
    hits = sum(stay)
    precision = 100 * hits / max(1, len(stay))
    recall = 100 * hits / max(1, gold)
    return Point(threshold, precision, recall, 200 * hits / max(1, len(stay) + gold), len(stay))
