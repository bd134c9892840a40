"""Tagging, a second task of the encoder while pretraining: which option is each piece of the sentence a part of?

A target has a few pieces that tell a type, so a decoder alone teaches the encoder little from a sentence. Here every
piece of the sentence is compared with every option. The encoder learns to bring both together, and the decoder finds
the answer in what it reads. The tagger is written beside the model, which stays a plain T5.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cpner.backbone.padding import pad
from cpner.backbone.tagger import Tagger
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
        options = pad([source.option_starts for source in sources], -1)
        tags = {
            "options": Extra(options, -1),
            "owners": Extra(torch.from_numpy(owners), OUTSIDE),
            "begins": Extra(torch.from_numpy(begins), 0),
        }
        return cls(**{**vars(batch), "extras": {**batch.extras, **tags}})


def tagging_loss(tagger: Tagger, encoded: Tensor, tags: TaggedBatch) -> Tensor:
    """Mean cross-entropy of the owners and of the begins over the pieces of the sentences, in nats.

    Args:
        encoded: [B, S, d] states of the encoder.
    """
    logits, begins = tagger(encoded, tags.options)
    owners = F.cross_entropy(logits.flatten(0, 1), tags.owners.flatten(), ignore_index=OUTSIDE)
    inside = (tags.owners != OUTSIDE).float()  # a weight: to select would make a GPU wait
    missed = F.binary_cross_entropy_with_logits(begins, tags.begins.float(), inside, reduction="sum")
    return owners + missed / inside.sum()
