"""A copier in dimensions of its own: codes of pieces, and two heads that copy a mention piece by piece.

The stream's last `2·d_kv` dimensions hold two codes. The embedding puts a random code of each piece into the first
half. A spare head of the encoder's first layer looks one piece back, and writes that piece's code into the second half.
The decoder's first cross-attention asks where the source has the present piece as the one before. It proposes what
stands there (induction heads: Olsson et al. 2022, arXiv 2209.11895). These are starting values: training changes them.
"""

from __future__ import annotations

import torch
from torch import Tensor

from cpner.backbone.t5 import T5

_BACK = 1  # bucket of the relative bias that means "one piece back"
_SHARPNESS = 9.0  # relative bias of "one piece back", in nats
_LOUD = 2.0  # size of a code's numbers, in units of the other numbers of an embedding
_SURE = 12.0  # logit of the decoder's question at the right place, in nats
_GAIN = 3.0  # size of what is proposed, in units of a code's
_QUIET = 0.3  # scale of what the decoder's fresh layers write at first


class Copier:
    """The places of the codes in a T5's stream, and the heads that read and write them.

    Args:
        t5: the model; changed in place.
        head: a head of the encoder that nothing else uses.
    """

    def __init__(self, t5: T5, head: int) -> None:
        width = t5.shape.d_model
        self.t5 = t5
        self.head = head
        self.size = t5.shape.d_kv
        self.present = slice(width - 2 * self.size, width - self.size)  # code of a piece
        self.past = slice(width - self.size, width)  # code of the piece before it
        self.loudness = 0.0  # root mean square of a code's numbers in the embedding

    def embed(self, size: float, generator: torch.Generator) -> None:
        """Give every piece its code; `size` is the root mean square of an embedding's other numbers."""
        weight = self.t5.embedding.weight
        codes = torch.randn(len(weight), self.size, generator=generator)
        self.loudness = _LOUD * size
        weight[:, self.present] = self.loudness * codes / codes.pow(2).mean(1, keepdim=True).sqrt()
        weight[:, self.past] = 0.0

    def look_back(self, level: float) -> None:
        """Make the encoder's head write the code of the piece before; `level` is the stream's root mean square."""
        self.t5.encoder.relative_bias.weight[_BACK, self.head] = _SHARPNESS
        attention = self.t5.encoder.layers[0].self_attention
        rows = slice(self.head * self.size, (self.head + 1) * self.size)
        questions, keys, values = attention.qkv.weight.chunk(3)
        for projection in (questions, keys, values):
            projection[rows] = 0.0
        values[rows, self.present] = torch.eye(self.size)
        attention.o.weight[:, rows] = 0.0
        attention.o.weight[self.past, rows] = level * torch.eye(self.size)

    def ask(self, encoded: Tensor) -> None:
        """Make the decoder's first cross-attention ask by codes, and propose by codes.

        Args:
            encoded: [pieces, d] states of the encoder on some text, to measure the size of codes on.
        """
        for layer in self.t5.decoder.layers:
            for output in (layer.self_attention.o, layer.cross_attention.o, layer.ff.wo):
                output.weight *= _QUIET
        attention = self.t5.decoder.layers[0].cross_attention
        keys, values = attention.kv.weight.chunk(2)
        eye = torch.eye(self.size)
        head = slice(self.size)
        for projection in (attention.q.weight, keys, values):
            projection[head] = 0.0
        attention.q.weight[head, self.present] = eye * _SURE / self.size
        keys[head, self.past] = eye / _size(encoded[:, self.past])
        values[head, self.present] = eye / _size(encoded[:, self.present])
        attention.o.weight[:, head] = 0.0
        attention.o.weight[self.present, head] = eye * (_GAIN * self.loudness)
        self.t5.decoder.norm.weight.fill_(1 / _size(self.t5.embedding.weight))  # logits of the size of a fresh T5's


def _size(numbers: Tensor) -> float:
    """Root mean square."""
    return float(numbers.pow(2).mean().sqrt().clamp(min=1e-6))
