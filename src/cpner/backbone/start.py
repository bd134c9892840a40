"""Where every prefix of a backbone begins: at keys that draw little attention.

A prefix of random numbers is not neutral. Its keys have attention logits of about 0, which is what a model's own
keys have on average; where few keys are, as for the first pieces of a target, such a prefix takes most of the attention
and gives nothing for it, and a backbone that knew much finds less. Keys that point away from the mean query get a
negative logit instead: the backbone with such a start finds what it finds without one, and learning begins there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from cpner.backbone.load import Backbone
from cpner.backbone.prefix import Prefix, common_start
from cpner.backbone.reparameterisation import Reparameterisation
from cpner.backbone.shape import PrefixConfig
from cpner.backbone.t5 import T5
from cpner.corpus.sentence import Sentence, Span
from cpner.instructor import Instructor

_TEXT = (
    "The Lisbon orchestra will play a new symphony by Ida Karlsen on Friday , said its director , who left the "
    "University of Porto for the Harbour Theatre in 2004 ; tickets are sold at both houses and by Blue Line Trains ."
)
_ENTITIES = [
    Span(1, 3, "organization"), Span(9, 11, "person"), Span(12, 13, "date"), Span(21, 24, "university"),
    Span(26, 28, "building"), Span(29, 30, "date"), Span(39, 42, "company"),
]  # fmt: skip
_TYPES = ["person", "organization", "date", "university", "chemical compound", "building", "company", "river"]
_known: WeakKeyDictionary[T5, dict[str, Tensor]] = WeakKeyDictionary()  # mean queries of backbones asked before
_LEAST = 0.01  # of a mean query; where queries have no common direction, keys would grow without bound


def quiet_start(backbone: Backbone, config: PrefixConfig) -> Prefix:
    """The prefix at which every warm-up on a backbone begins, in float32 on the CPU.

    It is `common_start`, and every key of a head is moved in the direction in which its attention logit with a query
    changes by `config.start_logit` on average, over the pieces of a sample sentence and its target.

    Returns:
        A prefix with each part [L, 2, H, K, D].
    """
    start = common_start(backbone.t5.shape, config)
    if config.start_logit:
        if backbone.t5 not in _known:
            _known[backbone.t5] = _mean_queries(backbone)
        for name, queries in _known[backbone.t5].items():
            part: Tensor | None = getattr(start, name)
            if part is not None:
                keys = config.start_logit * queries / queries.square().sum(-1, keepdim=True).clamp(min=_LEAST**2)
                part[:, 0] += keys[:, :, None]  # [L, H, K, D]
    return start


def fresh(backbone: Backbone, config: PrefixConfig | None = None) -> Reparameterisation:
    """What a warm-up trains: it yields `quiet_start` at first; None takes the default settings."""
    config = config or PrefixConfig()
    return Reparameterisation(backbone.t5.shape, config, quiet_start(backbone, config))


@torch.inference_mode()
def _mean_queries(backbone: Backbone) -> dict[str, Tensor]:
    """[L, H, D] the mean query of each head, in float32 on the CPU, for each kind of attention."""
    t5, sentence = backbone.t5, Sentence.from_words(_TEXT.split(), _ENTITIES)
    prompt = Instructor(backbone.vocabulary, _TYPES)
    source = prompt.source(sentence)
    target = prompt.target(source, sentence)
    ids = torch.tensor([source.ids], device=backbone.device)
    inputs = torch.tensor([[backbone.vocabulary.pad, *target[:-1]]], device=backbone.device)
    mask = torch.ones_like(ids, dtype=torch.bool)
    layers: dict[str, list[nn.Module]] = {
        "encoder": [layer.self_attention.qkv for layer in t5.encoder.layers],
        "decoder": [layer.self_attention.qkv for layer in t5.decoder.layers],
        "cross": [layer.cross_attention.q for layer in t5.decoder.layers],
    }
    with _outputs([projection for kind in layers.values() for projection in kind]) as found:
        t5.decode(inputs, t5.encode(ids, mask), mask)
    heads, width = t5.shape.heads, t5.shape.d_kv
    means = {p: out[0, :, : heads * width].float().mean(0).view(heads, width).cpu() for p, out in found.items()}
    return {name: torch.stack([means[projection] for projection in kind]) for name, kind in layers.items()}


@contextmanager
def _outputs(modules: list[nn.Module]) -> Iterator[dict[nn.Module, Tensor]]:
    """Within, what each of these modules puts out is kept."""
    kept: dict[nn.Module, Tensor] = {}
    handles = [module.register_forward_hook(lambda m, _, out: kept.__setitem__(m, out)) for module in modules]
    try:
        yield kept
    finally:
        for handle in handles:
            handle.remove()
