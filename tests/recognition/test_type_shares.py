"""Shares of types are the probabilities that a model gives, computed one target at a time."""

from __future__ import annotations

import math

import pytest
import torch

from cpner.backbone.load import Backbone
from cpner.backbone.prefix import Prefix
from cpner.corpus.sentence import Sentence, Span
from cpner.instructor import Instructor, Source
from cpner.instructor.grammar import MENTION, Grammar
from cpner.recognition.decode import decode
from cpner.recognition.type_shares import decode_with_shares
from tests.recognition.support import DOMAINS, TEXTS, TYPES, sources_of


@torch.no_grad()
def log_of(backbone: Backbone, source: Source, prefix: Prefix | None, text: str, spans: list[Span]) -> float:
    """The log-probability of the type of the last of these entities, written piece by piece after the others."""
    t5, vocabulary = backbone.t5, backbone.vocabulary
    grammar = Grammar(source)
    target = Instructor(vocabulary, TYPES).target(source, Sentence.from_words(text.split(), spans))[:-2]
    before = Instructor(vocabulary, TYPES).target(source, Sentence.from_words(text.split(), spans[:-1]))[:-2]
    encoded = t5.encode(torch.tensor([source.ids]), torch.ones(1, len(source.ids), dtype=torch.bool), prefix)
    state = grammar.start()
    total = 0.0
    for i, (piece, chosen) in enumerate(zip(target, grammar.index(target), strict=True)):
        if i > len(before):  # what comes after the sign that opens the entity
            written = torch.tensor([[vocabulary.pad, *target[:i]]])
            hidden = t5.decode(written, encoded, torch.ones(1, len(source.ids), dtype=torch.bool), prefix)[0, -1]
            allowed = [c for n, c in enumerate(grammar.candidates) if grammar.allowed(state) >> n & 1]
            total += float((hidden @ t5.output_weight[allowed].T).log_softmax(0)[allowed.index(piece)])
        state, _ = grammar.advance(state, chosen)
        if i > len(before) and state.mode == MENTION:
            break
    return total


def test_shares_are_those_of_writing_each_type(backbone, bank):
    sources = sources_of(backbone)

    answers = decode_with_shares(backbone, sources, bank.rows(DOMAINS))

    assert sum(map(len, answers)) > 5
    for source, domain, text, answer in zip(sources, DOMAINS, TEXTS, answers, strict=True):
        for k, prediction in enumerate(answer[:3]):
            spans = [one.span for one in answer[:k]]
            logs = [
                log_of(backbone, source, bank.rows([domain]), text, [*spans, prediction.span._replace(type=name)])
                for name in TYPES
            ]
            expected = dict(zip(TYPES, torch.tensor(logs).softmax(0).tolist(), strict=True))
            assert dict(prediction.shares) == pytest.approx(expected, abs=1e-5)


def test_entities_are_those_of_greedy_search_and_shares_are_a_distribution(backbone, bank):
    sources = sources_of(backbone)
    prefix = bank.rows(DOMAINS)

    answers = decode_with_shares(backbone, sources, prefix)

    assert [[one.span for one in row] for row in answers] == [
        [one.span for one in row] for row in decode(backbone, sources, prefix)
    ]
    for prediction in (one for row in answers for one in row):
        shares = [share for _, share in prediction.shares]
        assert math.isclose(sum(shares), 1, abs_tol=1e-6) and shares == sorted(shares, reverse=True)
        assert sorted(name for name, _ in prediction.shares) == sorted(TYPES)


def test_sentences_without_entities_have_nothing_to_compare(backbone):
    assert decode_with_shares(backbone, sources_of(backbone, [""])) == [[]]
