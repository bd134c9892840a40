"""Greedy decoding under the grammar, several pieces in a pass (Eq. 1).

A pass looks at a row's candidates only: the output layer is gathered once for a batch, so that no pass multiplies with
the whole vocabulary. The grammar goes ahead of the model: it drafts what must follow (the rest of a type's name or of
a word, the template's signs) and what is likely to, and one pass of the model verifies the draft. What is drafted
right is written, the first piece that is not is replaced by the model's choice: the outcome is that of choosing piece
by piece, in a third of the passes. Rows that are done leave the batch.

The members of an ensemble are rows that read the same source with different prefixes; they write what is likeliest by
the mean of their probabilities (section 4.3, ensemble).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from cpner.backbone.batch import pad_masked
from cpner.backbone.cache import Cache, kept
from cpner.backbone.ensemble import rows_of_members
from cpner.backbone.load import Backbone
from cpner.backbone.prefix import Prefix
from cpner.corpus.sentence import Span
from cpner.grammar import DONE, LAST, LIST, OPEN, Closed, Grammar, Parsed, State, parse, word_span
from cpner.instructor import Source

DRAFT = 12  # pieces drafted for a pass of one row at most; of n rows, where each piece costs more, 12 / √n


@dataclass(slots=True)
class Found:
    """An entity that was decoded: its word span and its probability given what was written before it, in [0, 1]."""

    span: Span
    score: float


class Draft(NamedTuple):
    """What a pass feeds to the model: for each of its n pieces the state after it and what may follow."""

    pieces: Tensor  # [B, n] candidates; the first is chosen already
    real: Tensor  # [B, n] false where a row drafts fewer
    states: list[State]
    allowed: Tensor  # [B, n, C]
    closed: list[Closed]  # mentions that pieces 1 to n - 1 close

    @classmethod
    def write(cls, grammar: Grammar, state: State, chosen: Tensor, length: int) -> Draft:
        """Go ahead of the model by up to `length` pieces after the chosen one [B], which led to the state."""
        pieces, real, states, allowed = [chosen], [torch.ones_like(chosen, dtype=torch.bool)], [state], []
        closed: list[Closed] = []
        while True:
            allowed.append(grammar.allowed(states[-1]))
            guess = grammar.guess(states[-1], allowed[-1])
            real.append(real[-1] & (guess >= 0))
            if len(closed) == length or not real[-1].any():
                return cls(torch.stack(pieces, 1), torch.stack(real[:-1], 1), states, torch.stack(allowed, 1), closed)
            pieces.append(guess.clamp(min=0))
            state, end = grammar.advance(states[-1], pieces[-1])
            states.append(state)
            closed.append(end)

    def verify(self, choice: Tensor) -> Tensor:
        """[B] drafted pieces that the model's choices [B, n] agree with, up to the first that they don't."""
        agreed = self.real[:, 1:] & (choice[:, :-1] == self.pieces[:, 1:])
        return agreed.long().cumprod(1).sum(1)


@torch.inference_mode()
def decode(
    backbone: Backbone,
    sources: Sequence[Source],
    prefix: Prefix | None = None,
    *,
    members: int = 1,
    draft: int = DRAFT,
) -> list[list[Found]]:
    """Recognise the entities of a batch by greedy search under the grammar.

    Args:
        sources: B sentences with their options.
        prefix: the rows' prefixes, each part [B, L, 2, H, members * K, D]; None for none.
        members: prefixes that decide together on each sentence, laid out as `together` does.
        draft: pieces that the grammar may go ahead of the model in a pass of one row, and draft / √n in one of n rows;
            0 is a pass for each piece. The outcome is the same.

    Returns:
        For each source its entities, ascending, without overlap.
    """
    if not sources:
        return []
    t5, vocabulary, device = backbone.t5, backbone.vocabulary, backbone.device
    found: list[list[Found]] = [[] for _ in sources]
    ids, mask = (tensor.to(device) for tensor in pad_masked([source.ids for source in sources], vocabulary.pad))
    ids, mask = _for_each(ids, members), _for_each(mask, members)
    if prefix is not None and members > 1:
        prefix = rows_of_members(prefix, members)
    cache = Cache(t5, t5.encode(ids, mask, prefix), mask, prefix, backbone.packed)
    cache.step(torch.full_like(ids[:, :1], vocabulary.pad))
    grammar = Grammar.build(sources, vocabulary).to(device)
    output = t5.output_weight[grammar.candidates]  # [B, C, d]
    rows = torch.arange(len(sources), device=device)
    chosen = torch.full_like(rows, OPEN)  # the template's first sign is no choice
    state, _ = grammar.advance(grammar.start(), chosen)
    score = torch.zeros(len(sources), device=device)
    while True:
        ahead = Draft.write(grammar, state, chosen, math.ceil(draft / math.sqrt(len(rows) * members)))
        pieces = grammar.candidates.gather(1, ahead.pieces)
        hidden = cache.step(_for_each(pieces, members), _for_each(ahead.real, members))
        hidden = hidden.view(len(rows), members, *hidden.shape[1:])  # [B, I, n, d]
        logits = (hidden @ output.transpose(1, 2)[:, None]).float()  # [B, I, n, C]
        best, choice = _agree(logits.masked_fill(~ahead.allowed[:, None], -torch.inf)).max(-1)  # [B, n]
        taken = ahead.verify(choice)
        scores = _scores(score, best, ahead.states)
        chosen, score = (tensor.gather(1, taken[:, None])[:, 0] for tensor in (choice, scores))
        state, last = grammar.advance(State.at(ahead.states, taken), chosen)
        for j, closed in enumerate([*ahead.closed, last]):
            own = slice(None) if closed is last else taken[closed.rows] > j
            at = closed.rows[own]
            ends = (rows[at], closed.types[own], closed.starts[own], closed.ends[own])
            p = (score if closed is last else scores[:, j])[at].exp().clamp(max=1)
            for row, type_, start, end, p_ in zip(*(part.tolist() for part in (*ends, p)), strict=True):
                found[row].append(Found(word_span(sources[row], start, end, type_), p_))
        going = (state.mode != LAST) & (state.mode != DONE)
        left = int(going.sum())
        if left == 0:
            return [sorted(row, key=lambda f: f.span) for row in found]
        cache.take_back(_for_each(ahead.pieces.shape[1] - 1 - taken, members), ahead.pieces.shape[1])
        if left < len(going):
            keep = _stay(going)
            cache.keep((keep[:, None] * members + torch.arange(members, device=device)).flatten())
            output = kept(output, keep)
            grammar, state = grammar.select(keep), state.select(keep)
            rows, score, chosen = rows[keep], score[keep], chosen[keep]


@torch.inference_mode()
def decode_freely(
    backbone: Backbone, sources: Sequence[Source], prefix: Prefix | None = None, *, limit: int = 192
) -> list[Parsed]:
    """Generate without the grammar and read the output tolerantly: what the grammar is measured against."""
    if not sources:
        return []
    t5, vocabulary, device = backbone.t5, backbone.vocabulary, backbone.device
    ids, mask = (tensor.to(device) for tensor in pad_masked([source.ids for source in sources], vocabulary.pad))
    cache = Cache(t5, t5.encode(ids, mask, prefix), mask, prefix, backbone.packed)
    written = torch.full((len(sources), 1), vocabulary.pad, device=device)
    output: list[Tensor] = []
    done = torch.zeros(len(sources), dtype=torch.bool, device=device)
    while len(output) < limit and not bool(done.all()):
        written = (cache.step(written)[:, -1:] @ t5.output_weight.T).argmax(-1)
        output.append(written[:, 0])
        done |= written[:, 0] == vocabulary.eos
    rows = torch.stack(output, 1).tolist()
    return [parse(row, source, vocabulary) for row, source in zip(rows, sources, strict=True)]


def _for_each(rows: Tensor, members: int) -> Tensor:
    """Rows of sentences [B, ...] as rows of their members [B * I, ...]."""
    return rows if members == 1 else rows.repeat_interleave(members, 0)


def _agree(logits: Tensor) -> Tensor:
    """[B, n, C] the logarithm of the members' mean probability, of logits [B, I, n, C]."""
    own = logits.log_softmax(-1)
    return own[:, 0] if own.shape[1] == 1 else own.logsumexp(1) - math.log(own.shape[1])


def _scores(score: Tensor, best: Tensor, states: Sequence[State]) -> Tensor:
    """[B, n] log-probability of the entity that each piece belongs to, up to the choice after the piece."""
    scores = []
    for j, state in enumerate(states):
        score = torch.where(state.mode == LIST, best[:, j], score + best[:, j])
        scores.append(score)
    return torch.stack(scores, 1)


def _stay(going: Tensor) -> Tensor:
    """[left] the rows that go on: each where it was, but for the last ones, which take the places of those that end."""
    places = torch.arange(len(going), device=going.device)
    left = int(going.sum())
    order = torch.where(going, places, -1)[:left]
    order[order < 0] = places[left:][going[left:]]
    return order
