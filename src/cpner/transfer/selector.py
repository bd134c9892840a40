"""The dual-query domain selector: how much each source domain has to give to a target (section 3.4, Eq. 5-8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from cpner.backbone.prefix import Prefix
from cpner.errors import ConfigError, PrefixMismatchError

WEIGHTINGS = ("softmax", "sum", "uniform")


class DualQuery(NamedTuple):
    """What the selector compares of a domain.

    `type_embeddings` [Y, d] has one LM_w row for each entity type; the parts of `prefix` are [L, 2, H, K, D].
    """

    name: str
    type_embeddings: Tensor
    prefix: Prefix


@dataclass(frozen=True)
class Selection:
    """The numbers of Eq. 5-8 for each source domain.

    Attributes:
        target: the domain that is to learn.
        sources: the domains that it may learn from; the tuples below follow their order.
        entity_similarity: S_e, in [-1, 1].
        prefix_similarity: S_p, in [-1, 1].
        total: S_total before the softmax, in [-1, 1].
        weights: S_total after it, in [0, 1]; their sum is 1.
        alpha: share of the entity similarity in the total of each source.
        temperature: what the totals were divided by.
        top_k: how many sources kept a weight; None: all.
        weighting: how totals became weights: "softmax", "sum" or "uniform".
    """

    target: str
    sources: tuple[str, ...]
    entity_similarity: tuple[float, ...]
    prefix_similarity: tuple[float, ...]
    total: tuple[float, ...]
    weights: tuple[float, ...]
    alpha: tuple[float, ...]
    temperature: float = 1.0
    top_k: int | None = None
    weighting: str = "softmax"

    def to_json(self) -> dict[str, Any]:
        """Plain lists and numbers."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


def select_domains(
    target: DualQuery,
    sources: Sequence[DualQuery],
    *,
    alpha: float | Sequence[float] | Mapping[str, float] = 0.5,
    temperature: float = 1.0,
    top_k: int | None = None,
    weighting: str = "softmax",
) -> Selection:
    """Weigh I source domains by their likeness to the target (Eq. 5-8).

    Args:
        sources: from 1 domain; each has its own number of types, all share the target's prefix shape.
        alpha: share of the entity similarity in the total, 0 to 1: for all sources, for each in order, or by name.
        temperature: above 0; below 1 sharpens the weights, above 1 evens them out. 1 is the paper's.
        top_k: how many of the sources keep a weight, the largest; None: all.
        weighting: "softmax" of the totals (Eq. 8); "sum", each total divided by their sum, as in the authors' code;
            or "uniform", as if there were no selector. The last two have no temperature.

    Returns:
        Both similarities, their total, and the weights that Eq. 9 uses.

    Raises:
        ConfigError: no source is named, or a setting is out of its range.
        PrefixMismatchError: a source's prefix has another shape than the target's.

    Reading: Eq. 6 leaves the vectors open; here each layer of each kind of attention is one vector of keys and values.
    """
    names = [source.name for source in sources]
    check_selection(names, alpha=alpha, temperature=temperature, top_k=top_k, weighting=weighting)
    alphas = list(alpha_of_each(alpha, names).values())
    entity = torch.stack([entity_similarity(target, source) for source in sources])  # [I] Eq. 5
    prefix = torch.stack([prefix_similarity(target, source) for source in sources])  # [I] Eq. 6
    share = torch.tensor(alphas, dtype=torch.float64)
    total = share * entity + (1 - share) * prefix  # Eq. 7
    kept = total.topk(top_k or len(sources)).indices
    weights = torch.zeros_like(total).index_copy(0, kept, _weigh(total[kept], temperature, weighting))
    return Selection(
        target=target.name,
        sources=tuple(source.name for source in sources),
        entity_similarity=tuple(entity.tolist()),
        prefix_similarity=tuple(prefix.tolist()),
        total=tuple(total.tolist()),
        weights=tuple(weights.tolist()),
        alpha=tuple(alphas),
        temperature=temperature,
        top_k=top_k,
        weighting=weighting,
    )


def check_selection(
    sources: Sequence[str],
    *,
    alpha: float | Sequence[float] | Mapping[str, float],
    temperature: float,
    top_k: int | None,
    weighting: str,
) -> None:
    """Check the settings of `select_domains`, given the names of the sources.

    Raises:
        ConfigError: no source is named, or a setting is out of its range.
    """
    if weighting not in WEIGHTINGS:
        raise ConfigError(f"no weighting {weighting!r} of sources; expected one of {', '.join(WEIGHTINGS)}")
    if not sources or not temperature > 0 or not (top_k is None or 1 <= top_k <= len(sources)):
        raise ConfigError(
            f"selection among {len(sources)} sources with temperature={temperature} and top_k={top_k}; "
            "expected at least 1 source, a temperature above 0, and top_k from 1 to the number of sources"
        )
    alpha_of_each(alpha, sources)


def entity_similarity(target: DualQuery, source: DualQuery) -> Tensor:
    """Cosine of the mean type embeddings (Eq. 5), in [-1, 1]."""
    a, b = (query.type_embeddings.double().cpu().mean(0) for query in (target, source))
    return cosine_similarity(a, b, dim=0).clamp(-1, 1)


def prefix_similarity(target: DualQuery, source: DualQuery) -> Tensor:
    """Mean over layers and kinds of attention of the prefixes' cosine (Eq. 6), in [-1, 1].

    Raises:
        PrefixMismatchError: the prefixes differ in shape or in the attentions they serve.
    """
    ours, theirs = target.prefix.parts, source.prefix.parts
    shapes = [{name: tuple(part.shape) for name, part in parts.items()} for parts in (ours, theirs)]
    if shapes[0] != shapes[1]:
        raise PrefixMismatchError(
            f"the prefix of {source.name!r} has shapes {shapes[1]}, that of {target.name!r} {shapes[0]}; "
            "warm both up with the same prefix settings on the same backbone"
        )
    layers = [
        cosine_similarity(ours[name].double().cpu().flatten(1), theirs[name].double().cpu().flatten(1), dim=1)
        for name in ours
    ]
    return torch.cat(layers).mean().clamp(-1, 1)


def _weigh(total: Tensor, temperature: float, weighting: str) -> Tensor:
    """Weights [I] of the kept sources; their sum is 1."""
    if weighting == "softmax":
        return (total / temperature).softmax(dim=0)  # Eq. 8
    if weighting == "sum" and bool((total > 0).all()):
        return total / total.sum()
    return torch.full_like(total, 1 / len(total))  # a negative total divided by the sum would be no weight


def alpha_of_each(alpha: float | Sequence[float] | Mapping[str, float], names: Sequence[str]) -> dict[str, float]:
    """One alpha for each source, by name, in order.

    Raises:
        ConfigError: there are more or fewer than sources, or one is out of its range.
    """
    if isinstance(alpha, Mapping):
        missing = sorted(set(names) ^ set(alpha))
        if missing:
            raise ConfigError(f"alpha must name each source once; {missing[0]!r} is missing or no source")
        alphas = [float(alpha[name]) for name in names]
    else:
        alphas = [float(alpha)] * len(names) if isinstance(alpha, int | float) else [float(a) for a in alpha]
    if len(alphas) != len(names) or not all(0 <= a <= 1 for a in alphas):
        raise ConfigError(f"alpha={alpha} is out of range; expected one number from 0 to 1, or one for each source")
    return dict(zip(names, alphas, strict=True))
