"""One search for the members of an ensemble: they write the same pieces, by the mean of their probabilities."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from cpner.backbone.batch import pad_masked
from cpner.backbone.decode import Found
from cpner.backbone.load import Backbone
from cpner.backbone.prefix import ATTENTIONS, Prefix
from cpner.errors import PrefixMismatchError
from cpner.grammar import DONE, LAST, LIST, OPEN, Grammar, word_span
from cpner.instructor import Source


def together(prefixes: Sequence[Prefix]) -> Prefix:
    """Members' prefixes one after another: parts [L, 2, H, K, D] become [L, 2, H, I*K, D].

    Raises:
        PrefixMismatchError: the prefixes differ in shape or in the attentions they serve.
    """
    shapes = [{name: tuple(part.shape) for name, part in prefix.parts.items()} for prefix in prefixes]
    if any(shape != shapes[0] for shape in shapes):
        raise PrefixMismatchError(f"members of different shapes can't be one ensemble: {shapes}")
    parts = {name: torch.cat([p.parts[name].float() for p in prefixes], dim=-2) for name in prefixes[0].parts}
    return Prefix(*(parts.get(name) for name in ATTENTIONS))


def apart(prefix: Prefix, members: int) -> list[Prefix]:
    """The prefixes that `together` put one after another, in a domain's layout or a batch's."""
    chunks = {name: part.chunk(members, dim=-2) for name, part in prefix.parts.items()}
    return [Prefix(*(chunks[name][i] if name in chunks else None for name in ATTENTIONS)) for i in range(members)]


@torch.inference_mode()
def decode_together(
    backbone: Backbone, sources: Sequence[Source], prefix: Prefix | None, *, members: int
) -> list[list[Found]]:
    """Recognise entities by greedy search under the grammar on the mean of the members' distributions.

    All members are rows of one batch. Nothing is cached between steps, so that this path stays simple.

    Args:
        sources: B sentences with their options.
        prefix: the rows' prefixes, each part [B, L, 2, H, members * K, D], as `together` lays them out.

    Returns:
        For each source its entities, ascending, without overlap.
    """
    if not sources or prefix is None:
        return [[] for _ in sources]
    t5, vocabulary, device = backbone.t5, backbone.vocabulary, backbone.device
    found: list[list[Found]] = [[] for _ in sources]
    ids, mask = (tensor.to(device) for tensor in pad_masked([source.ids for source in sources], vocabulary.pad))
    split = apart(prefix, members)
    encoded = torch.stack([t5.encode(ids, mask, own) for own in split])  # [I, B, S, d]
    parts = {name: torch.stack([own.parts[name] for own in split]) for name in prefix.parts}  # [I, B, L, 2, H, K, D]
    grammar = Grammar.build(sources, vocabulary).to(device)
    rows = torch.arange(len(sources), device=device)
    state, _ = grammar.advance(grammar.start(), torch.full_like(rows, OPEN))
    written = torch.tensor([[vocabulary.pad, vocabulary.open]], device=device).repeat(len(sources), 1)
    score = torch.zeros(len(sources), device=device)
    while True:
        flat = Prefix(*(parts[name].flatten(0, 1) if name in parts else None for name in ATTENTIONS))
        hidden = t5.decode(written.repeat(members, 1), encoded.flatten(0, 1), mask.repeat(members, 1), flat)[:, -1]
        output = t5.output_weight[grammar.candidates]  # [B, C, d]
        logits = torch.einsum("bcd,ibd->ibc", output, hidden.view(members, len(rows), -1)).float()
        agreed = _mean(logits.masked_fill(~grammar.allowed(state), -torch.inf))
        best, chosen = agreed.max(-1)
        score = torch.where(state.mode == LIST, best, score + best)
        state, closed = grammar.advance(state, chosen)
        for row, type_, start, end, p in zip(
            closed.rows.tolist(), closed.types.tolist(), closed.starts.tolist(), closed.ends.tolist(),
            score[closed.rows].exp().tolist(), strict=True,
        ):  # fmt: skip
            original = int(rows[row])
            found[original].append(Found(word_span(sources[original], start, end, type_), min(1.0, p)))
        written = torch.cat([written, grammar.candidates.gather(1, chosen[:, None])], dim=1)
        keep = ((state.mode != LAST) & (state.mode != DONE)).nonzero()[:, 0]
        if not len(keep):
            return [sorted(row, key=lambda f: f.span) for row in found]
        if len(keep) < len(rows):
            grammar, state = grammar.select(keep), state.select(keep)
            rows, mask, score, written, encoded = rows[keep], mask[keep], score[keep], written[keep], encoded[:, keep]
            parts = {name: part[:, keep] for name, part in parts.items()}


def _mean(logits: Tensor) -> Tensor:
    """[B, C] the logarithm of the mean over members of softmax(logits), logits [I, B, C]."""
    return logits.log_softmax(-1).logsumexp(0) - math.log(len(logits))
