"""How plausible each type is for an entity that was found: every name is written in the place of its own (Eq. 1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch

from cpner.backbone.load import Backbone
from cpner.backbone.padding import mask_of, pad
from cpner.backbone.prefix import Prefix
from cpner.corpus.sentence import Answer, Span
from cpner.instructor import Source
from cpner.instructor.grammar import Grammar
from cpner.instructor.options import CLOSE, COLON, OPEN
from cpner.recognition.encode import encode
from cpner.recognition.joint import decode_and_tag
from cpner.recognition.tagging import views_by_row

_ROWS = 64  # targets that are read at once


class _Row(NamedTuple):
    """A target up to an entity's type, and what may stand at each of its places."""

    source: int
    target: list[int]  # candidates
    allowed: list[int]  # at places before the entity only what stands there, so that they count for nothing


@torch.inference_mode()
def decode_with_shares(backbone: Backbone, sources: Sequence[Source], prefix: Prefix | None = None) -> list[Answer]:
    """Recognise the entities of a batch greedily, and compare all types for each.

    Args:
        sources: B sentences with their options.
        prefix: the rows' prefixes, each part [B, L, 2, H, K, D]; None for none.

    Returns:
        What greedy search gives, with the tagger if the backbone has one; each entity has the `shares` of its types,
        which sum to 1, the largest first. The share of a type is the probability of its name where the entity has one,
        given the entities before. With a tagger it is the mean of that and of the tagger's share.
    """
    if not sources:
        return []
    encoded, mask = encode(backbone, sources, prefix)
    answers = decode_and_tag(backbone, sources, prefix, encoded=(encoded, mask))
    grammars = [Grammar(source) for source in sources]
    rows = [
        row
        for i, answer in enumerate(answers)
        for row in _rows(i, sources[i], grammars[i], [one.span for one in answer])
    ]
    if not rows:
        return answers
    t5 = backbone.reader
    candidates = pad([grammar.candidates for grammar in grammars], backbone.vocabulary.pad).to(backbone.device)
    logs: list[float] = []
    for start in range(0, len(rows), _ROWS):
        chunk = rows[start : start + _ROWS]
        at = torch.tensor([row.source for row in chunk], device=backbone.device)
        target = pad([row.target for row in chunk], 0).to(backbone.device)  # [R, T]
        allowed = [[*row.allowed, *[1] * (target.shape[1] - len(row.allowed))] for row in chunk]  # padding is certain
        pieces = candidates[at].gather(1, target)
        inputs = torch.cat([torch.full_like(pieces[:, :1], backbone.vocabulary.pad), pieces[:, :-1]], dim=1)
        hidden = t5.decode(inputs, encoded[at], mask[at], prefix and prefix.select(at))
        logits = t5.logits(hidden, t5.output_weight[candidates[at]])  # [R, T, C]
        possible = mask_of(allowed, logits.shape[2]).to(backbone.device)
        chosen = logits.masked_fill(~possible, -torch.inf).log_softmax(-1).gather(2, target[..., None])
        logs += chosen.sum((1, 2)).tolist()
    seen = views_by_row(backbone, sources, encoded)
    left = iter(logs)
    for i, (source, answer) in enumerate(zip(sources, answers, strict=True)):
        names = source.options.types
        for k, prediction in enumerate(answer):
            shares = torch.tensor([next(left) for _ in names]).softmax(0)
            if i in seen:
                shares = (shares + seen[i].types(prediction.span).softmax(0)) / 2
            ranked = sorted(zip(names, shares.tolist(), strict=True), key=lambda pair: -pair[1])
            answer[k] = prediction._replace(shares=tuple(ranked))
    return answers


def _rows(i: int, source: Source, grammar: Grammar, spans: Sequence[Span]) -> Iterator[_Row]:
    """For each entity a row for each type; entities before it are as they were found."""
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for place, word in enumerate(source.word_of):
        first.setdefault(word, place)
        last[word] = place + 1
    names = [[*grammar.index(pieces), COLON] for pieces in source.options.pieces]
    before = [OPEN]
    state, _ = grammar.advance(grammar.start(), OPEN)
    for span in spans:
        before.append(OPEN)
        state, _ = grammar.advance(state, OPEN)
        certain = [1 << candidate for candidate in before]
        for name in names:
            allowed = []
            after = state
            for candidate in name:
                allowed.append(grammar.allowed(after))
                after, _ = grammar.advance(after, candidate)
            yield _Row(i, [*before, *name], [*certain, *allowed])
        mention = grammar.sentence[first[span.start] : last[span.end - 1]]
        for candidate in (*names[source.options.types.index(span.type)], *mention, CLOSE):
            before.append(candidate)
            state, _ = grammar.advance(state, candidate)
