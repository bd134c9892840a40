"""Tagging, a second task of the encoder while pretraining: which option is each piece of the sentence a part of?

A target has a few pieces that tell a type, so a decoder alone teaches the encoder little from a sentence. Here every
piece of the sentence is compared with every option, as GLiNER compares spans with types (arXiv 2311.08526). The encoder
learns to bring both together, and the decoder finds the answer in what it reads. The tagger is dropped at the end of
the run: the model stays a plain T5.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cpner.backbone.padding import pad
from cpner.corpus.sentence import Span
from cpner.instructor import Source
from cpner.training.batch import Batch, Extra, ExtraTensor

OUTSIDE = -1  # of the sentence: pieces of the instruction, the options, the padding


class TaggedBatch(Batch):
    """Rows of the recognition task, and what the tagger shall say of them."""

    options = ExtraTensor()  # [B, Y] where each option's first piece is in the source, -1 at padding
    owners = ExtraTensor()  # [B, S] 1 + the option that a piece of the sentence belongs to, 0: none, -1: outside it
    begins = ExtraTensor()  # [B, S] 1 at an entity's first piece, else 0

    @classmethod
    def tag(cls, batch: Batch, sources: Sequence[Source], spans: Sequence[Sequence[Span]]) -> TaggedBatch:
        """A batch with the tags of its sources' entities."""
        owners, begins = (np.full(batch.source.shape, fill) for fill in (OUTSIDE, 0))
        for row, (source, entities) in enumerate(zip(sources, spans, strict=True)):
            start = source.sentence_start
            owners[row, start : start + len(source.pieces)] = 0
            first = np.searchsorted(source.word_of, [(span.start, span.end) for span in entities]) + start
            for span, (a, b) in zip(entities, first, strict=True):
                owners[row, a:b] = 1 + source.options.types.index(span.type)
                begins[row, a] = 1
        options = pad([option_starts(source) for source in sources], -1)
        tags = {
            "options": Extra(options, -1),
            "owners": Extra(torch.from_numpy(owners), OUTSIDE),
            "begins": Extra(torch.from_numpy(begins), 0),
        }
        return cls(**{**vars(batch), "extras": {**batch.extras, **tags}})


def option_starts(source: Source) -> list[int]:
    """Index in `ids` of each option's first piece: options stand before the sentence, each with a sign after it."""
    lengths = [len(pieces) + 1 for pieces in source.options.pieces]
    return list(accumulate(lengths[:-1], initial=source.sentence_start - sum(lengths))) if lengths else []


class Tagger(nn.Module):
    """Compares pieces with options in a space of `width` dimensions.

    Args:
        d_model: width of the encoder's states.
        width: of the space.
        seed: of its first weights.
    """

    def __init__(self, d_model: int, width: int = 128, *, seed: int = 0) -> None:
        super().__init__()
        self.piece = nn.Linear(d_model, width, bias=False)
        self.option = nn.Linear(d_model, width, bias=False)
        self.none = nn.Parameter(torch.zeros(width))
        self.begin = nn.Linear(d_model, 1, bias=False)
        self.scale = width**-0.5
        generator = torch.Generator().manual_seed(seed)
        for layer in (self.piece, self.option, self.begin):
            layer.weight.data.normal_(0, d_model**-0.5, generator=generator)

    def forward(self, encoded: Tensor, tags: TaggedBatch) -> Tensor:
        """Mean cross-entropy of the owners and of the begins over the pieces of the sentences, in nats.

        Args:
            encoded: [B, S, d] states of the encoder.
        """
        places = tags.options.clamp(min=0)[..., None].expand(-1, -1, encoded.shape[2])
        options = self.option(encoded.gather(1, places))  # [B, Y, w]
        none = self.none.to(options.dtype).expand(len(options), 1, -1)
        logits = (self.piece(encoded) * self.scale) @ torch.cat([none, options], 1).transpose(1, 2)  # [B, S, 1 + Y]
        absent = F.pad(tags.options < 0, (1, 0))[:, None]
        logits = logits.float().masked_fill(absent, -torch.inf)
        owners = F.cross_entropy(logits.flatten(0, 1), tags.owners.flatten(), ignore_index=OUTSIDE)
        inside = (tags.owners != OUTSIDE).float()  # a weight: to select would make a GPU wait
        begins = self.begin(encoded)[..., 0].float()
        missed = F.binary_cross_entropy_with_logits(begins, tags.begins.float(), inside, reduction="sum")
        return owners + missed / inside.sum()
