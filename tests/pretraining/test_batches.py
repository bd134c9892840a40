"""Batches: drawn by number, with options that are right for each sentence."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from cpner.errors import CorpusError
from cpner.instructor.grammar import Grammar
from cpner.pretraining.batches import Batches, Example, draw_example
from cpner.pretraining.config import DataConfig
from cpner.pretraining.pool import Mentions, Pool, read_pool
from cpner.pretraining.prepare import Prepared
from cpner.training.batch import Batch
from tests.pretraining.support import make_batches
from tests.support import tensors_of, tiny_config

PLAIN = DataConfig(drop=0, merged=0, mixed=0, rename=0, lower=0)


def same(a: Batch, b: Batch) -> bool:
    ours = tensors_of(a)
    theirs = tensors_of(b)
    return ours.keys() == theirs.keys() and all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())


def pool_of(data: Prepared) -> Pool:
    assert data.pool is not None
    return data.pool


def examples_of(batches: Batches) -> list[Example]:
    """The sentences of a group's batches."""
    sentences, rng = batches.sentences, np.random.default_rng(0)
    assert sentences is not None
    return [example for drawn in sentences.deal(rng) for example in sentences.examples(drawn, rng)]


def test_batch_depends_on_seed_and_number_alone(data: Prepared) -> None:
    first, second = make_batches(data), make_batches(data)

    forwards = [first[i] for i in range(10)]
    backwards = [second[i] for i in reversed(range(10))][::-1]

    assert all(map(same, forwards, backwards))
    assert not same(forwards[0], forwards[1])
    assert not any(map(same, forwards, [make_batches(data, seed=1)[i] for i in range(10)]))


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")
def test_workers_make_the_same_batches(data: Prepared) -> None:
    batches = make_batches(data, 12)

    loaded = list(DataLoader(batches, batch_size=None, num_workers=2))

    assert len(loaded) == 12
    assert all(same(a, batches[i]) for i, a in enumerate(loaded))


def test_batches_end(data: Prepared) -> None:
    with pytest.raises(IndexError):
        make_batches(data, 3)[3]


@pytest.mark.parametrize(("share", "texts"), [(0.0, 0), (1.0, 40)])
def test_text_share_of_none_and_all(data: Prepared, share: float, texts: int) -> None:
    batches = make_batches(data, text_share=share)

    assert sum(batches[i].candidates is None for i in range(40)) == texts


def test_all_text_needs_no_labelled_sentences(data: Prepared) -> None:
    batches = Batches(None, data.text, data.vocabulary, replace(tiny_config().data, text_share=1.0), 3)

    assert all(batches[i].candidates is None for i in range(3))


def test_text_share_falls_over_the_run(data: Prepared) -> None:
    batches = make_batches(data, 200, text_share=0.0, text_share_start=1.0, text_until=0.5)

    texts = [batches[i].candidates is None for i in range(0, 200, 5)]

    assert texts[0] and sum(texts[:10]) > sum(texts[10:20]) and not any(texts[20:])


def test_padding_is_marked_everywhere(data: Prepared) -> None:
    batches = make_batches(data)
    for i in range(10):
        batch = batches[i]
        assert torch.equal(batch.mask, batch.source != data.vocabulary.pad)
        assert batch.pieces == int((batch.source != data.vocabulary.pad).sum() + (batch.labels != -1).sum())
        if batch.real is not None and batch.candidates is not None:
            written = batch.labels.clamp(min=0)
            assert batch.real.gather(1, written).all()  # no label is a candidate that is padding
            pieces = batch.candidates.gather(1, written)[:, :-1]
            kept = batch.labels[:, 1:] >= 0
            assert torch.equal(batch.inputs[:, 1:][kept], pieces[kept])  # the decoder reads what it wrote


def test_aligned_batches_differ_in_padding_only(data: Prepared) -> None:
    plain, aligned = make_batches(data), make_batches(data, align=True)
    for i in range(10):
        a, b = plain[i], aligned[i]
        assert b.source.shape[1] % 16 == 0 and b.labels.shape[1] % 8 == 0
        assert a.pieces == b.pieces
        width = a.source.shape[1]
        assert torch.equal(a.source, b.source[:, :width]) and not b.mask[:, width:].any()
        assert (b.labels[:, a.labels.shape[1] :] == -1).all()
        if a.real is not None and b.real is not None and b.candidates is not None:
            assert b.candidates.shape[1] % 16 == 0 and int(a.real.sum()) == int(b.real.sum())


def test_targets_follow_the_grammar(data: Prepared) -> None:
    batches = make_batches(data, text_share=0.0)
    rng = np.random.default_rng(0)
    for i in range(30):
        sentence, types = draw_example(pool_of(data), i, batches.config, rng)
        source = batches.prompt.source(sentence, types)
        grammar = Grammar(source)
        labels = batches.entity_batch([(sentence, types)]).labels[0].tolist()
        state = grammar.start()
        for label in labels:
            assert grammar.allowed(state) >> label & 1
            state, _ = grammar.advance(state, label)


def test_sources_that_are_too_long_are_left_out(data: Prepared) -> None:
    batches = make_batches(data, text_share=0.0, max_source=60)

    assert max(batches[i].source.shape[1] for i in range(40)) <= 60


def test_a_window_for_no_sentence_is_refused(data: Prepared) -> None:
    for width in (3, 8):
        with pytest.raises(
            CorpusError, match=f"no labelled sentence fits into {width} pieces: raise the setting data.max_source"
        ):
            make_batches(data, max_source=width)
    batches = make_batches(data, text_share=0.0)
    batches.config = replace(batches.config, max_source=8)  # as if all had turned out longer than was thought
    with pytest.raises(CorpusError, match="no sentence of a batch fits into 8 pieces"):
        batches[0]


def test_options_hold_every_wanted_type_once(data: Prepared) -> None:
    config = DataConfig(drop=0.3, merged=0.4, mixed=0.3, rename=0.8, lower=0.5, max_options=4)
    rng = np.random.default_rng(0)
    for i in range(200):
        sentence, types = draw_example(pool_of(data), i, config, rng)
        assert len(set(types)) == len(types) <= 4
        assert {span.type for span in sentence.spans} <= set(types)
        assert types or len(pool_of(data).file_types[pool_of(data).origin[i]]) == 1  # hardly ever about nothing


def test_plain_examples_are_the_sentences_themselves(data: Prepared) -> None:
    rng = np.random.default_rng(0)
    for i in range(100):
        words, spans = pool_of(data).sentence(i)
        sentence, types = draw_example(pool_of(data), i, PLAIN, rng)
        assert sentence.word_texts == words
        assert [tuple(span) for span in sentence.spans] == spans
        assert set(types) <= set(pool_of(data).file_types[pool_of(data).origin[i]])


def test_dropped_types_take_their_entities_along(data: Prepared) -> None:
    rng = np.random.default_rng(0)
    dropped = 0
    for i in range(200):
        _, spans = pool_of(data).sentence(i)
        sentence, types = draw_example(pool_of(data), i, replace(PLAIN, drop=0.5), rng)
        assert [tuple(s) for s in sentence.spans] == [s for s in spans if s[2] in types]
        dropped += len(spans) - len(sentence.spans)
    assert dropped > 20


def test_merged_types_become_their_group(data: Prepared) -> None:
    rng = np.random.default_rng(0)
    group = {"actor": "person", "athlete": "person"}
    for i in range(200):
        _, spans = pool_of(data).sentence(i)
        sentence, types = draw_example(pool_of(data), i, replace(PLAIN, merged=1.0), rng)
        assert [tuple(s) for s in sentence.spans] == [(a, b, group.get(t, t)) for a, b, t in spans]
        assert not group.keys() & set(types)


def test_files_are_drawn_by_size_to_the_power_of_balance(data: Prepared) -> None:
    pool = pool_of(data)
    few = np.concatenate([np.flatnonzero(pool.origin == 0), np.flatnonzero(pool.origin == 1)[:30]])
    uneven = Prepared(data.vocabulary, pool.part(few), data.text, None)

    even = examples_of(make_batches(uneven, balance=0.0, dense=0.0, drop=0.0, rename=0.0, text_share=0.0, group=256))
    genes = ["gene" in types for _, types in even]

    assert np.mean(genes) == pytest.approx(0.5, abs=0.05)  # a file counts the same, whatever its size


def test_grouping_leaves_less_padding(data: Prepared) -> None:
    def filled(group: int) -> float:
        batches = make_batches(data, 48, group=group, text_share=0.0)
        slots = sum(batches[i].labels.numel() + batches[i].source.numel() for i in range(48))
        return sum(batches[i].pieces for i in range(48)) / slots

    assert filled(8) > filled(1)


def test_no_kind_is_offered_as_absent_beside_one_that_may_be_it(tmp_path: Path) -> None:
    kinds = [("Ann", "actor", "person"), ("Bob", "person", "person"), ("Oslo", "city", "location")]
    lines = [
        {"text": f"{name} .", "entities": [{"start": 0, "end": len(name), "type": type_, "coarse": coarse}]}
        for name, type_, coarse in kinds
    ]
    (tmp_path / "silver.jsonl").write_text("\n".join(map(json.dumps, lines)), "utf-8")
    pool, rng = read_pool(tmp_path), np.random.default_rng(0)
    offered = [set().union(*(draw_example(pool, i, PLAIN, rng)[1] for _ in range(50))) for i in range(3)]

    assert offered == [{"actor", "person", "city"}, {"person", "city"}, {"actor", "person", "city"}]


def test_dense_sentences_are_drawn_more_often(data: Prepared) -> None:
    def entities(dense: float) -> float:
        examples = examples_of(make_batches(data, dense=dense, drop=0.0, text_share=0.0, group=64))
        return float(np.mean([len(sentence.spans) for sentence, _ in examples]))

    assert entities(1.0) > entities(0.0)


def test_mentions_are_replaced_by_others_of_their_type_in_their_file(data: Prepared) -> None:
    pool = pool_of(data)
    known = {}
    for i in range(len(pool)):
        words, spans = pool.sentence(i)
        for a, b, type_ in spans:
            known.setdefault((pool.origin[i], type_), set()).add(tuple(words[a:b]))
    mentions, rng, changed = Mentions(pool), np.random.default_rng(0), 0
    for i in range(100):
        words, spans = pool.sentence(i)
        sentence, _ = draw_example(pool, i, replace(PLAIN, replaced=1.0), rng, mentions)
        assert [span.type for span in sentence.spans] == [type_ for _, _, type_ in spans]
        for span in sentence.spans:
            assert tuple(sentence.word_texts[span.start : span.end]) in known[pool.origin[i], span.type]
        changed += sentence.word_texts != words
    assert changed > 50
