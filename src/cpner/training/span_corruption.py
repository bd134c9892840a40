"""T5's span corruption: text whose hidden spans are to be written."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cpner.instructor import Vocabulary

Array = NDArray[Any]

SENTINELS = 100


class SpanCorruption:
    """T5's span corruption on whole words; some spans begin at capitalised words, which are often names.

    Args:
        vocabulary: the tokenizer's, with the sentinels `<extra_id_0>` and so on.
        noise: share of the pieces that is hidden.
        mean_span: mean pieces of a hidden span.
        biased: share of the spans that begin at a capitalised word.
    """

    def __init__(self, vocabulary: Vocabulary, *, noise: float, mean_span: int, biased: float) -> None:
        self.noise = noise
        self.mean_span = mean_span
        self.biased = biased
        pieces = vocabulary.tokenizer.convert_ids_to_tokens(range(vocabulary.size))
        self.eos = vocabulary.eos
        self.starts_word = np.array([piece.startswith("▁") for piece in pieces])
        self.capital = np.array([piece.startswith("▁") and piece[1:2].isupper() for piece in pieces])
        names = [f"<extra_id_{i}>" for i in range(SENTINELS)]
        self.sentinels: list[int] = [vocabulary.tokenizer.convert_tokens_to_ids(name) for name in names]

    def __call__(self, pieces: Array, rng: np.random.Generator) -> tuple[list[int], list[int]]:
        """Hide spans: the source has a sentinel for each, the target each sentinel with what it hides."""
        hidden = self._hide(pieces, rng)
        source: list[int] = []
        target: list[int] = []
        sentinel = -1
        for i, piece in enumerate(pieces.tolist()):
            if hidden[i] and (i == 0 or not hidden[i - 1]):
                sentinel += 1
                source.append(self.sentinels[sentinel])
                target.append(self.sentinels[sentinel])
            (target if hidden[i] else source).append(piece)
        return [*source, self.eos], [*target, self.sentinels[sentinel + 1], self.eos]

    def _hide(self, pieces: Array, rng: np.random.Generator) -> Array:
        """[pieces] which are hidden, in spans that never touch."""
        begins = np.flatnonzero(self.starts_word[pieces])
        capital = np.flatnonzero(self.capital[pieces] & (np.arange(len(pieces)) > 0))
        hidden = np.zeros(len(pieces), bool)
        spans = max(1, round(len(pieces) * self.noise / self.mean_span))
        for _ in range(min(spans, SENTINELS - 1)):
            places = capital if len(capital) and rng.random() < self.biased else begins
            if not len(places):
                break
            start = int(rng.choice(places))
            length = int(rng.integers(1, 2 * self.mean_span))
            later = begins[begins >= start + length]
            end = int(later[0]) if len(later) else len(pieces)
            if not hidden[max(0, start - 1) : end + 1].any():
                hidden[start:end] = True
        return hidden
