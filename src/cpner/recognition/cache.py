"""What the decoder of a batch keeps between passes: key-value caches whose first columns hold the prefix (Eq. 2, 3).

A pass may feed several pieces to each row, of which some turn out wrong. All rows write to the same columns, and each
column of each row knows its position in the row's target. One that is taken back is marked as ahead of everything,
where causal attention does not look. Prefix columns stand behind everything, where the relative bias is zero.

Axes in comments: B rows, n pieces of a row in a pass, P pieces of all rows, N columns. H heads, D `d_kv`, L layers, K
prefix length, S source pieces.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from cpner.backbone.attention import Attend, Attention, before_prefix, mask_bias
from cpner.backbone.prefix import Prefix
from cpner.backbone.t5 import T5, Layer, by_layer
from cpner.recognition.layout import Layout, wide_bias, wide_keys
from cpner.recognition.sizes import sizes_of

_CHUNK = 64  # columns that a self-attention cache begins with, beside the prefix
_AHEAD = 1 << 20  # position of columns that are taken back
_BEHIND = -_AHEAD  # position of a prefix's columns


class Cache:
    """Keys, values and positions of B rows; rows may leave, pieces may be taken back.

    Args:
        t5: the model.
        encoded: [B, S, d] states of the encoder.
        mask: [B, S] the source's mask.
        prefix: the rows' prefixes; None for none.
    """

    def __init__(self, t5: T5, encoded: Tensor, mask: Tensor, prefix: Prefix | None) -> None:
        self.t5 = t5
        self._sizes = sizes_of(t5)
        self.rows = encoded.shape[0]
        prefix = t5.fit(prefix or Prefix())
        dtype = encoded.dtype
        self.columns = 0 if prefix.decoder is None else prefix.decoder.shape[-2]
        capacity = self.columns + _CHUNK
        outer = (t5.shape.decoder_layers, self.rows, t5.shape.heads)
        self.keys = encoded.new_empty(*outer, t5.shape.d_kv, capacity)  # [L, B, H, D, N]: a slice is read fastest so
        self.values = encoded.new_empty(*outer, capacity, t5.shape.d_kv)  # [L, B, H, N, D]
        self.position = torch.full((self.rows, self.columns), _BEHIND, device=encoded.device)  # [B, N], of all in use
        if prefix.decoder is not None:
            self.keys[..., : self.columns] = prefix.decoder[:, :, 0].transpose(0, 1).transpose(-1, -2)
            self.values[..., : self.columns, :] = prefix.decoder[:, :, 1].transpose(0, 1)
            if prefix.mask is not None:
                self.position.masked_fill_(~prefix.mask, _AHEAD)
        self.next = torch.zeros(self.rows, dtype=torch.long, device=encoded.device)  # [B] pieces written
        self.cross: list[tuple[Tensor, Tensor]] = []
        for layer, part in zip(t5.decoder.layers, by_layer(prefix.cross, dtype, t5.decoder), strict=True):
            k, v = layer.cross_attention.split(layer.cross_attention.kv(encoded), 2)
            self.cross.append(wide_keys(part, k, v, self._sizes))
        bias = before_prefix(mask_bias(mask, dtype)[:, None, None, :], prefix.cross, prefix.mask)
        self.cross_bias = wide_bias(bias.expand(self.rows, -1, -1, -1), self._sizes).contiguous()  # [B, 1, 1, N]
        self._biases = _bias_by_distance(t5, dtype)

    def step(self, ids: Tensor, lengths: Sequence[int] | None = None) -> Tensor:
        """Decode n more pieces of every row.

        Args:
            ids: [B, n] pieces.
            lengths: how many of each row's pieces are no padding; None for all. Padding stands after them, where they
                do not look, and is to be taken back.

        Returns:
            [B, n, d] states, scaled: their product with `output_weight` is the logits.
        """
        t5 = self.t5
        start = self.columns
        self.columns = start + ids.shape[1]
        self._use(self.columns)
        queries = self.next[:, None] + torch.arange(ids.shape[1], device=ids.device)  # [B, n]
        self.position[:, start : self.columns] = queries
        self.next = self.next + ids.shape[1]
        bias = self._bias(queries)
        layout = Layout.of(lengths or [ids.shape[1]] * self.rows, ids.shape[1], self._sizes, ids.device)
        x = t5.embedding(layout.pack(ids))  # [P, d], pieces without padding
        ways = [
            (self._self_attention(i, layout, bias), self._cross_attention(i, layout)) for i in range(len(self.cross))
        ]
        x = t5.decoder(x, ways, Layer.forward)  # eager where training compiles layers: widths change in every pass
        return layout.unpack(t5.scale(x))

    def take_back(self, right: Sequence[int], fed: int) -> None:
        """Of the last `fed` pieces of each row, only so many of the first ones are right; forget the others."""
        left = torch.tensor(right, device=self.position.device)  # [B]
        self.next = self.next - fed + left
        last = self.position[:, self.columns - fed : self.columns]
        last.masked_fill_(torch.arange(fed, device=left.device) >= left[:, None], _AHEAD)
        self.columns -= fed - max(right)  # where no row has a piece, the next ones are written

    def keep(self, rows: Sequence[int]) -> None:
        """Keep these rows, in this order; what stays at its place is not moved."""
        self.rows = len(rows)
        self.position = self.position[rows]
        self.next = self.next[rows]
        self.cross_bias = keep_rows(self.cross_bias, rows)
        self.cross = [(keep_rows(k, rows), keep_rows(v, rows)) for k, v in self.cross]
        keep_rows(self.keys[..., : self.columns], rows, dim=1)
        keep_rows(self.values[..., : self.columns, :], rows, dim=1)

    def turn(self, rows: Sequence[int]) -> None:
        """Each row goes on from what another has written; both read the same source with the same prefix."""
        self.position = self.position[rows]
        self.next = self.next[rows]
        keep_rows(self.keys[..., : self.columns], rows, dim=1)
        keep_rows(self.values[..., : self.columns, :], rows, dim=1)

    def _self_attention(self, i: int, layout: Layout, bias: Tensor) -> Attend:
        """How layer i attends to what was written: new keys and values go to the last columns."""
        end = self.columns
        start = end - layout.width
        keys = self.keys[i, : self.rows, ..., : self.position.shape[1]]
        values = self.values[i, : self.rows, :, : self.position.shape[1]]

        def attend_cached(attention: Attention, x: Tensor) -> Tensor:
            q, k, v = attention.split(layout.unpack(attention.qkv(x)), 3)
            keys[..., start:end] = k.transpose(-1, -2)
            values[..., start:end, :] = v
            out: Tensor = attention.o(
                layout.pack(attention.join(attention.attend(q, keys.transpose(-1, -2), values, bias)))
            )
            return out

        return attend_cached

    def _cross_attention(self, i: int, layout: Layout) -> Attend:
        """How layer i attends to the source, whose keys and values stay the same."""
        k, v = self.cross[i]

        def attend_cached(attention: Attention, x: Tensor) -> Tensor:
            (q,) = attention.split(layout.unpack(attention.q(x)), 1)
            out: Tensor = attention.o(layout.pack(attention.join(attention.attend(q, k, v, self.cross_bias))))
            return out

        return attend_cached

    def _use(self, columns: int) -> None:
        """Have so many columns in use, or some more; what is new holds zeros, ahead of everything."""
        used = self.position.shape[1]
        if columns <= used:
            return
        wanted = self._sizes.columns(columns)
        if wanted > self.keys.shape[-1]:
            self.keys = _with_room(self.keys[:, : self.rows, ..., :used], -1, 2 * wanted)
            self.values = _with_room(self.values[:, : self.rows, ..., :used, :], -2, 2 * wanted)
        self.keys[:, : self.rows, ..., used:wanted] = 0
        self.values[:, : self.rows, ..., used:wanted, :] = 0
        ahead = self.position.new_full((self.rows, wanted - used), _AHEAD)
        self.position = torch.cat([self.position, ahead], dim=1)

    def _bias(self, queries: Tensor) -> Tensor:
        """[B, H, n, N] relative bias and causal mask of queries at these positions [B, n]."""
        distance = queries[:, :, None] - self.position[:, None, :]
        index = distance.clamp(-1, len(self._biases) - 3) + 1 + (distance > _AHEAD // 2)
        return F.embedding(index, self._biases).permute(0, 3, 1, 2).contiguous()


def keep_rows(tensor: Tensor, rows: Sequence[int], dim: int = 0) -> Tensor:
    """These rows of a tensor, written over the first ones: only rows that change their place are copied."""
    moved = [i for i, row in enumerate(rows) if row != i]
    if moved:
        first = tensor.movedim(dim, 0)
        first[moved] = first[[rows[i] for i in moved]]
    return tensor.narrow(dim, 0, len(rows))


def _with_room(columns: Tensor, dim: int, room: int) -> Tensor:
    """These columns at the beginning of new memory with room for more; what is behind them is not touched yet."""
    sizes = list(columns.shape)
    sizes[dim] = room
    larger = columns.new_empty(sizes)
    larger.narrow(dim, 0, columns.shape[dim]).copy_(columns)
    return larger


def _bias_by_distance(t5: T5, dtype: torch.dtype) -> Tensor:
    """[X, H] a column's bias: when it is hidden, at each distance up to the one where nothing changes, in a prefix."""
    relative = t5.decoder.relative_bias
    near = torch.arange(relative.max_distance + 1, device=relative.weight.device)
    biases = relative.weight[relative.buckets(-near)]
    edge = biases.new_zeros(1, biases.shape[1])
    return torch.cat([edge + torch.finfo(dtype).min, biases, edge]).to(dtype)
