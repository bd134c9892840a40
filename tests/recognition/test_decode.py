"""Decoding with caches, candidates and leaving rows finds what a plain greedy search under the grammar finds."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from cpner.backbone.load import Backbone
from cpner.backbone.prefix import Prefix
from cpner.backbone.t5 import T5
from cpner.corpus.sentence import Prediction, Sentence
from cpner.errors import BackboneError
from cpner.instructor import Instructor, Source
from cpner.instructor.grammar import LIST, Grammar, word_span
from cpner.instructor.parse import parse
from cpner.recognition.beam import beam_search
from cpner.recognition.cache import Cache, keep_rows
from cpner.recognition.decode import decode, decode_freely
from tests.recognition.support import DOMAINS, TEXTS, TYPES, check_same, sources_of


@torch.no_grad()
def plain_search(backbone: Backbone, source: Source, prefix: Prefix | None) -> list[Prediction]:
    """One row, no cache: the whole target so far is decoded again for each piece, over the whole vocabulary."""
    t5, vocabulary = backbone.t5, backbone.vocabulary
    grammar = Grammar(source)
    ids, mask = torch.tensor([source.ids]), torch.ones(1, len(source.ids), dtype=torch.bool)
    encoded = t5.encode(ids, mask, prefix)
    state, written, product, found = grammar.start(), [vocabulary.pad], 1.0, []
    while allowed := grammar.allowed(state):
        candidates = [c for i, c in enumerate(grammar.candidates) if allowed >> i & 1]
        logits = (t5.decode(torch.tensor([written]), encoded, mask, prefix)[0, -1] @ t5.output_weight.T)[candidates]
        piece = candidates[int(logits.argmax())]
        product = float(logits.softmax(0).max()) * (1.0 if state.mode == LIST else product)
        state, mention = grammar.advance(state, *grammar.index([piece]))
        if mention is not None:
            found.append(Prediction(word_span(source, mention), product))
        written.append(piece)
    return sorted(found, key=lambda f: f.span)


@pytest.mark.parametrize("domains", [[None] * 6, DOMAINS, ["long"] * 6])
@pytest.mark.parametrize("options", [True, False])
def test_batch_equals_plain_search_of_each_row(backbone, bank, domains, options):
    sources = sources_of(backbone, options=options)
    expected = [plain_search(backbone, s, bank.rows([name])) for s, name in zip(sources, domains, strict=True)]

    assert any(expected) and [] in expected[2:3]  # something to compare, nothing in no words
    check_same(decode(backbone, sources, bank.rows(domains)), expected)


@pytest.mark.parametrize("domains", [[None] * 6, DOMAINS])
def test_batch_equals_each_row_alone_in_any_order(backbone, bank, domains):
    sources = sources_of(backbone)
    alone = [decode(backbone, [s], bank.rows([name]))[0] for s, name in zip(sources, domains, strict=True)]
    order = [4, 2, 0, 5, 1, 3, 3]
    together = decode(backbone, [sources[i] for i in order], bank.rows([domains[i] for i in order]))

    check_same(together, [alone[i] for i in order])


def test_many_rows_that_end_at_different_times_equal_each_row_alone(backbone, bank):
    words = " ".join(TEXTS).split()
    sources = sources_of(backbone, [" ".join(words[i : i + 1 + i % 7]) for i in range(24)])
    domains = [DOMAINS[i % 6] for i in range(24)]
    together = decode(backbone, sources, bank.rows(domains))

    assert len({len(row) for row in together}) > 2
    check_same(together, [decode(backbone, [s], bank.rows([n]))[0] for s, n in zip(sources, domains, strict=True)])


@pytest.mark.parametrize("draft", [1, 2, 5, 40])
def test_drafts_change_nothing(backbone, bank, draft):
    words = " ".join(TEXTS).split()
    sources = sources_of(backbone, [" ".join(words[i : i + 1 + i % 9]) for i in range(24)])
    prefix = bank.rows([DOMAINS[i % 6] for i in range(24)])

    check_same(decode(backbone, sources, prefix, draft=draft), decode(backbone, sources, prefix, draft=0))


def test_drafts_save_most_passes(backbone, monkeypatch):
    """And pieces that are taken back are few: what must follow is never wrong."""
    passes: list[int] = []
    step = Cache.step

    def counted(cache, ids, lengths=None):
        passes.append(sum(lengths or [ids.numel()]))
        return step(cache, ids, lengths)

    monkeypatch.setattr(Cache, "step", counted)
    sources = sources_of(backbone, [TEXTS[3].lower()])  # capitals say nothing to random weights
    decode(backbone, sources, draft=0)
    single = passes.copy()
    passes.clear()
    decode(backbone, sources)

    assert len(passes) < 0.5 * len(single)
    assert sum(passes) < 1.5 * sum(single)


def test_found_entities_are_spans_of_the_sentence_with_scores(backbone, bank):
    for text, found in zip(TEXTS, decode(backbone, sources_of(backbone), bank.rows(DOMAINS)), strict=True):
        sentence = Sentence.from_words(text.split(), [f.span for f in found])  # refuses overlap

        assert list(sentence.spans) == [f.span for f in found]
        assert {f.span.type for f in found} <= set(TYPES)
        assert all(0 <= f.score <= 1 for f in found)


def test_prefix_changes_what_is_found(backbone, bank):
    sources = sources_of(backbone)
    found = [decode(backbone, sources, bank.rows([name] * 6)) for name in (None, "short", "long")]

    assert len({str(rows) for rows in found}) == 3


@pytest.mark.parametrize("domains", [[None] * 6, DOMAINS])
def test_float32_finds_what_float64_finds(backbone, bank, domains):
    single = backbone.with_model(T5(backbone.t5.shape))
    single.t5.load_state_dict(backbone.t5.state_dict())
    prefix = bank.rows(domains)
    found = decode(single, sources_of(single), prefix and prefix.to(torch.float32))

    expected = decode(backbone, sources_of(backbone), prefix)
    assert [[f.span for f in row] for row in found] == [[f.span for f in row] for row in expected]


def test_bfloat16_decodes_well_formed_spans(tiny, bank):
    backbone = tiny.with_model(T5(tiny.t5.shape).to(torch.bfloat16))
    backbone.t5.load_state_dict(tiny.t5.state_dict())
    for text, found in zip(TEXTS, decode(backbone, sources_of(backbone), bank.rows(DOMAINS)), strict=True):
        assert all(0 <= f.score <= 1 for f in found)
        Sentence.from_words(text.split(), [f.span for f in found])


def test_rows_that_stay_are_moved_only_to_places_that_fall_free():
    table = torch.arange(12).view(6, 2)
    rows = [0, 5, 2, 4]

    assert torch.equal(keep_rows(table.clone(), rows), table[rows])
    assert torch.equal(keep_rows(table.T.clone(), rows, dim=1), table[rows].T)


@pytest.mark.parametrize("search", [decode, decode_freely])
def test_empty_batch_has_no_rows(backbone, search):
    assert search(backbone, []) == []


@pytest.mark.parametrize("search", [decode, partial(beam_search, beams=2)])
def test_a_backbone_that_computes_no_numbers_is_refused(tiny, search):
    broken = tiny.with_model(T5(tiny.t5.shape))
    broken.t5.load_state_dict(tiny.t5.state_dict())
    broken.t5.encoder.norm.weight.data.fill_(torch.nan)

    with pytest.raises(BackboneError, match="its weights are broken, or too large for this dtype"):
        search(broken, sources_of(broken))


def test_sentences_without_words_or_types_hold_nothing(backbone, bank):
    prompt = Instructor(backbone.vocabulary, TYPES)
    sources = [prompt.source(Sentence("", [])), prompt.source(Sentence("", []), [])]
    untyped = [prompt.source(Sentence.from_words(["Ada"]), [])]

    assert decode(backbone, sources) == [[], []]
    assert decode(backbone, sources, bank.rows(["short", None])) == [[], []]
    assert decode(backbone, untyped) == [[]]
    assert decode_freely(backbone, sources, limit=4)[0].spans == []


@pytest.mark.parametrize("domains", [[None] * 6, DOMAINS])
def test_free_generation_is_greedy_search_over_the_whole_vocabulary(backbone, bank, domains):
    t5, vocabulary = backbone.t5, backbone.vocabulary
    sources, limit = sources_of(backbone), 12
    expected = []
    for source, name in zip(sources, domains, strict=True):
        ids, prefix = torch.tensor([source.ids]), bank.rows([name])
        mask = torch.ones_like(ids, dtype=torch.bool)
        written = [vocabulary.pad]
        for _ in range(limit):
            with torch.no_grad():
                states = t5.decode(torch.tensor([written]), t5.encode(ids, mask, prefix), mask, prefix)
            written.append(int((states[0, -1] @ t5.output_weight.T).argmax()))
        expected.append(parse(written[1:], source, vocabulary))

    assert decode_freely(backbone, sources, bank.rows(domains), limit=limit) == expected
