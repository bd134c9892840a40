"""Attention as T5 has it, with room for a prefix before the keys and values (section 3.3, Eq. 2).

Logits are not scaled. The relative bias is one for all layers of a stack; a prefix has none, and is never masked.

Axes in comments: B batch, T queries, S keys, K prefix length, H heads, D `d_kv`, d `d_model`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cpner.backbone.linear import FusedLinear, Linear
from cpner.backbone.shape import T5Shape

_PLAIN = 1 << 24  # attention logits that are laid out whole on a CPU; where they are kept for a gradient, a quarter


def attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
    """softmax(q kᵀ + bias) v with unscaled logits: q [B, H, T, D], k and v [B, H, S, D], bias broadcast to logits."""
    room = _PLAIN // 4 if torch.is_grad_enabled() else _PLAIN
    few = q.device.type == "cpu" and q[..., 0].numel() * k.shape[2] <= room
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
        self.heads = shape.heads
        self.d_kv = shape.d_kv
        inner = shape.heads * shape.d_kv
        if cross:
            self.q = Linear(shape.d_model, inner)
            self.kv = FusedLinear(shape.d_model, inner, 2)
        else:
            self.qkv = FusedLinear(shape.d_model, inner, 3)
        self.o = Linear(inner, shape.d_model)
        self.attend = attend

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
            (q,) = self.split(self.q(x), 1)
            k, v = self.split(self.kv(memory), 2)
        k, v = prepend(prefix, k, v)
        return self.merge(self.attend(q, k, v, bias))


Attend = Callable[[Attention, Tensor], Tensor]  # an attention's input, normed, to its output, both [..., d]


def attend_to(memory: Tensor | None, bias: Tensor, prefix: Tensor | None) -> Attend:
    """A way to attend that computes all keys and values anew; arguments as in `Attention`."""

    def attend_anew(attention: Attention, x: Tensor) -> Tensor:
        out: Tensor = attention(x, memory, bias, prefix)
        return out

    return attend_anew


class RelativeBias(nn.Module):
    """T5's bucketed relative position bias, one value for each bucket and head."""

    def __init__(self, shape: T5Shape, *, two_sided: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(shape.buckets, shape.heads))
        self.two_sided = two_sided
        self.max_distance = shape.max_distance

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
