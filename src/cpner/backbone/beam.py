"""Beam search under the grammar: the most probable of several outputs that are written side by side (Eq. 1).

Reading: outputs are compared by their probability as a whole, without a reward for length. As no piece can make an
output more probable, the search of a sentence ends when its best output does.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from cpner.backbone.batch import pad_masked
from cpner.backbone.cache import Cache
from cpner.backbone.decode import Found
from cpner.backbone.load import Backbone
from cpner.backbone.prefix import Prefix
from cpner.grammar import DONE, LIST, OPEN, Grammar, word_span
from cpner.instructor import Source


@torch.inference_mode()
def beam_search(
    backbone: Backbone, sources: Sequence[Source], prefix: Prefix | None = None, *, beams: int
) -> list[list[Found]]:
    """Recognise the entities of a batch by beam search under the grammar.

    Args:
        sources: B sentences with their options.
        prefix: the rows' prefixes, each part [B, L, 2, H, K, D]; None for none.
        beams: outputs that each sentence keeps, k; one is greedy search.

    Returns:
        For each source its entities, ascending, without overlap.
    """
    if not sources:
        return []
    t5, vocabulary, device = backbone.t5, backbone.vocabulary, backbone.device
    found: list[list[Found]] = [[] for _ in sources]
    ids, mask = (tensor.to(device) for tensor in pad_masked([source.ids for source in sources], vocabulary.pad))
    encoded = t5.encode(ids, mask, prefix)
    left = torch.arange(len(sources), device=device)  # [B] sentences that are not done
    wide = left.repeat_interleave(beams)  # [B * k]
    cache = Cache(t5, encoded[wide], mask[wide], prefix and prefix.select(wide), backbone.packed)
    cache.step(torch.full((len(wide), 1), vocabulary.pad, device=device))
    grammar = Grammar.build(sources, vocabulary).to(device).select(wide)
    output = t5.output_weight[grammar.candidates]  # [B * k, C, d]
    written = torch.full((len(wide), 1), OPEN, device=device)  # [B * k, T] candidates
    choices = torch.zeros(len(wide), 1, device=device)  # [B * k, T] log-probability of each
    total = torch.full((len(left), beams), -torch.inf, device=device)  # [B, k] of each output
    total[:, 0] = 0
    state, _ = grammar.advance(grammar.start(), written[:, 0])
    while True:
        hidden = cache.step(grammar.candidates.gather(1, written[:, -1:]))
        logits = (hidden @ output.transpose(1, 2))[:, 0].float()
        allowed, done = grammar.allowed(state), state.mode == DONE
        logs = logits.masked_fill(~allowed, -torch.inf).log_softmax(-1).masked_fill(~allowed, -torch.inf)  # [B * k, C]
        logs[:, OPEN] = torch.where(done, 0.0, logs[:, OPEN])  # an output that is done goes on as it is
        width = logs.shape[1]
        total, best = (total[:, :, None] + logs.view(len(left), beams, width)).flatten(1).topk(beams)
        chosen, first = best % width, torch.arange(len(left), device=device)[:, None] * beams
        parents = (first + best // width).flatten()
        cache.turn(parents)
        logs = logs[parents].gather(1, chosen.view(-1, 1))
        written = torch.cat([written[parents], chosen.view(-1, 1)], dim=1)
        choices = torch.cat([choices[parents], logs], dim=1)
        state, _ = grammar.advance(state.select(parents), written[:, -1])
        ended = state.mode.view(len(left), beams)[:, 0] == DONE
        if not ended.any():
            continue
        rows = ended.nonzero()[:, 0]
        texts = [sources[i] for i in left[rows].tolist()]
        own = _read(grammar.select(rows * beams), texts, written[rows * beams], choices[rows * beams])
        for i, entities in zip(left[rows].tolist(), own, strict=True):
            found[i] = entities
        if bool(ended.all()):
            return found
        going = (~ended).nonzero()[:, 0]
        keep = (going[:, None] * beams + torch.arange(beams, device=device)).flatten()
        cache.keep(keep)
        grammar, state, output = grammar.select(keep), state.select(keep), output[keep]
        left, total, written, choices = left[going], total[going], written[keep], choices[keep]


def _read(grammar: Grammar, sources: Sequence[Source], written: Tensor, choices: Tensor) -> list[list[Found]]:
    """The entities of outputs [B, T], each as probable as the choices [B, T] that wrote it."""
    found: list[list[Found]] = [[] for _ in sources]
    state, score = grammar.start(), torch.zeros_like(choices[:, 0])
    for t in range(written.shape[1]):
        score = torch.where(state.mode == LIST, choices[:, t], score + choices[:, t])
        state, closed = grammar.advance(state, written[:, t])
        p = score[closed.rows].exp().clamp(max=1)
        for row, type_, start, end, p_ in zip(*(part.tolist() for part in (*closed, p)), strict=True):
            found[row].append(Found(word_span(sources[row], start, end, type_), p_))
    return [sorted(row, key=lambda f: f.span) for row in found]
