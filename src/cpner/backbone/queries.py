"""What a backbone's attentions ask for on average, over the pieces of a sample sentence and its target."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from cpner.backbone.t5 import T5
from cpner.corpus.sentence import Sentence, Span
from cpner.instructor import Instructor, Vocabulary

_TEXT = (
    "The Lisbon orchestra will play a new symphony by Ida Karlsen on Friday , said its director , who left the "
    "University of Porto for the Harbour Theatre in 2004 ; tickets are sold at both houses and by Blue Line Trains ."
)
_ENTITIES = [
    Span(1, 3, "organization"), Span(9, 11, "person"), Span(12, 13, "date"), Span(21, 24, "university"),
    Span(26, 28, "building"), Span(29, 30, "date"), Span(39, 42, "company"),
]  # fmt: skip
_TYPES = ["person", "organization", "date", "university", "chemical compound", "building", "company", "river"]


@torch.inference_mode()
def mean_queries(t5: T5, vocabulary: Vocabulary) -> dict[str, Tensor]:
    """For each kind of attention the mean query of each head, [L, H, D] in float32 on the CPU."""
    sentence = Sentence.from_words(_TEXT.split(), _ENTITIES)
    prompt = Instructor(vocabulary, _TYPES)
    source = prompt.source(sentence)
    target = prompt.target(source, sentence)
    device = t5.embedding.weight.device
    ids = torch.tensor([source.ids], device=device)
    inputs = torch.tensor([[vocabulary.pad, *target[:-1]]], device=device)
    mask = torch.ones_like(ids, dtype=torch.bool)
    layers: dict[str, list[nn.Module]] = {
        "encoder": [layer.self_attention.qkv for layer in t5.encoder.layers],
        "decoder": [layer.self_attention.qkv for layer in t5.decoder.layers],
        "cross": [layer.cross_attention.q for layer in t5.decoder.layers],
    }
    with _outputs([projection for kind in layers.values() for projection in kind]) as outputs:
        t5.decode(inputs, t5.encode(ids, mask), mask)
    heads = t5.shape.heads
    width = t5.shape.d_kv
    means = {p: out[0, :, : heads * width].float().mean(0).view(heads, width).cpu() for p, out in outputs.items()}
    return {name: torch.stack([means[projection] for projection in kind]) for name, kind in layers.items()}


@contextmanager
def _outputs(modules: list[nn.Module]) -> Iterator[dict[nn.Module, Tensor]]:
    """Within, what each of these modules puts out in this thread is kept."""
    outputs: dict[nn.Module, Tensor] = {}
    ours = threading.get_ident()

    def keep(module: nn.Module, _: object, output: Tensor) -> None:
        if threading.get_ident() == ours:  # others may predict meanwhile
            outputs[module] = output

    handles = [module.register_forward_hook(keep) for module in modules]
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()
