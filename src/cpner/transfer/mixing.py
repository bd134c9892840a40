"""How sources are weighed and mixed in: the settings of Eq. 7-10. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cpner.errors import ConfigError

WEIGHTINGS = ("softmax", "sum", "uniform")
SPACES = ("prefix", "parameters")
PAPER_SHARE = 0.5  # in Eq. 10 target and sources count alike


@dataclass(frozen=True)
class Mixing:
    """How source domains are weighed by the selector, and mixed into the target.

    Attributes:
        alpha: share of the entity similarity in the total, 0 to 1: for all sources, for each in order, or by name.
        temperature: above 0; below 1 sharpens the weights, above 1 evens them out. 1 is the paper's.
        top_k: how many of the sources keep a weight, the largest; None: all.
        weighting: "softmax" of the totals (Eq. 8); "sum", each total divided by their sum, as in the authors' code;
            or "uniform", as if there were no selector. The last two have no temperature.
        share: what the sources make up of the average, 0 to 1; 1/2 is the paper's. None: 1/2, 1/4 or nothing, whichever
            makes the target's labelled sentences likeliest. Members of an ensemble then have 1/2
            each, and zero-label 1/4.
        space: "prefix" averages the baked prefixes and trains on from there; "parameters" averages P and its network
            themselves, as Eq. 9-10 are written.

    Raises:
        ConfigError: a setting is out of its range.
    """

    alpha: float | Sequence[float] | Mapping[str, float] = 0.5
    temperature: float = 1.0
    top_k: int | None = None
    weighting: str = "softmax"
    share: float | None = None
    space: str = "prefix"

    def __post_init__(self) -> None:
        if self.weighting not in WEIGHTINGS:
            raise ConfigError(f"no weighting {self.weighting!r} of sources; expected one of {', '.join(WEIGHTINGS)}")
        if not self.temperature > 0 or not (self.top_k is None or self.top_k >= 1):
            raise ConfigError(
                f"selection with temperature={self.temperature} and top_k={self.top_k}; "
                "expected a temperature above 0, and top_k from 1 to the number of sources"
            )
        alphas = self.alpha.values() if isinstance(self.alpha, Mapping) else self.alpha
        alphas = [alphas] if isinstance(alphas, int | float) else alphas
        if not all(0 <= alpha <= 1 for alpha in alphas):
            raise ConfigError(f"alpha={self.alpha} is out of range; expected numbers from 0 to 1")
        if self.space not in SPACES or not 0 <= self.paper_share <= 1:
            raise ConfigError(
                f"collaboration with space={self.space!r} and share={self.share}; "
                f"expected one of {', '.join(SPACES)}, and 0 to 1"
            )

    @property
    def paper_share(self) -> float:
        """The share, the paper's where none is given."""
        return PAPER_SHARE if self.share is None else self.share

    def resolve(self, sources: Sequence[str]) -> dict[str, float]:
        """Check that these settings suit the named sources.

        Returns:
            The alpha of each source by its name, in the order of the sources.

        Raises:
            ConfigError: there is no source, `top_k` is more than there are, or `alpha` is not one for each.
        """
        if not sources or (self.top_k or 1) > len(sources):
            raise ConfigError(
                f"selection among {len(sources)} sources with top_k={self.top_k}; "
                "expected at least 1 source, and top_k from 1 to the number of sources"
            )
        if isinstance(self.alpha, int | float):
            return dict.fromkeys(sources, float(self.alpha))
        if isinstance(self.alpha, Mapping):
            if odd := sorted(set(sources) ^ set(self.alpha)):
                raise ConfigError(f"alpha must name each source once; {odd[0]!r} is missing or no source")
            return {name: float(self.alpha[name]) for name in sources}
        if len(self.alpha) != len(sources):
            raise ConfigError(f"alpha={self.alpha} has {len(self.alpha)} numbers for {len(sources)} sources")
        return {name: float(alpha) for name, alpha in zip(sources, self.alpha, strict=True)}
