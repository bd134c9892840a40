"""Entities by decoder and tagger together, which read the same states of the encoder.

Each says how likely an entity is, the decoder only of those that it wrote. The mean of both decides.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from cpner.backbone.load import Backbone
from cpner.backbone.prefix import Prefix
from cpner.corpus.sentence import Answer, Prediction, Span
from cpner.instructor import Source
from cpner.recognition.decode import decode
from cpner.recognition.encode import encode
from cpner.recognition.tagging import View, views
from cpner.recognition.vote import evidence_of

LEAST = 0.3  # mean probability: an entity that one of them does not find needs twice as much from the other


@torch.inference_mode()
def decode_and_tag(backbone: Backbone, sources: Sequence[Source], prefix: Prefix | None = None) -> list[Answer]:
    """Recognise the entities of a batch by greedy search under the grammar and by the tagger.

    Args:
        backbone: comes with a tagger.
        sources: B sentences with their options. Where these are not told, the decoder is alone.
        prefix: the rows' prefixes, each part [B, L, 2, H, K, D]; None for none.

    Returns:
        For each source its entities, ascending, without overlap, with raw scores.

    Raises:
        BackboneError: the backbone has no tagger, or what it computes is not finite.
    """
    if not sources:
        return []
    encoded = encode(backbone, sources, prefix)
    answers = decode(backbone, sources, prefix, encoded=encoded)
    rows = [row for row, source in enumerate(sources) if source.tells_options]
    for row, view in zip(rows, views(backbone, [sources[row] for row in rows], encoded[0][rows]), strict=True):
        answers[row] = joined(answers[row], view)
    return answers


def joined(written: Answer, view: View) -> Answer:
    """What decoder and tagger find together: of entities that overlap, the likeliest by the mean of both."""
    by_span = {prediction.span: prediction for prediction in written}
    rivals = [_mean(span, by_span.get(span), view) for span in {*by_span, *view.spans}]
    chosen: list[Prediction] = []
    for rival in sorted(rivals, key=lambda rival: (-rival.score, rival.span)):
        free = all(rival.span.end <= one.span.start or one.span.end <= rival.span.start for one in chosen)
        if free and rival.score >= LEAST:
            chosen.append(rival)
    end = (written.end + view.answer().end) / 2
    return Answer(sorted(chosen, key=lambda prediction: prediction.span), end)


def _mean(span: Span, written: Prediction | None, view: View) -> Prediction:
    """An entity with the mean of both probabilities, and what those saw that found it."""
    seen = view.prediction(span)
    score = (seen.raw + (written.raw if written else 0.0)) / 2
    ballot = [*([written] if written else []), *([seen] if span in view.spans else [])]
    return Prediction(span, score, evidence_of(score, ballot, 2))
