"""The vote of an ensemble whose members agree on predictions (section 4.3)."""

from __future__ import annotations

from collections.abc import Sequence

from cpner.corpus.sentence import Prediction, Span


def vote(answers: Sequence[Sequence[Prediction]]) -> list[Prediction]:
    """What at least half of the members predict in a sentence; of entities that overlap, the one with more votes.

    An entity's score is the mean over all members, 0 for those that did not predict it.
    """
    scores: dict[Span, list[float]] = {}
    for predictions in answers:
        for span, score in predictions:
            scores.setdefault(span, []).append(score)
    elected: list[Prediction] = []
    for span in sorted(scores, key=lambda span: (-len(scores[span]), -sum(scores[span]), span)):
        free = all(span.end <= other.span.start or other.span.end <= span.start for other in elected)
        if 2 * len(scores[span]) >= len(answers) and free:
            elected.append(Prediction(span, sum(scores[span]) / len(answers)))
    return sorted(elected, key=lambda prediction: prediction.span)
