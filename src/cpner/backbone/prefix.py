"""Prefixes: keys and values before attention's own (section 3.3), alone, mixed, and of an ensemble (section 4.3).

A prefix δ has up to three parts, one for each kind of attention: encoder self, decoder self, decoder cross. Each is
[L, 2, H, K, D]: layers, keys and values, heads, length, head width.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

import torch
from torch import Tensor

from cpner.backbone.shape import ATTENTIONS, PrefixConfig, T5Shape, part_shape
from cpner.errors import PrefixMismatchError
from cpner.files import digest


class Prefix(NamedTuple):
    """Keys and values of one domain, each part [L, 2, H, K, D], or of a batch, each [B, L, 2, H, K, D].

    `mask` [B, K] is false where a row's prefix is shorter than the batch's longest; None when all are as long.
    """

    encoder: Tensor | None = None
    decoder: Tensor | None = None
    cross: Tensor | None = None
    mask: Tensor | None = None

    @property
    def parts(self) -> dict[str, Tensor]:
        """The parts that exist, by kind of attention."""
        return {name: part for name in ATTENTIONS if (part := getattr(self, name)) is not None}

    @property
    def length(self) -> int:
        """K, the number of positions."""
        return max((part.shape[-2] for part in self.parts.values()), default=0)

    def to(self, *args: torch.device | torch.dtype | str) -> Prefix:
        """Move or cast every part."""
        parts: dict[str, Tensor] = {name: part.to(*args) for name, part in self.parts.items()}  # type: ignore[call-overload]
        mask = None if self.mask is None else self.mask.to(next(iter(parts.values())).device)  # keeps its dtype
        return Prefix(**parts, mask=mask)

    def expand(self, batch: int) -> Prefix:
        """Give every row of a batch this one prefix, without a copy."""
        return Prefix(**{name: part.expand(batch, *part.shape) for name, part in self.parts.items()})

    def detached(self) -> Prefix:
        """Copies without a gradient."""
        return Prefix(**{name: part.detach().clone() for name, part in self.parts.items()}, mask=self.mask)

    def select(self, rows: Tensor) -> Prefix:
        """Rows of a batch's prefix."""
        return Prefix(*(None if part is None else part[rows] for part in self))


def common_start(shape: T5Shape, config: PrefixConfig) -> Prefix:
    """The seeded numbers of the prefix at which every warm-up begins; `start.py` turns its keys."""
    generator = torch.Generator().manual_seed(config.start_seed)
    drawn = {
        name: torch.randn(part_shape(shape, config, name), generator=generator) * config.start_scale
        for name in ATTENTIONS  # all are drawn, so that a part is the same whichever attentions are switched on
    }
    return Prefix(**{name: drawn[name] for name in config.attentions})


def start_fingerprint(shape: T5Shape, config: PrefixConfig) -> str:
    """Twelve hexadecimal digits that name the start of warm-ups on one backbone: they differ if the starts do."""
    drawn = fingerprint(common_start(shape, config))
    return digest([f"{drawn} {float(config.start_logit)}".encode()])


def fingerprint(prefix: Prefix) -> str:
    """Twelve hexadecimal digits that name a prefix's exact values."""
    parts = (
        (f"{name}{tuple(part.shape)}".encode(), part.detach().float().cpu().contiguous().numpy().tobytes())
        for name, part in prefix.parts.items()
    )
    return digest(chain.from_iterable(parts))


def mix(prefixes: Sequence[Prefix], weights: Sequence[float] | Tensor) -> Prefix:
    """The weighted sum of prefixes of one shape (Eq. 9).

    Raises:
        PrefixMismatchError: the prefixes differ in shape or in the attentions they serve.
    """
    first = prefixes[0]
    for other in prefixes[1:]:
        shapes = [{name: tuple(part.shape) for name, part in p.parts.items()} for p in (first, other)]
        if shapes[0] != shapes[1]:
            raise PrefixMismatchError(f"prefixes of different shapes can't be combined: {shapes[0]} and {shapes[1]}")
    pairs = list(zip(weights, prefixes, strict=True))
    return Prefix(
        **{name: torch.stack([float(w) * p.parts[name].float() for w, p in pairs]).sum(0) for name in first.parts}
    )


def together(prefixes: Sequence[Prefix]) -> Prefix:
    """Members' prefixes one after another: parts [L, 2, H, K, D] become [L, 2, H, I*K, D].

    Raises:
        PrefixMismatchError: the prefixes differ in shape or in the attentions they serve.
    """
    shapes = [{name: tuple(part.shape) for name, part in prefix.parts.items()} for prefix in prefixes]
    if any(shape != shapes[0] for shape in shapes):
        raise PrefixMismatchError(f"members of different shapes can't be one ensemble: {shapes}")
    parts = {name: torch.cat([p.parts[name].float() for p in prefixes], dim=-2) for name in prefixes[0].parts}
    return Prefix(**parts)


def apart(prefix: Prefix, members: int) -> list[Prefix]:
    """The prefixes that `together` put one after another, in a domain's layout or a batch's."""
    chunks = {name: part.chunk(members, dim=-2) for name, part in prefix.parts.items()}
    return [Prefix(**{name: parts[i] for name, parts in chunks.items()}) for i in range(members)]


def rows_of_members(prefix: Prefix, members: int) -> Prefix:
    """A row for each member, a sentence's together: a batch's [B, L, 2, H, I*K, D] become [B*I, L, 2, H, K, D]."""
    prefixes = apart(prefix, members)
    parts = {name: torch.stack([p.parts[name] for p in prefixes], dim=1).flatten(0, 1) for name in prefix.parts}
    return Prefix(**parts)
