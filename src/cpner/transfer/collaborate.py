"""Intrinsic collaboration: source prefixes join the target's, where its training goes on (section 3.4, Eq. 9-10)."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from cpner.backbone.load import Backbone
from cpner.backbone.prefix import Prefix, mix
from cpner.backbone.reparameterisation import Reparameterisation
from cpner.backbone.shape import PrefixConfig
from cpner.errors import ConfigError, PrefixMismatchError
from cpner.transfer.domain import Warm
from cpner.transfer.mixing import Mixing


def collaboration_start(
    backbone: Backbone,
    target: Warm,
    sources: Mapping[str, Warm],
    weights: Sequence[float],
    *,
    prefix: PrefixConfig | None = None,
    mixing: Mixing | None = None,
) -> Reparameterisation:
    """Put the weighted sources into the target's prefix (Eq. 9, 10).

    Args:
        target: the domain to learn, warmed up on its own data.
        sources: the domains to learn from, by name.
        weights: S_total of each source (Eq. 8), in the same order.
        prefix: the settings of the target's prefix, which the sources share; None takes the defaults.
        mixing: its `share` and `space` are used; no share is the paper's, and None averages baked prefixes.

    Returns:
        What is to be trained on (Eq. 4). It holds what the sources gave: none of them is needed at prediction.

    Raises:
        ConfigError: there is no source, or not a weight for each.
        PrefixMismatchError: the prefixes differ in shape; or in the space of parameters: something to average was
            not kept, or the starts differ.
    """
    if len(weights) != len(sources) or not sources:
        raise ConfigError(
            f"collaboration of {len(sources)} sources by {len(weights)} weights; expected a weight for each, and at "
            "least 1 source"
        )
    mixing = mixing or Mixing()
    prefix = prefix or PrefixConfig()
    if mixing.space == "prefix":
        start = combine(target.prefix, [source.prefix for source in sources.values()], weights, mixing.paper_share)
        return Reparameterisation(backbone.shape, prefix, start)
    average = Reparameterisation(backbone.shape, prefix)
    states = [_state(name, warm) for name, warm in [("the target", target), *sources.items()]]
    try:
        average.load_state_dict(combine_parameters(states[0], states[1:], weights, mixing.paper_share))
    except RuntimeError as error:
        raise PrefixMismatchError("the target's prefix was trained with other prefix settings") from error
    return average


def combine(target: Prefix, sources: Sequence[Prefix], weights: Sequence[float], share: float = 0.5) -> Prefix:
    """Average the weighted sources with the target (Eq. 9-10); a single source is kept as it is (footnote 3).

    Raises:
        PrefixMismatchError: the prefixes differ in shape or in the attentions they serve.
    """
    source = sources[0] if len(sources) == 1 else mix(sources, weights)  # Eq. 9
    return mix([target, source], [1 - share, share])  # Eq. 10


def combine_parameters(
    target: Mapping[str, Tensor], sources: Sequence[Mapping[str, Tensor]], weights: Sequence[float], share: float = 0.5
) -> dict[str, Tensor]:
    """`combine` on P and its network's weights.

    Raises:
        PrefixMismatchError: the starts differ, so that an average would mean nothing; or the shapes do.
    """
    for source in sources:
        for name, tensor in target.items():
            other = source.get(name)
            if other is None or other.shape != tensor.shape or len(source) != len(target):
                raise PrefixMismatchError(f"parameters of different shapes can't be averaged: {name} differs")
            if name.endswith("_start") and not torch.equal(other.cpu(), tensor.cpu()):
                raise PrefixMismatchError(
                    "parameters of different starts can't be averaged: warm all domains up from the same start, "
                    "or use space='prefix'"
                )
    if len(sources) == 1:
        weights = [1.0]  # footnote 3
    combined = {}
    for name, tensor in target.items():
        source_sum = sum(w * source[name].cpu().float() for w, source in zip(weights, sources, strict=True))  # Eq. 9
        combined[name] = (1 - share) * tensor.cpu().float() + share * source_sum  # Eq. 10
        if name.endswith("_start"):
            combined[name] = tensor.cpu().clone()
    return combined


def warn_of_starts(target: str, starts: Mapping[str, str]) -> None:
    """Warn when prefixes that are to be averaged began at different starts.

    Args:
        target: the domain that is to learn.
        starts: the fingerprint of each domain's start, the target's included.
    """
    others = [name for name, start in starts.items() if start != starts[target]]
    if others:
        warnings.warn(
            f"{others[0]!r} and {target!r} were warmed up from different starts: their average may be worth little",
            stacklevel=5,  # who called CPNER.transfer
        )


def _state(name: str, warm: Warm) -> dict[str, Tensor]:
    if warm.reparameterisation is None:
        raise PrefixMismatchError(
            f"{name!r} was stored without its reparameterisation, which space='parameters' needs: "
            "save it with reparameterisation=True, or use space='prefix'"
        )
    return warm.reparameterisation
