"""The sizes and variants of a T5."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class T5Shape:
    """Sizes and variants of a T5; the names follow the field, `load.py` reads them from a Hugging Face config."""

    vocab_size: int
    d_model: int
    d_kv: int
    d_ff: int
    heads: int
    encoder_layers: int
    decoder_layers: int
    activation: str = "gelu_new"
    gated: bool = True
    scale_output: bool = True  # hidden states times d_model^-0.5 before the output layer
    tied: bool = True  # the output layer is the embedding
    buckets: int = 32
    max_distance: int = 128
    eps: float = 1e-6
