"""Self-training: what a domain finds in unlabelled sentences becomes what a new prefix learns from.

The teacher may be an ensemble, which is better than one prefix and several times as slow; the pupil is one prefix.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cpner.corpus.sentence import Prediction, Sentence


def pseudo_label(
    sentences: Sequence[Sentence], predictions: Iterable[Sequence[Prediction]], least_score: float
) -> list[Sentence]:
    """Sentences with the entities that a teacher found in them.

    Args:
        sentences: their own entities are not looked at.
        predictions: for each sentence what the teacher found.
        least_score: sentences with an entity of a lower score, in [0, 1], are left out: one wrong entity teaches more
            wrong than a whole sentence less costs.
    """
    return [
        sentence.with_spans(prediction.span for prediction in predicted)
        for sentence, predicted in zip(sentences, predictions, strict=True)
        if all(prediction.score >= least_score for prediction in predicted)
    ]
