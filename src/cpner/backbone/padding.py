"""Rows of different length as one tensor."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def up(count: int, multiple: int) -> int:
    """The next multiple."""
    return -(-count // multiple) * multiple


def pad(rows: Sequence[Sequence[int]], value: int, least: int = 1) -> Tensor:
    """Lists of different length as one tensor, `least` wide or more: nothing may fail where all are empty."""
    width = max([least, *map(len, rows)])
    return torch.tensor([[*row, *[value] * (width - len(row))] for row in rows], dtype=torch.long).view(-1, width)


def mask_of(rows: Sequence[Sequence[int]], width: int, least: int = 1) -> Tensor:
    """Sets of numbers below `width`, each the bits of an integer, as one mask [B, n, width]; false at padding.

    There are as many sets, n, as the longest row has, but at least `least`.
    """
    size = (width + 7) // 8
    longest = max([least, *map(len, rows)])
    data = bytearray().join(s.to_bytes(size, "little") for row in rows for s in (*row, *[0] * (longest - len(row))))
    packed = torch.frombuffer(data, dtype=torch.uint8).view(len(rows), longest, size, 1)
    return (packed >> torch.arange(8, dtype=torch.uint8) & 1).bool().flatten(2)[..., :width]


def pad_masked(rows: Sequence[Sequence[int]], value: int, least: int = 1) -> tuple[Tensor, Tensor]:
    """Rows of ids as one tensor [B, S], S at least `least`, and its mask [B, S], false at padding."""
    ids = pad(rows, value, least)
    return ids, torch.arange(ids.shape[1]) < torch.tensor([len(row) for row in rows])[:, None]
