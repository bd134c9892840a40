"""T5 with room for prefixes: the frozen text-to-text model LM_θ (sections 3.2 and 3.3, Eq. 1-3).

Covers T5 (ReLU), T5 v1.1 / Flan-T5 and mT5 (gated GELU). What is particular to T5 and easily got wrong: logits of
attention are not scaled. The head width is `d_kv`, whatever `d_model / heads` is. All layers of a stack share one
relative bias; cross-attention has none. Norms have no mean and no offset. With a tied output the last hidden states are
scaled by d_model^-0.5.

Axes in comments: B batch, S source pieces, T target pieces, K prefix length, H heads, D `d_kv`, L layers, d `d_model`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from cpner.backbone.attention import Attend, Attention, RelativeBias, attend_to, before_prefix, mask_bias
from cpner.backbone.linear import FusedLinear, Linear
from cpner.backbone.prefix import Prefix
from cpner.backbone.shape import T5Shape

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "gelu": F.gelu,
    "gelu_new": lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu,
}


class Norm(nn.Module):
    """Division by the root mean square, then a gain: no mean, no offset."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.weight.shape, self.weight.to(x.dtype), self.eps)


class Embedding(nn.Embedding):
    """A table of vectors. Before it has a place in memory it draws no numbers: torch loads its compiler for that."""

    def reset_parameters(self) -> None:
        if not self.weight.is_meta:
            super().reset_parameters()


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


class T5(nn.Module):
    """Encoder and decoder of a T5; every attention takes a prefix.

    `Prefix` holds for each kind of attention a tensor [B, L, 2, H, K, D], or None for no prefix there.

    Attributes:
        shape: sizes and variants.
        checkpointing: keep only what goes into each layer for the gradient, and compute the rest again: less memory,
            more time, the same numbers.
    """

    in_floats = True  # its weights are; a model in 8 bits says otherwise

    def __init__(self, shape: T5Shape) -> None:
        super().__init__()
        self.shape = shape
        self.checkpointing = False
        self.embedding = Embedding(shape.vocab_size, shape.d_model)
        self.encoder = Stack(shape, decoder=False)
        self.decoder = Stack(shape, decoder=True)
        self.head = None if shape.tied else nn.Linear(shape.d_model, shape.vocab_size, bias=False)

    @property
    def output_weight(self) -> Tensor:
        """[V, d] rows of the output layer."""
        return self.embedding.weight if self.head is None else self.head.weight

    def encode(
        self,
        ids: Tensor,
        mask: Tensor,
        prefix: Prefix | None = None,
        watch: Callable[[Tensor], None] = lambda _: None,
    ) -> Tensor:
        """Encode source pieces.

        Args:
            ids: [B, S] piece ids.
            mask: [B, S] true where a piece is, false at padding.
            prefix: the rows' prefixes; None for none.
            watch: called with the states [B, S, d] after each layer, which are not normed yet.

        Returns:
            [B, S, d] states.
        """
        x = self.embedding(ids)
        bias, parts = self.encoder_sight(mask, prefix, _compute_dtype(x))
        ways = [(attend_to(None, bias, part), None) for part in parts]

        def run(layer: Layer, x: Tensor, attend_self: Attend, attend_cross: Attend | None) -> Tensor:
            after: Tensor = self._run(layer, x, attend_self, attend_cross)
            watch(after)
            return after

        encoded: Tensor = self.encoder(x, ways, run)
        return encoded

    def encoder_sight(
        self, mask: Tensor, prefix: Prefix | None, dtype: torch.dtype
    ) -> tuple[Tensor, Sequence[Tensor | None]]:
        """What the encoder's attentions add to their logits, [B, 1 or H, S, K + S], and each layer's prefix.

        Args:
            mask: [B, S] the source's mask.
            prefix: the rows' prefixes; None for none.
            dtype: of the products.
        """
        positions = torch.arange(mask.shape[1], device=mask.device)
        bias = self.encoder.relative_bias(positions, positions)[None] + mask_bias(mask, torch.float32)[:, None, None, :]
        prefix = self.fit(prefix or Prefix())
        bias = before_prefix(bias, prefix.encoder, prefix.mask).to(dtype)
        return bias, by_layer(prefix.encoder, dtype, self.encoder)

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
        prefix = self.fit(prefix or Prefix())
        dtype = _compute_dtype(x)
        self_bias = (self.decoder.relative_bias(positions, positions) + causal)[None]
        self_bias = before_prefix(self_bias, prefix.decoder, prefix.mask).to(dtype)
        cross_bias = mask_bias(mask, torch.float32)[:, None, None, :]
        cross_bias = before_prefix(cross_bias, prefix.cross, prefix.mask).to(dtype)
        self_parts = by_layer(prefix.decoder, dtype, self.decoder)
        cross_parts = by_layer(prefix.cross, dtype, self.decoder)
        ways = [
            (attend_to(None, self_bias, self_part), attend_to(encoded, cross_bias, cross_part))
            for self_part, cross_part in zip(self_parts, cross_parts, strict=True)
        ]
        return self.scale(self.decoder(x, ways, self._run))

    def fit(self, prefix: Prefix) -> Prefix:
        """The prefix as this model's attentions take it."""
        return prefix

    def logits(self, hidden: Tensor, rows: Tensor) -> Tensor:
        """[..., n, C] logits of states [..., n, d], scaled, over rows [..., C, d] of the output layer."""
        return (hidden @ rows.transpose(-1, -2)).float()

    @property
    def _run(self) -> Callable[..., Tensor]:
        """How to call a layer."""
        recompute = self.checkpointing and torch.is_grad_enabled()
        return partial(checkpoint, use_reentrant=False) if recompute else Layer.__call__

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
                parameter.data[:inner].normal_(0, (s.d_model * s.d_kv) ** -0.5, generator=generator)
                parameter.data[inner:].normal_(0, s.d_model**-0.5, generator=generator)
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
