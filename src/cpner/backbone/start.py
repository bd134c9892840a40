"""Where every prefix of a backbone begins: at keys that draw little attention.

A prefix of random numbers is not neutral. Its keys have attention logits of about 0, which is what a model's own
keys have on average. Where few keys are, as for the first pieces of a target, such a prefix takes most of the
attention. It gives nothing for it: a backbone that knew much finds less. Keys that point away from the mean query get
a negative logit instead. The backbone with such a start finds what it finds without one, and learning begins there.
Before the decoder's self-attention that holds only where the first piece gives itself a logit far above that. It sees
no other key, so pretraining leaves the logit open.
"""

from __future__ import annotations

from torch import Tensor

from cpner.backbone.load import Backbone
from cpner.backbone.prefix import Prefix, common_start
from cpner.backbone.reparameterisation import Reparameterisation
from cpner.backbone.shape import PrefixConfig

_LEAST = 0.01  # of a mean query; where queries have no common direction, keys would grow without bound


def quiet_start(backbone: Backbone, config: PrefixConfig) -> Prefix:
    """The prefix at which every warm-up on a backbone begins, in float32 on the CPU.

    It is `common_start` with keys that are turned. Every key of a head is moved along the head's mean query, so that
    its attention logit changes by `config.start_logit` on average.

    Returns:
        A prefix with each part [L, 2, H, K, D].
    """
    start = common_start(backbone.shape, config)
    if config.start_logit:
        for name, queries in backbone.mean_queries.items():
            part: Tensor | None = getattr(start, name)
            if part is not None:
                keys = config.start_logit * queries / queries.square().sum(-1, keepdim=True).clamp(min=_LEAST**2)
                part[:, 0] += keys[:, :, None]  # [L, H, K, D]
    return start


def fresh(backbone: Backbone, config: PrefixConfig | None = None) -> Reparameterisation:
    """What a warm-up trains: it yields `quiet_start` at first; None takes the default settings."""
    config = config or PrefixConfig()
    return Reparameterisation(backbone.shape, config, quiet_start(backbone, config))
