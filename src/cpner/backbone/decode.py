"""Greedy decoding under the grammar, with key-value caches whose first slots hold the prefix (Eq. 1-3).

A step looks at a row's candidates only: the output layer is gathered once for a batch, so that no step multiplies with
the whole vocabulary. Rows that are done leave the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cpner.backbone.batch import pad_masked
from cpner.backbone.load import Backbone
from cpner.backbone.prefix import Prefix
from cpner.backbone.t5 import T5, before_prefix, mask_bias
from cpner.corpus.sentence import Span
from cpner.grammar import DONE, LAST, LIST, OPEN, Grammar, Parsed, parse, word_span
from cpner.instructor import Source

_CHUNK = 32  # positions by which a self-attention cache grows


@dataclass(slots=True)
class Found:
    """An entity that was decoded: its word span and its probability given what was written before it, in [0, 1]."""

    span: Span
    score: float


class Cache:
    """What the decoder of a batch keeps between steps.

    Self-attention keys and values are [B, H, K + capacity, D] with the prefix in the first K slots;
    cross-attention's are [B, H, K + S, D], computed once.
    """

    def __init__(self, t5: T5, encoded: Tensor, mask: Tensor, prefix: Prefix | None) -> None:
        self.t5, self.length = t5, 0
        own, cross = (None, None) if prefix is None else (prefix.decoder, prefix.cross)
        self.offset = 0 if own is None else own.shape[-2]
        prefix_mask = None if prefix is None else prefix.mask
        dtype, batch = encoded.dtype, encoded.shape[0]
        self.own_columns = None
        if own is not None and prefix_mask is not None:
            self.own_columns = mask_bias(prefix_mask, dtype)[:, None, None, :]
        self.cross_bias = before_prefix(mask_bias(mask, dtype)[:, None, None, :], cross, prefix_mask)
        self.own: list[Tensor] = []
        self.cross: list[tuple[Tensor, Tensor]] = []
        for i, layer in enumerate(t5.decoder.layers):
            k, v = layer.cross_attention.split(layer.cross_attention.kv(encoded), 2)
            if cross is not None:
                k = torch.cat([cross[:, i, 0].to(dtype), k], dim=2)
                v = torch.cat([cross[:, i, 1].to(dtype), v], dim=2)
            self.cross.append((k.transpose(-1, -2).contiguous(), v.contiguous()))
            states = encoded.new_zeros(batch, 2, t5.shape.heads, self.offset + _CHUNK, t5.shape.d_kv)
            if own is not None:
                states[..., : self.offset, :] = own[:, i]
            self.own.append(states)

    def step(self, ids: Tensor) -> Tensor:
        """Decode n more pieces of every row: ids [B, n] to scaled states [B, n, d]."""
        t5, start, end = self.t5, self.length, self.length + ids.shape[1]
        if self.offset + end > self.own[0].shape[-2]:
            grown = self.offset + end + _CHUNK - self.own[0].shape[-2]
            self.own = [torch.nn.functional.pad(states, (0, 0, 0, grown)) for states in self.own]
        positions = torch.arange(end, device=ids.device)
        bias = t5.decoder.relative_bias(positions[start:], positions).float()
        bias = (bias + mask_bias(positions[start:, None] >= positions[None, :], torch.float32))[None]
        x = t5.embedding(ids)
        columns = self.own_columns if self.own_columns is not None else bias.new_zeros(1, 1, 1, self.offset)
        heads, queries = bias.shape[1:3]
        bias = torch.cat(
            [columns.expand(-1, heads, queries, -1), bias.to(columns.dtype).expand(columns.shape[0], -1, -1, -1)],
            dim=-1,
        ).to(x.dtype)
        for layer, states, (ck, cv) in zip(t5.decoder.layers, self.own, self.cross, strict=True):
            attention = layer.self_attention
            q, k, v = attention.split(attention.qkv(layer.self_norm(x)), 3)
            states[:, 0, :, self.offset + start : self.offset + end] = k
            states[:, 1, :, self.offset + start : self.offset + end] = v
            seen = states[..., : self.offset + end, :]
            x = x + attention.merge((q @ seen[:, 0].transpose(-1, -2) + bias).softmax(-1) @ seen[:, 1])
            attention = layer.cross_attention
            (q,) = attention.split(attention.q(layer.cross_norm(x)), 1)
            x = x + attention.merge((q @ ck + self.cross_bias).softmax(-1) @ cv)
            x = x + layer.ff(layer.ff_norm(x))
        self.length = end
        return t5.scale(t5.decoder.norm(x))

    def select(self, rows: Tensor) -> None:
        """Keep these rows."""
        self.own = [states[rows] for states in self.own]
        self.cross = [(k[rows], v[rows]) for k, v in self.cross]
        if self.cross_bias.shape[0] > 1:
            self.cross_bias = self.cross_bias[rows]
        if self.own_columns is not None and self.own_columns.shape[0] > 1:
            self.own_columns = self.own_columns[rows]


@torch.inference_mode()
def decode(backbone: Backbone, sources: Sequence[Source], prefix: Prefix | None = None) -> list[list[Found]]:
    """Recognise the entities of a batch by greedy search under the grammar.

    Args:
        sources: B sentences with their options.
        prefix: the rows' prefixes, each part [B, L, 2, H, K, D]; None for none.

    Returns:
        For each source its entities, ascending, without overlap.
    """
    if not sources:
        return []
    t5, vocabulary, device = backbone.t5, backbone.vocabulary, backbone.device
    found: list[list[Found]] = [[] for _ in sources]
    ids, mask = (tensor.to(device) for tensor in pad_masked([source.ids for source in sources], vocabulary.pad))
    cache = Cache(t5, t5.encode(ids, mask, prefix), mask, prefix)
    grammar = Grammar.build(sources, vocabulary).to(device)
    output = t5.output_weight[grammar.candidates]  # [B, C, d]
    rows = torch.arange(len(sources), device=device)
    state = grammar.start()
    state, _ = grammar.advance(state, torch.full_like(rows, OPEN))  # the template's first sign is no choice
    written = torch.tensor([[vocabulary.pad, vocabulary.open]], device=device).expand(len(sources), 2)
    score = torch.zeros(len(sources), device=device)
    while True:
        hidden = cache.step(written)[:, -1:]
        logits = (hidden @ output.transpose(1, 2))[:, 0].float()
        probabilities = logits.masked_fill(~grammar.allowed(state), -torch.inf).log_softmax(-1)
        best, chosen = probabilities.max(-1)
        score = torch.where(state.mode == LIST, best, score + best)
        state, closed = grammar.advance(state, chosen)
        for row, type_, start, end, p in zip(
            closed.rows.tolist(), closed.types.tolist(), closed.starts.tolist(), closed.ends.tolist(),
            score[closed.rows].exp().tolist(), strict=True,
        ):  # fmt: skip
            original = int(rows[row])
            found[original].append(Found(word_span(sources[original], start, end, type_), min(1.0, p)))
        written = grammar.candidates.gather(1, chosen[:, None])
        going = (state.mode != LAST) & (state.mode != DONE)
        left = int(going.sum())
        if left == 0:
            return [sorted(row, key=lambda f: f.span) for row in found]
        if left <= 0.75 * len(going):
            keep = going.nonzero()[:, 0]
            cache.select(keep)
            grammar, state, output = grammar.select(keep), state.select(keep), output[keep]
            rows, score, written = rows[keep], score[keep], written[keep]


@torch.inference_mode()
def decode_freely(
    backbone: Backbone, sources: Sequence[Source], prefix: Prefix | None = None, *, limit: int = 192
) -> list[Parsed]:
    """Generate without the grammar and read the output tolerantly: what the grammar is measured against."""
    if not sources:
        return []
    t5, vocabulary, device = backbone.t5, backbone.vocabulary, backbone.device
    ids, mask = (tensor.to(device) for tensor in pad_masked([source.ids for source in sources], vocabulary.pad))
    cache = Cache(t5, t5.encode(ids, mask, prefix), mask, prefix)
    written = torch.full((len(sources), 1), vocabulary.pad, device=device)
    output: list[Tensor] = []
    done = torch.zeros(len(sources), dtype=torch.bool, device=device)
    while len(output) < limit and not bool(done.all()):
        written = (cache.step(written)[:, -1:] @ t5.output_weight.T).argmax(-1)
        output.append(written[:, 0])
        done |= written[:, 0] == vocabulary.eos
    rows = torch.stack(output, 1).tolist()
    return [parse(row, source, vocabulary) for row, source in zip(rows, sources, strict=True)]
