"""What a pretraining run costs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import nn

from cpner.backbone.t5 import T5
from cpner.pretraining.batches import Batches
from cpner.training.batch import Batch


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

    The encoder's weights, and the decoder's keys and values of cross-attention, meet the source's pieces. All others
    meet the target's. The output layer has as many rows as there are choices. Attention's own products come on top.
    """
    s = t5.shape
    rows, source = batch.source.shape
    target = batch.inputs.shape[1]
    inner = s.heads * s.d_kv
    of_memory = s.decoder_layers * 2 * inner * s.d_model
    encoder = _weights(t5.encoder) + of_memory
    decoder = _weights(t5.decoder) - of_memory
    choices = s.vocab_size if batch.candidates is None else batch.candidates.shape[1]
    attention = 2 * inner * (s.encoder_layers * source**2 + s.decoder_layers * (target**2 + target * source))
    return 6.0 * rows * (encoder * source + (decoder + choices * s.d_model) * target + attention)


def _weights(stack: nn.Module) -> int:
    return sum(m.weight.numel() for m in stack.modules() if isinstance(m, nn.Linear))
