"""Weights of a BERT in a T5's encoder, and the copier beside them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from cpner.backbone.shape import T5Shape
from cpner.backbone.t5 import T5
from cpner.corpus.sentence import Sentence, Span
from cpner.errors import ConfigError
from cpner.instructor import Vocabulary
from cpner.pretraining.batches import Batches
from cpner.pretraining.carry_over import carry_over
from cpner.pretraining.config import DataConfig
from cpner.pretraining.distillation import Distiller, WordBatch
from cpner.pretraining.prepare import Prepared
from cpner.pretraining.teacher import Teacher
from cpner.training.loss import target_logits
from tests.pretraining.bert import write_bert

WIDTH, HEAD = 32, 8
TEXTS = [
    ["the", "river", "and", "the", "city", "of", "rome"],
    ["a", "singer", "from", "rome", "met", "the", "king", "in", "the", "old", "city"],
    ["the", "king", "and", "the", "singer", "left", "the", "river"],
] * 4


def whole_words(vocabulary: Vocabulary) -> list[str]:
    """Words that the T5's vocabulary and so the BERT's hold whole."""
    pieces = vocabulary.tokenizer.convert_ids_to_tokens(range(vocabulary.size))
    words = [piece[1:] for piece in pieces if piece.startswith("▁") and piece[1:].isalpha() and piece[1:].islower()]
    return [word for word in words if len(vocabulary.word(word)) == 1]


def shape(vocabulary: Vocabulary) -> T5Shape:
    """Room for the BERT, for two codes and for the constant."""
    return T5Shape(
        vocab_size=vocabulary.size, d_model=WIDTH + 2 * HEAD + 1, d_kv=HEAD, d_ff=64, heads=5,
        encoder_layers=2, decoder_layers=2, activation="gelu", gated=False,
    )  # fmt: skip


Carried = tuple[T5, Callable[[list[list[str]]], Tensor]]


def carried(vocabulary: Vocabulary, teacher: Teacher, texts: list[list[str]]) -> tuple[T5, Distiller]:
    t5 = T5(shape(vocabulary))
    t5.initialise(0)
    views = carry_over(t5, teacher, vocabulary, texts)
    return t5, Distiller(teacher, views, torch.device("cpu")).eval()


def distance(t5: T5, distiller: Distiller, vocabulary: Vocabulary, texts: list[list[str]]) -> float:
    with torch.no_grad():
        return float(distiller(t5, WordBatch.of(texts, vocabulary, distiller.teacher)))


def test_a_plain_bert_is_carried_over_nearly_exactly(data: Prepared, tmp_path: Path) -> None:
    words = whole_words(data.vocabulary)
    teacher = Teacher.load(write_bert(tmp_path, words, plain=True))
    generator = torch.Generator().manual_seed(0)
    texts = [[words[int(i)] for i in torch.randint(len(words), (12,), generator=generator)] for _ in range(40)]
    t5, distiller = carried(data.vocabulary, teacher, texts)
    fresh = T5(shape(data.vocabulary))
    fresh.initialise(0)
    assert distance(t5, distiller, data.vocabulary, texts) < 0.02
    assert distance(fresh, distiller, data.vocabulary, texts) > 0.5


def test_gains_biases_and_positions_are_carried_over_by_and_large(data: Prepared, tmp_path: Path) -> None:
    words = whole_words(data.vocabulary)
    teacher = Teacher.load(write_bert(tmp_path, words))
    generator = torch.Generator().manual_seed(0)
    texts = [[words[int(i)] for i in torch.randint(len(words), (12,), generator=generator)] for _ in range(40)]
    t5, distiller = carried(data.vocabulary, teacher, texts)
    assert distance(t5, distiller, data.vocabulary, texts) < 0.3


def test_the_copier_finds_later_pieces_of_mentions_before_any_training(data: Prepared, tmp_path: Path) -> None:
    teacher = Teacher.load(write_bert(tmp_path, whole_words(data.vocabulary)))
    t5, _ = carried(data.vocabulary, teacher, TEXTS)
    batches = Batches(data.pool, None, data.vocabulary, DataConfig(text_share=0), 1)
    words = ["Xqzvw", "met", "Bkjhgd", "in", "Mwpfyx"]
    sentence = Sentence.from_words(words, [Span(0, 1, "person"), Span(2, 3, "person"), Span(4, 5, "person")])
    batch = batches.entity_batch([(sentence, ["person"])])
    with torch.no_grad():
        logits = target_logits(t5, batch)
    assert batch.candidates is not None
    repeats = batch.candidates[:, None, :] == batch.inputs[:, :, None]  # training soon learns not to repeat a piece
    guesses = logits.masked_fill(repeats, -torch.inf).argmax(-1)[0]
    pieces = [data.vocabulary.word(words[i]) for i in (0, 2, 4)]
    later = {piece for word in pieces for piece in word[1:]}
    labels = batch.candidates[0][batch.labels[0].clamp(min=0)]
    places = [i for i, piece in enumerate(labels.tolist()) if piece in later]
    right = [bool(guesses[i] == batch.labels[0, i]) for i in places]
    assert len(right) >= 6
    assert sum(right) / len(right) > 0.4  # codes of eight numbers; a guess would be right in 1 of 40


@pytest.mark.parametrize("change", [{"heads": 4}, {"d_ff": 48}, {"d_kv": 4}, {"encoder_layers": 3}, {"d_model": 24}])
def test_sizes_that_cannot_hold_the_teacher_are_refused(data: Prepared, tmp_path: Path, change: dict[str, int]) -> None:
    teacher = Teacher.load(write_bert(tmp_path, ["rome"]))
    t5 = T5(replace(shape(data.vocabulary), **change))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=next(iter(change))):
        carry_over(t5, teacher, data.vocabulary, TEXTS)


def test_the_start_is_the_same_for_the_same_seed(data: Prepared, tmp_path: Path) -> None:
    teacher = Teacher.load(write_bert(tmp_path, ["rome"]))
    first, _ = carried(data.vocabulary, teacher, TEXTS)
    second, _ = carried(data.vocabulary, teacher, TEXTS)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
