"""T5 with room for prefixes: the frozen text-to-text model LM_θ (sections 3.2 and 3.3, Eq. 1-3).

Covers T5 (ReLU), T5 v1.1 / Flan-T5 and mT5 (gated GELU). What is particular to T5 and easily got wrong:
attention logits are not scaled; the head width is `d_kv`, whatever `d_model / heads` is; only the first layer of each
stack holds the relative bias, which all its layers share; cross-attention has none; norms have no mean and no offset;
with a tied output the last hidden states are scaled by d_model^-0.5.

Axes in comments: B batch, S source pieces, T target pieces, K prefix length, H heads, D `d_kv`, L layers, d `d_model`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from cpner.backbone.linear import Linear
from cpner.backbone.prefix import Prefix
from cpner.backbone.shape import T5Shape

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "gelu": F.gelu,
    "gelu_new": lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu,
}


_PLAIN = 1 << 24  # attention logits that are laid out whole on a CPU; where they are kept for a gradient, a quarter


class FusedLinear(Linear):
    """Several projections of the same input as one matrix product; `parts` names their number."""

    def __init__(self, width: int, out: int, parts: int) -> None:
        super().__init__(width, out * parts)
        self.parts = parts


class Norm(nn.Module):
    """Division by the root mean square, then a gain: no mean, no offset."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.weight.shape, self.weight.to(x.dtype), self.eps)


class FeedForward(nn.Module):
    """wo(act(wi x)), or wo(act(wi_0 x) * wi_1 x) when gated."""

    def __init__(self, shape: T5Shape) -> None:
        super().__init__()
        self.wi = FusedLinear(shape.d_model, shape.d_ff, 2 if shape.gated else 1)
        self.wo = Linear(shape.d_ff, shape.d_model)
        self.activation = ACTIVATIONS[shape.activation]

    def forward(self, x: Tensor) -> Tensor:
        if self.wi.parts == 1:
            hidden = self.activation(self.wi(x))
        else:
            gate, value = self.wi(x).chunk(2, dim=-1)
            hidden = self.activation(gate) * value
        out: Tensor = self.wo(hidden)
        return out


def attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
    """softmax(q kᵀ + bias) v with unscaled logits: q [B, H, T, D], k and v [B, H, S, D], bias broadcast to logits."""
    logits, room = q[..., 0].numel() * k.shape[2], _PLAIN // 4 if torch.is_grad_enabled() else _PLAIN
    few = q.device.type == "cpu" and logits <= room
    if bias.requires_grad or few:  # a learned bias, or logits that fit in memory: plain products are faster on CPU
        return (q @ k.transpose(-1, -2) + bias).softmax(dim=-1) @ v
    return F.scaled_dot_product_attention(q, k, v, attn_mask=bias, scale=1.0)


def prepend(prefix: Tensor | None, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Keys and values [B, H, S, D] with those of a prefix [B, 2, H, K, D] before them, [B, H, K + S, D]."""
    if prefix is None:
        return k, v
    keys, values = prefix.unbind(1)
    return torch.cat([keys, k], dim=2), torch.cat([values, v], dim=2)  # Eq. 2


class Attention(nn.Module):
    """Multi-head attention whose keys and values may start with a prefix (Eq. 2)."""

    def __init__(self, shape: T5Shape, *, cross: bool) -> None:
        super().__init__()
        self.heads, self.d_kv = shape.heads, shape.d_kv
        inner = shape.heads * shape.d_kv
        if cross:
            self.q = Linear(shape.d_model, inner)
            self.kv = FusedLinear(shape.d_model, inner, 2)
        else:
            self.qkv = FusedLinear(shape.d_model, inner, 3)
        self.o = Linear(inner, shape.d_model)

    def split(self, x: Tensor, parts: int) -> tuple[Tensor, ...]:
        """[B, T, parts*H*D] to `parts` tensors [B, H, T, D]."""
        batch, length, _ = x.shape
        return x.view(batch, length, parts, self.heads, self.d_kv).permute(2, 0, 3, 1, 4).unbind(0)

    def join(self, x: Tensor) -> Tensor:
        """[B, H, T, D] to [B, T, H*D]."""
        batch, _, length, _ = x.shape
        return x.transpose(1, 2).reshape(batch, length, self.heads * self.d_kv)

    def merge(self, x: Tensor) -> Tensor:
        """[B, H, T, D] to [B, T, H*D], then the output projection."""
        out: Tensor = self.o(self.join(x))
        return out

    def forward(self, x: Tensor, memory: Tensor | None, bias: Tensor, prefix: Tensor | None) -> Tensor:
        """Attend from x [B, T, d] to itself, or to memory [B, S, d].

        Args:
            bias: broadcast to [B, H, T, K + S], relative bias and mask together.
            prefix: [B, 2, H, K, D] keys and values that come first, or None (K = 0).
        """
        if memory is None:
            q, k, v = self.split(self.qkv(x), 3)
        else:
            (q,), (k, v) = self.split(self.q(x), 1), self.split(self.kv(memory), 2)
        k, v = prepend(prefix, k, v)
        return self.merge(attend(q, k, v, bias))


Attend = Callable[[Attention, Tensor], Tensor]  # an attention's input, normed, to its output, both [..., d]


def attend_to(memory: Tensor | None, bias: Tensor, prefix: Tensor | None) -> Attend:
    """A way to attend that computes all keys and values anew; arguments as in `Attention`."""

    def attend_anew(attention: Attention, x: Tensor) -> Tensor:
        out: Tensor = attention(x, memory, bias, prefix)
        return out

    return attend_anew


class Layer(nn.Module):
    """One pre-norm layer LM^(j) of Eq. 3: self-attention, cross-attention in the decoder, feed-forward."""

    def __init__(self, shape: T5Shape, *, decoder: bool) -> None:
        super().__init__()
        self.self_norm = Norm(shape.d_model, shape.eps)
        self.self_attention = Attention(shape, cross=False)
        if decoder:
            self.cross_norm = Norm(shape.d_model, shape.eps)
            self.cross_attention = Attention(shape, cross=True)
        self.ff_norm = Norm(shape.d_model, shape.eps)
        self.ff = FeedForward(shape)

    def forward(self, x: Tensor, attend_self: Attend, attend_cross: Attend | None = None) -> Tensor:
        """Take states x [..., d] through the layer.

        Args:
            attend_self: how to attend to the sequence itself; training and decoding have ways of their own.
            attend_cross: how to attend to the source; None in an encoder.
        """
        x = x + attend_self(self.self_attention, self.self_norm(x))
        if attend_cross is not None:
            x = x + attend_cross(self.cross_attention, self.cross_norm(x))
        out: Tensor = x + self.ff(self.ff_norm(x))
        return out


class RelativeBias(nn.Module):
    """T5's bucketed relative position bias, one value for each bucket and head."""

    def __init__(self, shape: T5Shape, *, two_sided: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(shape.buckets, shape.heads))
        self.two_sided, self.max_distance = two_sided, shape.max_distance

    def buckets(self, distance: Tensor) -> Tensor:
        """Bucket of each distance (key position minus query position): exact when near, logarithmic when far."""
        count = self.weight.shape[0]
        offset = torch.zeros_like(distance)
        if self.two_sided:
            count //= 2
            offset = (distance > 0).long() * count
            distance = distance.abs()
        else:
            distance = (-distance).clamp(min=0)
        exact = count // 2
        ratio = distance.clamp(min=1).float().div(exact).log() / math.log(self.max_distance / exact)
        far = (exact + (ratio * (count - exact)).long()).clamp(max=count - 1)
        return offset + torch.where(distance < exact, distance, far)

    def forward(self, queries: Tensor, keys: Tensor) -> Tensor:
        """[H, T, S] bias between the positions of queries [T] and keys [S]."""
        return self.weight[self.buckets(keys[None, :] - queries[:, None])].permute(2, 0, 1)


class Stack(nn.Module):
    """The encoder's or the decoder's layers with their shared relative bias."""

    def __init__(self, shape: T5Shape, *, decoder: bool) -> None:
        super().__init__()
        self.relative_bias = RelativeBias(shape, two_sided=not decoder)
        depth = shape.decoder_layers if decoder else shape.encoder_layers
        layers = nn.ModuleList(Layer(shape, decoder=decoder) for _ in range(depth))
        self.layers = cast("Sequence[Layer]", layers)  # a list of modules does not tell its items' type
        self.norm = Norm(shape.d_model, shape.eps)

    def forward(
        self,
        x: Tensor,
        ways: Iterable[tuple[Attend, Attend | None]],
        run: Callable[[Layer, Tensor, Attend, Attend | None], Tensor] = Layer.__call__,
    ) -> Tensor:
        """Take states x [..., d] through all layers and the last norm.

        Args:
            ways: for each layer how to attend to the sequence itself, and to the source.
            run: how to call a layer.
        """
        for layer, (attend_self, attend_cross) in zip(self.layers, ways, strict=True):
            x = run(layer, x, attend_self, attend_cross)  # Eq. 3
        normed: Tensor = self.norm(x)
        return normed


def mask_bias(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """0 where the mask is true, the most negative number elsewhere."""
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill(~mask, torch.finfo(dtype).min)


def before_prefix(bias: Tensor, prefix: Tensor | None, prefix_mask: Tensor | None) -> Tensor:
    """Put the prefix's columns before a bias [B, 1 or H, T, S]: zero, masked where a row's prefix is shorter."""
    if prefix is None:
        return bias
    batch, heads, queries, _ = bias.shape
    columns = bias.new_zeros(batch, 1, 1, prefix.shape[-2])
    if prefix_mask is not None:
        columns = mask_bias(prefix_mask, bias.dtype)[:, None, None, :]
        bias = bias.expand(max(batch, columns.shape[0]), -1, -1, -1)
    columns = columns.expand(bias.shape[0], heads, queries, -1)
    return torch.cat([columns, bias], dim=-1)


class T5(nn.Module):
    """Encoder and decoder of a T5; every attention takes a prefix.

    `Prefix` holds for each kind of attention a tensor [B, L, 2, H, K, D], or None for no prefix there.

    Attributes:
        shape: sizes and variants.
        checkpointing: keep only what goes into each layer for the gradient, and compute the rest again: less memory,
            more time, the same numbers.
    """

    def __init__(self, shape: T5Shape) -> None:
        super().__init__()
        self.shape = shape
        self.checkpointing = False
        self.embedding = nn.Embedding(shape.vocab_size, shape.d_model)
        self.encoder = Stack(shape, decoder=False)
        self.decoder = Stack(shape, decoder=True)
        self.head = None if shape.tied else nn.Linear(shape.d_model, shape.vocab_size, bias=False)

    @property
    def output_weight(self) -> Tensor:
        """[V, d] rows of the output layer."""
        return self.embedding.weight if self.head is None else self.head.weight

    def encode(self, ids: Tensor, mask: Tensor, prefix: Prefix | None = None) -> Tensor:
        """Encode source pieces.

        Args:
            ids: [B, S] piece ids.
            mask: [B, S] true where a piece is, false at padding.
            prefix: the rows' prefixes; None for none.

        Returns:
            [B, S, d] states.
        """
        x = self.embedding(ids)
        positions = torch.arange(ids.shape[1], device=ids.device)
        bias = self.encoder.relative_bias(positions, positions)[None] + mask_bias(mask, torch.float32)[:, None, None, :]
        states = None if prefix is None else prefix.encoder
        dtype = _compute_dtype(x)
        bias = before_prefix(bias, states, None if prefix is None else prefix.mask).to(dtype)
        ways = [(attend_to(None, bias, part), None) for part in by_layer(states, dtype, self.encoder)]
        encoded: Tensor = self.encoder(x, ways, self._run)
        return encoded

    def decode(self, ids: Tensor, encoded: Tensor, mask: Tensor, prefix: Prefix | None = None) -> Tensor:
        """Decode target pieces with teacher forcing.

        Args:
            ids: [B, T] decoder input, the targets shifted right.
            encoded: [B, S, d] states of `encode`.
            mask: [B, S] the source's mask.
            prefix: the rows' prefixes; None for none.

        Returns:
            [B, T, d] states, scaled: their product with `output_weight` is the logits.
        """
        x = self.embedding(ids)
        positions = torch.arange(ids.shape[1], device=ids.device)
        causal = mask_bias(positions[:, None] >= positions[None, :], torch.float32)
        states, cross = (None, None) if prefix is None else (prefix.decoder, prefix.cross)
        prefix_mask, dtype = None if prefix is None else prefix.mask, _compute_dtype(x)
        self_bias = (self.decoder.relative_bias(positions, positions) + causal)[None]
        self_bias = before_prefix(self_bias, states, prefix_mask).to(dtype)
        cross_bias = before_prefix(mask_bias(mask, torch.float32)[:, None, None, :], cross, prefix_mask).to(dtype)
        ways = [
            (attend_to(None, self_bias, part), attend_to(encoded, cross_bias, cross_part))
            for part, cross_part in zip(
                by_layer(states, dtype, self.decoder), by_layer(cross, dtype, self.decoder), strict=True
            )
        ]
        return self.scale(self.decoder(x, ways, self._run))

    @property
    def _run(self) -> Callable[..., Tensor]:
        """How to call a layer."""
        kept = self.checkpointing and torch.is_grad_enabled()
        return partial(checkpoint, use_reentrant=False) if kept else Layer.__call__

    def scale(self, x: Tensor) -> Tensor:
        """The factor before a tied output layer."""
        return x * self.shape.d_model**-0.5 if self.shape.scale_output else x

    def initialise(self, seed: int) -> None:
        """Draw fresh weights with T5's standard deviations, the same for the same seed."""
        generator = torch.Generator().manual_seed(seed)
        s = self.shape
        inner = s.heads * s.d_kv
        for name, parameter in self.named_parameters():
            leaf = name.split(".")
            if leaf[-2].endswith("norm"):
                nn.init.ones_(parameter)
            elif leaf[-2] == "qkv":
                q, kv = parameter.data[:inner], parameter.data[inner:]
                q.normal_(0, (s.d_model * s.d_kv) ** -0.5, generator=generator)
                kv.normal_(0, s.d_model**-0.5, generator=generator)
            else:
                width = {"q": s.d_model * s.d_kv, "o": inner, "wo": s.d_ff, "embedding": 1}.get(leaf[-2], s.d_model)
                parameter.data.normal_(0, width**-0.5, generator=generator)


def by_layer(prefix: Tensor | None, dtype: torch.dtype, stack: Stack) -> Sequence[Tensor | None]:
    """[B, L, 2, H, K, D] as L tensors; in one operation, whose gradient is one too."""
    return [None] * len(stack.layers) if prefix is None else prefix.to(dtype).unbind(1)


def _compute_dtype(x: Tensor) -> torch.dtype:
    """The dtype that matrix products run in: autocast's, else the states' own."""
    kind = x.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype
