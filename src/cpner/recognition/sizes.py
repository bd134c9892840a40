"""Sizes rounded up, so that products have few shapes.

oneDNN makes a kernel for each shape of a product, which takes as long as a hundred small products. Batches of sentences
have ever new shapes. What is added is padding, which no result depends on.
"""

from __future__ import annotations

from bisect import bisect_left

from cpner.backbone.padding import up

CANDIDATES = 32  # the number of candidates is a multiple of this
COLUMNS = 32  # likewise, the columns of keys that an attention looks at; a softmax in bfloat16 is also fastest so
_SOURCE = 8  # likewise, the width of a batch of sources
_ROWS = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128]
_FINE = 8  # a pass has a multiple of so many pieces, or of a sixteenth of the power of two below


def width_for(longest: int, prefix: int) -> int:
    """The width of a batch of sources: as many as make no further columns, behind a prefix of so many."""
    return min(up(longest, _SOURCE), up(prefix + longest, COLUMNS) - prefix)


def rows_for(count: int) -> int:
    """Rows that a pass is made for, where so many have something to write."""
    return _ROWS[bisect_left(_ROWS, count)] if count <= _ROWS[-1] else up(count, 32)


def pieces_for(count: int) -> int:
    """Pieces that the products of a pass are made for."""
    if count <= 4:
        return 4
    return up(count, max(_FINE, (1 << (count - 1).bit_length()) // 32))
