"""The vote of an ensemble whose members agree on predictions (section 4.3)."""

from __future__ import annotations

from collections.abc import Sequence

from cpner.corpus.evidence import Evidence
from cpner.corpus.sentence import Answer, Prediction, Span


def vote(answers: Sequence[Sequence[Prediction]]) -> Answer:
    """What at least half of the members predict in a sentence; of entities that overlap, the one with more votes.

    An entity's score is the mean over all members, 0 for those that did not predict it.
    """
    ballots: dict[Span, list[Prediction]] = {}
    for predictions in answers:
        for prediction in predictions:
            ballots.setdefault(prediction.span, []).append(prediction)
    totals = {span: sum(prediction.score for prediction in ballot) for span, ballot in ballots.items()}
    elected: list[Prediction] = []
    for span in sorted(ballots, key=lambda span: (-len(ballots[span]), -totals[span], span)):
        free = all(span.end <= other.span.start or other.span.end <= span.start for other in elected)
        if 2 * len(ballots[span]) >= len(answers) and free:
            score = totals[span] / len(answers)
            elected.append(Prediction(span, score, _evidence(score, ballots[span], len(answers))))
    ends = [answer.end for answer in answers if isinstance(answer, Answer)]
    return Answer(sorted(elected, key=lambda prediction: prediction.span), sum(ends) / max(1, len(ends)))


def _evidence(raw: float, ballot: Sequence[Prediction], members: int) -> Evidence | None:
    """What those that predicted an entity saw, on average; None if one of them saw nothing."""
    seen = [prediction.evidence for prediction in ballot if prediction.evidence is not None]
    if len(seen) < len(ballot):
        return None
    opened, type_, mention, least = (
        sum(column) / len(seen) for column in zip(*(one[1:5] for one in seen), strict=True)
    )
    return Evidence(raw, opened, type_, mention, least, seen[0].choices, len(seen) / members)
