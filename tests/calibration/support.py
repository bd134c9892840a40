"""Made-up predictions whose chances to be right are known."""

from __future__ import annotations

import math

import numpy as np

from cpner.corpus.evidence import Evidence
from cpner.corpus.sentence import Answer, Prediction, Sentence, Span


def evidence(open: float = -0.1, type: float = -0.2, mention: float = -0.3, **more) -> Evidence:
    raw = math.exp(open + type + mention)
    return Evidence(raw, open, type, mention, min(open, type, mention), 3)._replace(**more)


def made_up(count: int, seed: int = 0, *, shift: float = 0.0) -> tuple[list[Sentence], list[Answer]]:
    """So many sentences with two entities each, which are right less often than their raw scores say."""
    rng = np.random.default_rng(seed)
    sentences = []
    answers = []
    for _ in range(count):
        predictions = []
        gold = []
        for word in (0, 2):
            z = float(rng.normal(1.5, 2.0))  # the raw logit
            raw = 1 / (1 + math.exp(-z))
            span = Span(word, word + 1, "person" if word else "city")
            log = math.log(raw)
            predictions.append(Prediction(span, raw, Evidence(raw, 0.0, 0.0, log, log, 2)))
            if rng.random() < 1 / (1 + math.exp(-0.5 * z + 1 - shift)):
                gold.append(span)
        sentences.append(Sentence.from_words(["Rome", "and", "Ada"], gold))
        answers.append(Answer(predictions, end=float(-rng.exponential(0.2))))
    return sentences, answers
