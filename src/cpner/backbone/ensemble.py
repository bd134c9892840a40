"""Prefixes of an ensemble's members as one prefix, and apart again (section 4.3)."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from cpner.backbone.prefix import Prefix
from cpner.errors import PrefixMismatchError


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
    own = apart(prefix, members)
    parts = {name: torch.stack([p.parts[name] for p in own], dim=1).flatten(0, 1) for name in prefix.parts}
    return Prefix(**parts)
