"""The prefixes of many domains on one device, of which each row of a batch names its own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from cpner.backbone.prefix import Prefix
from cpner.backbone.shape import ATTENTIONS
from cpner.errors import PrefixMismatchError


class PrefixBank:
    """The prefixes of many domains on one device; each row of a batch names its own (or none).

    Prefixes of different length share a bank: shorter ones are padded in front and masked.
    """

    def __init__(self, prefixes: dict[str, Prefix], *, device: torch.device | str, dtype: torch.dtype) -> None:
        self.index = {name: i for i, name in enumerate(prefixes)}
        self.length = max((p.length for p in prefixes.values()), default=0)
        self._stacks: dict[str, Tensor] = {}
        for kind in ATTENTIONS:
            shapes = {
                part.shape[:3] + part.shape[4:] for p in prefixes.values() if (part := getattr(p, kind)) is not None
            }
            if not shapes:
                continue
            if len(shapes) > 1:
                raise PrefixMismatchError(f"the {kind} prefixes of one bank differ in shape: {sorted(shapes)}")
            layers, two, heads, d_kv = shapes.pop()
            stack = torch.zeros(len(prefixes), layers, two, heads, self.length, d_kv, dtype=dtype, device=device)
            for i, prefix in enumerate(prefixes.values()):
                part = getattr(prefix, kind)
                if part is None:
                    raise PrefixMismatchError(f"one domain of the bank has a prefix in {kind}, another has none")
                stack[i, ..., self.length - part.shape[-2] :, :] = part.to(device=device, dtype=dtype)
            self._stacks[kind] = stack
        lengths = torch.tensor([p.length for p in prefixes.values()], device=device)
        positions = torch.arange(self.length, device=device)
        self._mask = positions[None, :] >= self.length - lengths[:, None]  # [domains, K]

    def rows(self, domains: Sequence[str | None]) -> Prefix | None:
        """The batch's prefix, row by row; None in `domains` is a row without a prefix."""
        if not self._stacks or all(name is None for name in domains):
            return None
        rows = torch.tensor([0 if name is None else self.index[name] for name in domains], device=self._mask.device)
        parts = {kind: stack[rows] for kind, stack in self._stacks.items()}
        mask = self._mask[rows] & torch.tensor([[name is not None] for name in domains], device=rows.device)
        return Prefix(**parts, mask=None if bool(mask.all()) else mask)
