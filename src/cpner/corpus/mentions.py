"""Sentences with other mentions in the place of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from cpner.corpus.sentence import Sentence, Span

Words = Sequence[str]


def replace_mentions(
    sentence: Sentence, share: float, rng: np.random.Generator, another: Callable[[str, np.random.Generator], Words]
) -> Sentence:
    """Put other mentions of the same type in the place of some, so that it is the context that tells the type.

    Mention replacement, after Dai and Adel, "An Analysis of Simple Data Augmentation for Named Entity Recognition"
    (COLING 2020).

    Args:
        share: probability that an entity's mention is drawn anew.
        another: draws a mention of a type, as words.
    """
    words: list[str] = []
    spans = []
    texts = sentence.word_texts
    done = 0
    for span in sentence.spans:
        mention: Words = texts[span.start : span.end]
        if rng.random() < share:
            mention = another(span.type, rng)
        words += texts[done : span.start]
        spans.append(Span(len(words), len(words) + len(mention), span.type))
        words += mention
        done = span.end
    return Sentence.from_words([*words, *texts[done:]], spans)
