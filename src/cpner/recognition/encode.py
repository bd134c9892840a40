"""Sources as one batch, and the encoder's states of them (Eq. 3)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from cpner.backbone.attention import Attend, Attention
from cpner.backbone.load import Backbone
from cpner.backbone.padding import pad_masked
from cpner.backbone.prefix import Prefix
from cpner.instructor import Source
from cpner.recognition.layout import Layout, wide_bias, wide_keys
from cpner.recognition.sizes import Sizes, sizes_of


def encode(backbone: Backbone, sources: Sequence[Source], prefix: Prefix | None = None) -> tuple[Tensor, Tensor]:
    """Encode sources as `T5.encode` does, but without products for padding.

    Args:
        sources: B sentences with their options.
        prefix: the rows' prefixes, each part [B, L, 2, H, K, D]; None for none.

    Returns:
        [B, S, d] states, and their mask [B, S], false at padding, where the states are anything.
    """
    t5 = backbone.reader
    sizes = sizes_of(t5)
    lengths = [len(source.ids) for source in sources]
    columns = 0 if prefix is None or prefix.encoder is None else prefix.encoder.shape[-2]
    ids, mask = pad_masked(
        [source.ids for source in sources], backbone.vocabulary.pad, sizes.source(max(lengths), columns)
    )
    mask = mask.to(backbone.device)
    layout = Layout.of(lengths, ids.shape[1], sizes, backbone.device)
    x = t5.embedding(layout.pack(ids.to(backbone.device)))  # [P, d]
    bias, parts = t5.encoder_sight(mask, prefix, x.dtype)
    bias = wide_bias(bias, sizes)
    states = t5.encoder(x, [(_attend_in_rows(layout, bias, part, sizes), None) for part in parts])
    return layout.unpack(states), mask


def _attend_in_rows(layout: Layout, bias: Tensor, prefix: Tensor | None, sizes: Sizes) -> Attend:
    """How a layer attends to the pieces of the same row, [P, d] to [P, d]."""

    def attend_packed(attention: Attention, x: Tensor) -> Tensor:
        q, k, v = attention.split(layout.unpack(attention.qkv(x)), 3)
        k, v = wide_keys(prefix, k, v, sizes)
        out: Tensor = attention.o(layout.pack(attention.join(attention.attend(q, k, v, bias))))
        return out

    return attend_packed
