"""The model while pretraining: its loss, what a run costs, and its scores on held-out sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cpner.backbone.batch import Batch, cross_entropy, target_logits
from cpner.backbone.decode import decode
from cpner.backbone.load import Backbone
from cpner.backbone.precision import native_dtype
from cpner.backbone.t5 import T5
from cpner.corpus.sentence import Span
from cpner.evaluation import evaluate
from cpner.grammar import CLOSE, COLON, END
from cpner.instructor import Instructor
from cpner.pretraining.batches import Batches, Example, draw_example
from cpner.pretraining.pool import Pool
from cpner.pretraining.tagging import TaggedBatch, Tagger


class Loss(nn.Module):
    """What a batch teaches.

    For entities, the mean cross-entropy over each row's candidates and, times `tagging`, the tagger's; for text, the
    mean cross-entropy over the vocabulary.
    """

    def __init__(self, t5: T5, tagging: float = 0.0, seed: int = 0) -> None:
        super().__init__()
        self.t5, self.tagging = t5, tagging
        self.tagger = Tagger(t5.shape.d_model, seed=seed) if tagging else None

    def forward(self, batch: Batch) -> Tensor:
        """A scalar, in nats."""
        encoded = self.t5.encode(batch.source, batch.mask)
        loss = cross_entropy(self.t5, batch, encoded=encoded)
        if self.tagger is not None and isinstance(batch, TaggedBatch):
            loss = loss + self.tagging * self.tagger(encoded, batch)
        return loss


@dataclass(frozen=True)
class Cost:
    """What a run will cost, padding included."""

    parameters: int
    step_pieces: float  # source and target pieces of a step, on average
    pieces: float  # of the whole run
    flops: float  # of the whole run, forward and backward

    @classmethod
    def estimate(cls, t5: T5, batches: Batches, per_step: int, sample: int = 16) -> Cost:
        """Estimate a run's cost from some of its batches, `per_step` to a step, evenly from start to end."""
        numbers = np.linspace(0, len(batches) - 1, min(sample, len(batches))).astype(int)
        drawn = [batches[int(i)] for i in numbers]
        pieces = float(np.mean([b.source.numel() + b.inputs.numel() for b in drawn]))
        flops = float(np.mean([batch_flops(t5, b) for b in drawn]))
        parameters = sum(p.numel() for p in t5.parameters())
        return cls(parameters, pieces * per_step, pieces * len(batches), flops * len(batches))


def batch_flops(t5: T5, batch: Batch) -> float:
    """Floating-point operations of a batch, forward and backward: 6 for each weight and piece that meet.

    The encoder's weights and the decoder's cross-attention keys and values meet the source's pieces, all others the
    target's; the output layer counts with as many rows as there are choices. Attention's own products come on top.
    """
    s = t5.shape
    (rows, source), target = batch.source.shape, batch.inputs.shape[1]
    inner = s.heads * s.d_kv
    of_memory = s.decoder_layers * 2 * inner * s.d_model
    encoder = _weights(t5.encoder) + of_memory
    decoder = _weights(t5.decoder) - of_memory
    choices = s.vocab_size if batch.candidates is None else batch.candidates.shape[1]
    attention = 2 * inner * (s.encoder_layers * source**2 + s.decoder_layers * (target**2 + target * source))
    return 6.0 * rows * (encoder * source + (decoder + choices * s.d_model) * target + attention)


def _weights(stack: nn.Module) -> int:
    return sum(m.weight.numel() for m in stack.modules() if isinstance(m, nn.Linear))


def held_out_examples(pool: Pool, batches: Batches, count: int = 400) -> list[Example]:
    """Fixed held-out sentences with fixed options, drawn evenly over the files."""
    rng = np.random.default_rng(1)
    weight = 1.0 / np.bincount(pool.origin)[pool.origin]
    chosen = rng.choice(len(pool), size=min(count, len(pool)), replace=False, p=weight / weight.sum())
    return [draw_example(pool, int(i), batches.config, rng) for i in sorted(chosen)]


@torch.no_grad()
def measure(t5: T5, batches: Batches, examples: Sequence[Example]) -> dict[str, Any]:
    """Scores on held-out sentences: teacher-forced accuracy by kind of piece, and strict F1 of greedy decoding.

    Copying is watched apart: `start` is a mention's first piece, `copy` each later one. Figures go from 0 to 100.
    """
    device = t5.embedding.weight.device
    hits = dict.fromkeys(("structure", "type", "start", "copy"), 0)
    counts = dict(hits)
    backbone = Backbone("training", t5, batches.vocabulary)
    instructor = Instructor(batches.vocabulary)
    predicted: list[list[Span]] = []
    ordered = sorted(examples, key=lambda e: len(e[0].words))
    native = native_dtype(device)
    with torch.autocast(device.type, native, enabled=native == torch.bfloat16):
        for i in range(0, len(ordered), 32):
            part = ordered[i : i + 32]
            batch = batches.entity_batch(part).to(device)
            right = target_logits(t5, batch).argmax(-1) == batch.labels
            for kind, mask in _kinds(batch.labels).items():
                hits[kind] += int((right & mask).sum())
                counts[kind] += int(mask.sum())
            found = decode(backbone, [instructor.source(sentence, types) for sentence, types in part])
            predicted += [[f.span for f in row] for row in found]
    t5.requires_grad_(True).train()  # a Backbone is frozen
    result: dict[str, Any] = {f"right_{kind}": round(100 * hits[kind] / max(1, counts[kind]), 1) for kind in hits}
    return {**result, "f1": round(evaluate([sentence for sentence, _ in ordered], predicted).f1, 2)}


def _kinds(labels: Tensor) -> dict[str, Tensor]:
    """Masks [B, T] of the target's pieces by kind; labels up to `END` are the template's signs."""
    colons, closes = (labels == COLON).cumsum(1), (labels == CLOSE).cumsum(1)
    word = labels > END
    mention = word & (colons > closes)
    first = F.pad(labels[:, :-1] == COLON, (1, 0))
    return {
        "structure": (labels >= 0) & ~word,
        "type": word & ~mention,
        "start": mention & first,
        "copy": mention & ~first,
    }
