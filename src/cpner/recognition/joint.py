"""Entities by decoder and tagger together, which read the same states of the encoder.

Each says how likely an entity is, the decoder only of those that it wrote. The mean of both decides.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from cpner.backbone.load import Backbone
from cpner.backbone.prefix import Prefix
from cpner.corpus.evidence import Evidence
from cpner.corpus.sentence import Answer, Prediction, Span
from cpner.instructor import Source
from cpner.recognition.decode import decode
from cpner.recognition.encode import encode
from cpner.recognition.tagging import View, views_by_row

LEAST = 0.3  # mean probability: an entity that one of them does not find needs twice as much from the other


@torch.inference_mode()
def decode_and_tag(
    backbone: Backbone,
    sources: Sequence[Source],
    prefix: Prefix | None = None,
    *,
    encoded: tuple[Tensor, Tensor] | None = None,
) -> list[Answer]:
    """Recognise the entities of a batch by greedy search under the grammar and by the tagger.

    Args:
        backbone: without a tagger the decoder is alone.
        sources: B sentences with their options. Where these are not told, the decoder is alone.
        prefix: the rows' prefixes, each part [B, L, 2, H, K, D]; None for none.
        encoded: what `encode` gives for the sources, where that is known.

    Returns:
        For each source its entities, ascending, without overlap, with raw scores.

    Raises:
        BackboneError: what the backbone computes is not finite.
    """
    if not sources:
        return []
    if encoded is None:
        encoded = encode(backbone, sources, prefix)
    answers = decode(backbone, sources, prefix, encoded=encoded)
    for row, view in views_by_row(backbone, sources, encoded[0]).items():
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
    end = (written.end + view.end()) / 2
    return Answer(sorted(chosen, key=lambda prediction: prediction.span), end)


def _mean(span: Span, written: Prediction | None, view: View) -> Prediction:
    """An entity with the mean of both probabilities, the decoder's 0 where it did not write it.

    Its parts are those of the mixture: beginning, then the type of what begins, then the words of that.
    """
    seen = view.prediction(span)
    evidence = [one.evidence for one in (seen, written) if one is not None and one.evidence is not None]
    begins = sum(math.exp(one.open) for one in evidence) / 2
    has_type = sum(math.exp(one.open + one.type) for one in evidence) / 2
    score = sum(one.raw for one in evidence) / 2
    opens = _log_share(begins, 1.0)
    type_ = _log_share(has_type, begins)
    mention = _log_share(score, has_type)
    least = min(opens, type_, mention)
    return Prediction(span, score, Evidence(score, opens, type_, mention, least, evidence[-1].choices))


def _log_share(part: float, whole: float) -> float:
    """The logarithm of a share, at most 0."""
    return min(0.0, math.log(part / whole)) if part else -math.inf
