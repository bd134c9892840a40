"""The prefixes of many domains on one device, of which each row of a batch names its own."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad

from cpner.backbone.prefix import Prefix, apart
from cpner.errors import PrefixMismatchError


class PrefixBank:
    """The prefixes of many domains on one device; each row of a batch names its own (or none).

    Prefixes are never written to, so that one which is taken out stays as it is, whatever is put under its name later.
    A bank itself is for one thread at a time.

    Args:
        prefixes: of domains, by name.
        device: where they are held.
        dtype: what they are held in.
        capacity: how many are held; the least recently used goes when another comes. None: all.
    """

    def __init__(
        self,
        prefixes: Mapping[str, Prefix] | None = None,
        *,
        device: torch.device | str,
        dtype: torch.dtype,
        capacity: int | None = None,
    ) -> None:
        self.device = device
        self.dtype = dtype
        self.capacity = capacity
        self._prefixes: OrderedDict[str, Prefix] = OrderedDict()
        for name, prefix in (prefixes or {}).items():
            self.put(name, prefix)

    def put(self, name: str, prefix: Prefix) -> Prefix:
        """Take a prefix in, each part [L, 2, H, K, D]; gives it as it is on the device."""
        held = prefix.to(self.device).to(self.dtype)
        self._prefixes[name] = held
        self._prefixes.move_to_end(name)
        while self.capacity is not None and len(self._prefixes) > self.capacity:
            self._prefixes.popitem(last=False)
        return held

    def get(self, name: str) -> Prefix | None:
        """A domain's prefix on the device, which counts as used; None if it is not here."""
        if name in self._prefixes:
            self._prefixes.move_to_end(name)
        return self._prefixes.get(name)

    def discard(self, name: str) -> None:
        """Let a prefix go, if it is here."""
        self._prefixes.pop(name, None)

    def apart(self, name: str, members: int) -> list[PrefixBank]:
        """A bank for each member of an ensemble, with its prefix under the ensemble's name."""
        return [
            PrefixBank({name: prefix}, device=self.device, dtype=self.dtype)
            for prefix in apart(self._prefixes[name], members)
        ]

    def layout(self, name: str | None) -> tuple[str, ...]:
        """The attentions that a domain's prefix serves; none for no domain."""
        return () if name is None else tuple(self._prefixes[name].parts)

    def rows(self, names: Sequence[str | None]) -> Prefix | None:
        """The batch's prefix, row by row: parts [B, L, 2, H, K, D], shorter prefixes padded in front and masked.

        Args:
            names: whose prefix each row has; None is a row without one.

        Raises:
            PrefixMismatchError: the prefixes differ in more than their length.
        """
        named = {name: self._prefixes[name] for name in names if name is not None}
        if not any(prefix.parts for prefix in named.values()):
            return None
        if len(named) == 1 and None not in names:
            return next(iter(named.values())).expand(len(names))
        _check_alike(named)
        length = max(prefix.length for prefix in named.values())
        padded: dict[str | None, dict[str, Tensor]] = {name: _padded(prefix, length) for name, prefix in named.items()}
        padded[None] = next(iter(padded.values()))  # masked
        parts = {kind: torch.stack([padded[name][kind] for name in names]) for kind in padded[None]}
        lengths = [0 if name is None else named[name].length for name in names]
        if min(lengths) == length:
            return Prefix(**parts)
        positions = torch.arange(length, device=self.device)
        mask = positions[None, :] >= length - torch.tensor(lengths, device=self.device)[:, None]  # [B, K]
        return Prefix(**parts, mask=mask)


def _padded(prefix: Prefix, length: int) -> dict[str, Tensor]:
    """A prefix's parts with zeros in front, so that they are `length` positions long."""
    return {kind: pad(part, (0, 0, length - part.shape[-2], 0)) for kind, part in prefix.parts.items()}


def _check_alike(prefixes: Mapping[str, Prefix]) -> None:
    shapes = {
        name: {kind: (*part.shape[:3], part.shape[4]) for kind, part in prefix.parts.items()}
        for name, prefix in prefixes.items()
    }
    first = next(iter(shapes))
    for name, shape in shapes.items():
        if shape != shapes[first]:
            raise PrefixMismatchError(
                f"the prefixes of {first!r} and {name!r} can't share a batch: shapes {shapes[first]} and {shape}"
            )
