"""The dual-query domain selector: how much each source domain has to give to a target (section 3.4, Eq. 5-8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from cpner.backbone.load import Backbone
from cpner.backbone.prefix import Prefix, mix
from cpner.backbone.start import quiet_start
from cpner.errors import PrefixMismatchError
from cpner.transfer.domain import Domain
from cpner.transfer.mixing import Mixing


class DualQuery(NamedTuple):
    """What the selector compares of a domain.

    `type_embeddings` [Y, d] has one LM_w row for each entity type; the parts of `prefix` are [L, 2, H, K, D].
    """

    name: str
    type_embeddings: Tensor
    prefix: Prefix

    @classmethod
    def of(cls, domain: Domain, backbone: Backbone) -> DualQuery:
        """What the selector compares of a trained domain.

        Reading: Eq. 6 compares prefixes; here it compares what training changed of their start, for the start that all
        domains share would make any two alike.
        """
        start = quiet_start(backbone, domain.config)
        change = mix([domain.prefix, start], [1.0, -1.0])  # Eq. 6
        return cls(domain.card.name, backbone.embed_types(domain.card.types), change)


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

    @property
    def by_source(self) -> dict[str, float]:
        """The weight of each source, by its name."""
        return dict(zip(self.sources, self.weights, strict=True))

    def to_json(self) -> dict[str, Any]:
        """Plain lists and numbers."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


def select_domains(target: DualQuery, sources: Sequence[DualQuery], mixing: Mixing | None = None) -> Selection:
    """Weigh I source domains by their likeness to the target (Eq. 5-8).

    Args:
        sources: from 1 domain; each has its own number of types, all share the target's prefix shape.
        mixing: how to weigh; None takes the paper's settings.

    Returns:
        Both similarities, their total, and the weights that Eq. 9 uses.

    Raises:
        ConfigError: no source is named, or a setting does not suit the sources.
        PrefixMismatchError: a source's prefix has another shape than the target's.
    """
    mixing = mixing or Mixing()
    alphas = mixing.resolve([source.name for source in sources])
    alpha = torch.tensor(list(alphas.values()), dtype=torch.float64)  # [I]
    entity = torch.stack([entity_similarity(target, source) for source in sources])  # [I]
    prefix = torch.stack([prefix_similarity(target, source) for source in sources])  # [I]
    total = alpha * entity + (1 - alpha) * prefix  # Eq. 7
    largest = total.topk(mixing.top_k or len(sources)).indices
    weights = torch.zeros_like(total).index_copy(0, largest, _weigh(total[largest], mixing))
    return Selection(
        target=target.name,
        sources=tuple(alphas),
        entity_similarity=tuple(entity.tolist()),
        prefix_similarity=tuple(prefix.tolist()),
        total=tuple(total.tolist()),
        weights=tuple(weights.tolist()),
        alpha=tuple(alphas.values()),
        temperature=mixing.temperature,
        top_k=mixing.top_k,
        weighting=mixing.weighting,
    )


def entity_similarity(target: DualQuery, source: DualQuery) -> Tensor:
    """Cosine of the mean type embeddings (Eq. 5), in [-1, 1]."""
    pooled = [query.type_embeddings.double().cpu().mean(0) for query in (target, source)]  # Pool: [d] each
    return cosine_similarity(pooled[0], pooled[1], dim=0).clamp(-1, 1)  # Eq. 5


def prefix_similarity(target: DualQuery, source: DualQuery) -> Tensor:
    """Mean over layers and kinds of attention of the prefixes' cosine (Eq. 6), in [-1, 1].

    Raises:
        PrefixMismatchError: the prefixes differ in shape or in the attentions they serve.

    Reading: Eq. 6 leaves the vectors open; here each layer of each kind of attention is one vector of keys and values.
    """
    ours = target.prefix.parts
    theirs = source.prefix.parts
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
    return torch.cat(layers).mean().clamp(-1, 1)  # Eq. 6


def _weigh(total: Tensor, mixing: Mixing) -> Tensor:
    """Weights of sources by their totals; their sum is 1."""
    if mixing.weighting == "softmax":
        return (total / mixing.temperature).softmax(dim=0)  # Eq. 8
    if mixing.weighting == "sum" and bool((total > 0).all()):
        return total / total.sum()
    return torch.full_like(total, 1 / len(total))  # a negative total divided by the sum would be no weight
