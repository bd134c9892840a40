"""Rows with padding, and their pieces without it, which cost a weight fewer products.

Axes in comments: B rows, n places of a row, P pieces of all rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from cpner.recognition.sizes import Sizes

_WORTH = 15 / 16  # share of pieces among all places above which leaving out the others costs more than it saves


class Layout(NamedTuple):
    """Takes padding out of rows [B, n, ...], and puts it in again."""

    rows: int
    width: int
    there: Tensor | None  # [P] where the pieces are among B * n, and any place again; None: all places count as pieces
    place: Tensor | None  # [B * n] which of the P stands there; at padding any, for nobody looks

    @classmethod
    def of(cls, lengths: Sequence[int], width: int, sizes: Sizes, device: torch.device) -> Layout:
        """That of rows which have so many pieces at their beginning, and padding behind."""
        rows = len(lengths)
        count = sizes.pieces(sum(lengths))
        if count > _WORTH * rows * width:
            return cls(rows, width, None, None)
        there = [row * width + i for row, length in enumerate(lengths) for i in range(length)]
        there += [0] * (count - len(there))
        place: list[int] = []
        first = 0
        for length in lengths:
            place += [*range(first, first + length), *[0] * (width - length)]
            first += length
        return cls(rows, width, torch.tensor(there, device=device), torch.tensor(place, device=device))

    def pack(self, x: Tensor) -> Tensor:
        """[B, n, ...] without padding, [P, ...]."""
        x = x.flatten(0, 1)
        return x if self.there is None else x.index_select(0, self.there)

    def unpack(self, x: Tensor) -> Tensor:
        """[P, ...] with padding, [B, n, ...]."""
        x = x if self.place is None else x.index_select(0, self.place)
        return x.view(self.rows, self.width, *x.shape[1:])


def wide_keys(prefix: Tensor | None, k: Tensor, v: Tensor, sizes: Sizes) -> tuple[Tensor, Tensor]:
    """Keys and values [B, H, S, D] with a prefix's [B, 2, H, K, D] before them, and zeros behind, [B, H, N, D]."""
    columns = k.shape[2] + (0 if prefix is None else prefix.shape[-2])
    blank = k.new_zeros(1, 1, sizes.columns(columns) - columns, 1).expand(*k.shape[:2], -1, k.shape[3])
    if prefix is None:
        return torch.cat([k, blank], dim=2), torch.cat([v, blank], dim=2)
    keys, values = prefix.unbind(1)
    return torch.cat([keys, k, blank], dim=2), torch.cat([values, v, blank], dim=2)  # Eq. 2


def wide_bias(bias: Tensor, sizes: Sizes) -> Tensor:
    """A bias of K + S columns as one of N columns, the last of which nobody sees."""
    columns = bias.shape[-1]
    return F.pad(bias, (0, sizes.columns(columns) - columns), value=torch.finfo(bias.dtype).min)
