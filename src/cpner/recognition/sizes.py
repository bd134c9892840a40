"""Sizes rounded up, so that products have few shapes.

oneDNN makes a kernel for each shape of a product that it has not seen lately, which takes as long as a hundred small
products. Batches of sentences have ever new shapes. What is added is padding, which no result depends on.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import NamedTuple

import torch

from cpner.backbone.padding import up
from cpner.backbone.t5 import T5

_COLUMNS = 32  # keys that an attention looks at are a multiple of this; a softmax in bfloat16 is also fastest so
_CANDIDATES = 32
_SOURCE = 8
_PIECES = 8
_ROWS = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128]


class Sizes(NamedTuple):
    """Which sizes to take in place of those that are needed at least.

    Attributes:
        weights: whether products with weights are of few shapes; else they are as small as can be.
        attention: whether those of attention and of logits are.
    """

    weights: bool
    attention: bool

    def pieces(self, count: int) -> int:
        """Pieces that are multiplied with weights."""
        if not self.weights:
            return count
        return 4 if count <= 4 else up(count, max(_PIECES, (1 << (count - 1).bit_length()) // 32))

    def columns(self, count: int) -> int:
        """Columns of keys."""
        return up(count, _COLUMNS) if self.attention else count

    def source(self, longest: int, prefix: int) -> int:
        """Width of a batch of sources; behind a prefix of so many, it makes no further columns."""
        return min(up(longest, _SOURCE), up(prefix + longest, _COLUMNS) - prefix) if self.weights else longest

    def candidates(self, count: int) -> int:
        """Candidates of a batch."""
        return up(count, _CANDIDATES) if self.attention else count

    def rows(self, count: int) -> int:
        """Rows of a pass."""
        if not self.attention:
            return count
        return _ROWS[bisect_left(_ROWS, count)] if count <= _ROWS[-1] else up(count, _ROWS[-1] // 4)

    def target(self, drafted: int) -> int:
        """Least pieces of a row in a pass, where so many may be drafted."""
        return 1 + drafted if self.attention else 1


def sizes_of(t5: T5) -> Sizes:
    """The sizes that are fastest for a model: float32's attention, 8 bits and GPUs leave oneDNN out."""
    weight = t5.embedding.weight
    on_cpu = weight.device.type == "cpu"
    return Sizes(weights=on_cpu and t5.in_floats, attention=on_cpu and weight.dtype != torch.float32)
