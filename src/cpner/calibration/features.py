"""What calibration looks at: a few numbers of an entity and of a sentence, which the search has seen anyway.

More of a feature never makes an entity or a sentence less likely to be right: calibrators have no negative slopes, so
that scores rise with each.
"""

from __future__ import annotations

import math

from cpner.corpus.evidence import Evidence
from cpner.corpus.sentence import Answer

ENTITY = ("intercept", "whole", "open", "type", "mention", "choices", "agreement", "mass")
SENTENCE = ("intercept", "entities", "end", "shortness")
_CAP = 9.0  # of logits: float32 tells nothing beyond
_SMALL = math.exp(-_CAP)
_MOST_CHOICES = 12


def entity_features(evidence: Evidence) -> tuple[float, ...]:
    """The features of an entity, named in `ENTITY`."""
    return (
        1.0,
        logit(evidence.open + evidence.type + evidence.mention),
        logit(evidence.open),
        logit(evidence.type),
        logit(evidence.mention),
        min(evidence.choices, _MOST_CHOICES),
        evidence.agreement - 1.0,
        evidence.mass - 1.0,
    )


def sentence_features(answer: Answer, words: int) -> tuple[float, ...]:
    """The features of a sentence, named in `SENTENCE`, from its calibrated entities and the number of its words."""
    right = sum(math.log(max(one.score, _SMALL)) for one in answer)
    return (1.0, right, logit(answer.end), -math.log1p(words))


def logit(log: float) -> float:
    """The logit of a probability whose logarithm this is, from -9 to 9."""
    other = max(-math.expm1(min(log, 0.0)), _SMALL)
    return min(_CAP, max(-_CAP, log - math.log(other)))
