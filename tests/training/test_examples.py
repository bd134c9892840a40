"""Batches hold every sentence once an epoch, within their budget, and depend on seed, epoch and sentence alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cpner.corpus.mentions import replace_mentions
from cpner.corpus.sentence import Sentence, Span
from cpner.errors import TrainingError
from cpner.training import TrainingConfig
from cpner.training.batch import Batch
from cpner.training.examples import Examples
from tests.support import SENTENCES, TYPES, long_sentence, tensors_of


def equal(a: Batch, b: Batch) -> bool:
    ours = tensors_of(a)
    theirs = tensors_of(b)
    return ours.keys() == theirs.keys() and all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())


@pytest.mark.parametrize("epoch", [0, 1, 7])
def test_every_sentence_comes_once_an_epoch_within_the_budget(tiny, epoch):
    config = TrainingConfig(batch_sentences=4, batch_pieces=90)
    examples = Examples(tiny, SENTENCES * 6, TYPES, config)

    batches = examples.epoch(epoch)

    assert sorted(np.concatenate(batches).tolist()) == list(range(30))
    for rows in batches:
        assert len(rows) <= 4
        batch = examples.batch(epoch, rows)
        assert batch.source.numel() <= 90 or len(rows) == 1


def test_epochs_differ_and_are_the_same_again(tiny):
    first, again = (Examples(tiny, SENTENCES * 6, TYPES, TrainingConfig()) for _ in range(2))
    other = Examples(tiny, SENTENCES * 6, TYPES, TrainingConfig(seed=1))

    def order(examples, epoch):
        return np.concatenate(examples.epoch(epoch)).tolist()

    assert order(first, 3) == order(again, 3)
    assert order(first, 3) != order(first, 4)
    assert order(first, 3) != order(other, 3)
    rows = first.epoch(3)[0]
    assert equal(first.batch(3, rows), again.batch(3, rows))
    assert not equal(first.batch(3, rows), other.batch(3, rows))


def test_options_hold_a_sentences_own_types_and_some_of_the_others_in_changing_order(tiny):
    examples = Examples(tiny, SENTENCES, TYPES, TrainingConfig(option_dropout=0.5))
    fixed = Examples(tiny, SENTENCES, TYPES, TrainingConfig(option_dropout=0.0, shuffle_options=False))
    seen = [examples.options(epoch, 1, SENTENCES[1]) for epoch in range(50)]

    assert all({"person", "location"} <= set(options) <= set(TYPES) for options in seen)
    assert {len(options) for options in seen} == {2, 3}
    assert len({tuple(options) for options in seen}) > 4
    assert all(examples.options(epoch, 3, SENTENCES[3]) for epoch in range(50))  # never none at all
    assert fixed.options(5, 1, SENTENCES[1]) == TYPES


def test_every_mention_is_replaced_by_one_of_its_type(tiny):
    mentions = {"person": ["Grace", "Hopper"], "location": ["Rome"], "political party": ["Tories"]}

    def another(type_, _):
        return mentions[type_]

    replaced = replace_mentions(SENTENCES[0], 1.0, np.random.default_rng(0), another)

    assert replaced.text == "Grace Hopper joined the Tories in Rome ."
    assert replaced.spans == (Span(0, 2, "person"), Span(4, 5, "political party"), Span(6, 7, "location"))
    assert replace_mentions(SENTENCES[0], 0.0, np.random.default_rng(0), another).text == SENTENCES[0].text


def test_epochs_show_a_sentence_with_mentions_of_others(tiny):
    plain = Examples(tiny, SENTENCES, TYPES, TrainingConfig(mention_replacement=0.0))
    examples = Examples(tiny, SENTENCES, TYPES, TrainingConfig(mention_replacement=0.5))
    people = {"Johnson", "Ada Lovelace", "Joseph"}
    shown = [examples.shown(epoch, 0) for epoch in range(60)]

    assert [plain.shown(epoch, 0) for epoch in range(3)] == [SENTENCES[0]] * 3
    assert {sentence.entity(sentence.spans[0]).text for sentence in shown} == people
    assert [[span.type for span in sentence.spans] for sentence in shown] == [TYPES] * 60
    assert {sentence.word_texts[-1] for sentence in shown} == {"."}
    assert [s.text for s in shown] == [examples.shown(epoch, 0).text for epoch in range(60)]  # the same again


def test_a_mention_too_long_for_the_window_takes_no_place(tiny):
    fits = tiny.window * 2 // 3 // len(tiny.vocabulary.word("York"))
    long = Sentence.from_words(["York"] * fits, [Span(0, fits, "location")])
    plain = Sentence.from_words(["York"] * fits, [Span(0, 1, "location")])
    examples = Examples(tiny, [plain, long], TYPES, TrainingConfig(mention_replacement=0.9))
    assert len(examples.sentences) == 2  # neither is cut

    widths = [examples.batch(epoch, rows).source.shape[1] for epoch in range(20) for rows in examples.epoch(epoch)]

    assert max(widths) <= tiny.window


def test_labels_name_the_targets_pieces_among_the_candidates(tiny):
    examples = Examples(tiny, SENTENCES, TYPES, TrainingConfig())
    whole = Examples(tiny, SENTENCES, TYPES, TrainingConfig(softmax="vocabulary"))
    rows = examples.epoch(0)[0]

    batch, plain = examples.batch(0, rows), whole.batch(0, rows)

    assert batch.candidates is not None and plain.candidates is None
    written = batch.candidates.gather(1, batch.labels.clamp(min=0)).where(batch.labels >= 0, -1)
    assert torch.equal(written, plain.labels)
    told = batch.labels[:, 1:] >= 0
    assert torch.equal(batch.inputs[:, 1:][told], written[:, :-1][told])  # shifted right
    assert batch.inputs[:, 0].tolist() == [tiny.vocabulary.pad] * len(rows)
    assert bool(batch.real.gather(1, batch.labels.clamp(min=0)).all())


def test_a_sentence_beyond_the_window_is_cut_with_every_entity_kept(tiny):
    sentence = long_sentence()
    examples = Examples(tiny, [sentence, SENTENCES[0]], TYPES, TrainingConfig())

    longest = max(examples.batch(0, rows).source.shape[1] for rows in examples.epoch(0))

    assert len(examples.sentences) > 2
    assert longest <= tiny.window
    assert sum(len(part.spans) for part in examples.sentences) == len(sentence.spans) + 3
    assert [w for part in examples.sentences[:-1] for w in part.word_texts] == sentence.word_texts


def test_nothing_to_learn_from_is_refused(tiny):
    with pytest.raises(TrainingError, match="2 sentences to train on, none with a word"):
        Examples(tiny, [Sentence("", ()), Sentence(" ", ())], TYPES, TrainingConfig())


def test_an_entity_beyond_all_bounds_is_told_and_left_out(tiny):
    endless = Sentence.from_words(["York"] * 6000, [Span(0, 6000, "location")])

    with pytest.warns(UserWarning, match=r"1 sentences of more than 4,\d\d\d pieces are not trained on"):
        examples = Examples(tiny, [endless, *SENTENCES], TYPES, TrainingConfig())

    assert examples.sentences == SENTENCES
