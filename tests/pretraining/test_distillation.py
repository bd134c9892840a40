"""Distillation: batches that both models read, and states that come nearer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from cpner.pretraining.distillation import WordBatch, Words
from cpner.pretraining.prepare import Prepared
from cpner.pretraining.teacher import Teacher
from tests.pretraining.bert import write_bert


@pytest.mark.parametrize("word", ["Johnson", "d'Ivoire", "3.5", "Zoë", "東", "(", "don"])
def test_words_are_read_back_from_their_pieces(data: Prepared, word: str) -> None:
    pieces = [piece for text in ("the", word, "city") for piece in data.vocabulary.word(text)]
    assert Words(data.vocabulary)(np.array(pieces)) == ["the", word, "city"]


def test_a_passage_that_begins_inside_a_word_begins_with_the_next(data: Prepared) -> None:
    cut = data.vocabulary.word("Xqzvwkjh")
    assert len(cut) > 1
    assert Words(data.vocabulary)(np.array([*cut[1:], *data.vocabulary.word("city")])) == ["city"]


def test_both_models_read_the_same_words(data: Prepared, tmp_path: Path) -> None:
    teacher = Teacher.load(write_bert(tmp_path, ["rome"]))
    batch = WordBatch.of([["Rome", "is", "old"], ["Rome"]], data.vocabulary, teacher)
    assert batch.kind == "words"
    assert batch.word_of.unique().tolist() == batch.teacher_word_of.unique().tolist() == [-1, 0, 1, 2]
    assert batch.word_of[1].max() == batch.teacher_word_of[1].max() == 0
    assert (batch.word_of[~batch.mask] == -1).all()
    wider = batch.aligned(data.vocabulary.pad)
    assert wider.source.shape[1] % 16 == wider.word_of.shape[1] % 16 == wider.teacher_ids.shape[1] % 16 == 0
    assert torch.equal(wider.word_of[:, : batch.word_of.shape[1]], batch.word_of)
