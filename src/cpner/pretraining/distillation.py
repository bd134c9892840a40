"""Distillation, a task of the encoder while pretraining: after each layer, the states of words are as the teacher's.

Both models read the same plain text, each in its own pieces. They meet word by word: a word's state is the mean over
its pieces. The loss is one minus the cosine of both states, each less its running mean; the mean over layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cpner.backbone.padding import pad, pad_masked
from cpner.backbone.t5 import T5
from cpner.instructor import Vocabulary
from cpner.pretraining.carry_over import View
from cpner.pretraining.teacher import Teacher, pool_words
from cpner.pretraining.text import Array
from cpner.training.batch import Batch, Extra, ExtraTensor

_PACE = 0.02  # of the running means


class WordBatch(Batch):
    """Passages of plain text as both models read them; there is nothing to decode."""

    word_of = ExtraTensor()  # [B, S] the word of each piece, -1 for none
    teacher_ids = ExtraTensor()  # [B, S'] the teacher's pieces
    teacher_mask = ExtraTensor()  # [B, S'] false at the padding of the teacher's pieces
    teacher_word_of = ExtraTensor()  # [B, S'] the word of each of the teacher's pieces, -1 for none

    @property
    def kind(self) -> str:
        """What a log calls its loss."""
        return "words"

    @classmethod
    def of(cls, passages: Sequence[Sequence[str]], vocabulary: Vocabulary, teacher: Teacher) -> WordBatch:
        """Passages, given by their words."""
        cut = [[vocabulary.word(word) for word in words] for words in passages]
        sources = [[*(piece for word in row for piece in word), vocabulary.eos] for row in cut]
        word_of = pad([[*(number for number, word in enumerate(row) for _ in word), -1] for row in cut], -1)
        rows = [teacher.row(words) for words in passages]
        padding = teacher.tokenizer.pad_token_id
        teacher_ids, teacher_mask = pad_masked([row.ids for row in rows], padding)
        extras = {
            "word_of": Extra(word_of, -1),
            "teacher_ids": Extra(teacher_ids, padding),
            "teacher_mask": Extra(teacher_mask, False),
            "teacher_word_of": Extra(pad([row.word_of for row in rows], -1), -1),
        }
        return cls(**{**vars(Batch.build(sources, [[] for _ in passages], vocabulary, None)), "extras": extras})


class Words:
    """Makes words of pieces again; what begins inside a word is left out."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.tokenizer = vocabulary.tokenizer
        pieces = self.tokenizer.convert_ids_to_tokens(range(vocabulary.size))
        self.starts_word = np.array([piece.startswith("▁") for piece in pieces])
        self.known: dict[tuple[int, ...], str] = {}

    def __call__(self, pieces: Array) -> list[str]:
        """The words of a passage; at least one."""
        begins = np.flatnonzero(self.starts_word[pieces])
        ids = pieces.tolist()
        bounds = [*begins.tolist(), len(ids)] if len(begins) else [0, len(ids)]
        words = []
        for start, end in pairwise(bounds):
            key = tuple(ids[start:end])
            if key not in self.known:
                self.known[key] = self.tokenizer.decode(key).strip() or "."
            words.append(self.known[key])
        return words


class Distiller(nn.Module):
    """Compares the encoder's states of words with the teacher's.

    Args:
        teacher: the BERT; it is no part of this module's parameters.
        views: for each layer, how the stream shows the teacher's state.
        device: where the teacher works.
    """

    def __init__(self, teacher: Teacher, views: Sequence[View], device: torch.device) -> None:
        super().__init__()
        self.teacher = teacher
        teacher.bert.to(device)
        self.register_buffer("matrices", torch.stack([view.matrix for view in views]))  # [L, d, d']
        self.register_buffer("offsets", torch.stack([view.offset for view in views]))  # [L, d']
        self.register_buffer("means", torch.zeros(2, len(views), teacher.width))
        self.register_buffer("seen", torch.zeros(()))
        self.matrices: Tensor
        self.offsets: Tensor
        self.means: Tensor
        self.seen: Tensor

    def forward(self, t5: T5, batch: WordBatch) -> Tensor:
        """One minus the mean cosine, a scalar."""
        theirs = self.teacher.states(batch.teacher_ids, batch.teacher_mask)
        words = int(batch.word_of.max()) + 1
        streams: list[Tensor] = []
        t5.encode(batch.source, batch.mask, watch=streams.append)
        losses = []
        pace = torch.where(self.seen > 0, _PACE, 1.0)  # the first batch's mean is taken whole
        for layer, (stream, state) in enumerate(zip(streams, theirs, strict=True)):
            normed = F.rms_norm(stream.float(), stream.shape[-1:], eps=t5.shape.eps)
            ours, there = pool_words(normed, batch.word_of, words)
            wanted, there_too = pool_words(state.float(), batch.teacher_word_of, words)
            read_by_both = there & there_too
            student = (ours[read_by_both] @ self.matrices[layer]).float()  # [words, d']
            teacher = wanted[read_by_both] - self.offsets[layer]
            if self.training:
                with torch.no_grad():
                    self.means[0, layer].lerp_(student.mean(0), pace)
                    self.means[1, layer].lerp_(teacher.mean(0), pace)
            cosine = F.cosine_similarity(student - self.means[0, layer], teacher - self.means[1, layer])
            losses.append(1 - cosine.mean())
        self.seen += 1
        return torch.stack(losses).mean()
