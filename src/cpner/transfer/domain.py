"""What transfer asks of a domain; who keeps domains, and how, it doesn't know."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from cpner.backbone.prefix import Prefix
from cpner.backbone.shape import PrefixConfig


class Warm(Protocol):
    """The tensors of a domain that was warmed up."""

    @property
    def prefix(self) -> Prefix:
        """Baked, each part [L, 2, H, K, D]."""

    @property
    def reparameterisation(self) -> dict[str, Tensor] | None:
        """P, its network if it has one, and the start; None where they were not kept."""


class Card(Protocol):
    """What is known of a domain."""

    @property
    def name(self) -> str: ...

    @property
    def types(self) -> list[str]: ...

    @property
    def options(self) -> bool:
        """Whether the instructor lists the types."""

    @property
    def members(self) -> list[str]:
        """Of an ensemble; empty for a single prefix."""

    @property
    def sources(self) -> dict[str, float]:
        """The weight of each source, by name."""

    @property
    def start_fingerprint(self) -> str:
        """Of the prefix at which training began."""


class Domain(Warm, Protocol):
    """A domain that a training may start from, or learn from."""

    @property
    def card(self) -> Card: ...

    @property
    def config(self) -> PrefixConfig:
        """The settings of its prefix."""
