"""Beam search finds what a plain beam search without cache finds, and with one beam what greedy search finds."""

from __future__ import annotations

import math

import pytest
import torch

from cpner.backbone.load import Backbone
from cpner.backbone.prefix import Prefix
from cpner.corpus.sentence import Prediction
from cpner.instructor import Source
from cpner.instructor.grammar import DONE, LIST, Grammar, word_span
from cpner.recognition.beam import beam_search
from cpner.recognition.decode import decode
from tests.recognition.support import DOMAINS, TEXTS, check_same, sources_of


@torch.no_grad()
def plain_beam_search(backbone: Backbone, source: Source, prefix: Prefix | None, beams: int) -> list[Prediction]:
    """One sentence, no cache. An output: its log-probability, pieces, state, entities, and the last entity's."""
    t5, vocabulary = backbone.t5, backbone.vocabulary
    grammar = Grammar(source)
    ids, mask = torch.tensor([source.ids]), torch.ones(1, len(source.ids), dtype=torch.bool)
    encoded = t5.encode(ids, mask, prefix)
    outputs = [(0.0, [vocabulary.pad], grammar.start(), list[Prediction](), 0.0)]
    while outputs[0][2].mode != DONE:
        longer = [output for output in outputs if output[2].mode == DONE]
        for total, written, state, found, own in outputs:
            if state.mode == DONE:
                continue
            allowed = [i for i in range(len(grammar.candidates)) if grammar.allowed(state) >> i & 1]
            pieces = [grammar.candidates[i] for i in allowed]
            states = t5.decode(torch.tensor([written]), encoded, mask, prefix)
            logs = (states[0, -1] @ t5.output_weight[pieces].T).log_softmax(0)
            for log, chosen, piece in zip(logs.tolist(), allowed, pieces, strict=True):
                after, mention = grammar.advance(state, chosen)
                score = log if state.mode == LIST else own + log
                new = [] if mention is None else [Prediction(word_span(source, mention), math.exp(score))]
                longer.append((total + log, [*written, piece], after, found + new, score))
        outputs = sorted(longer, key=lambda output: -output[0])[:beams]
    return sorted(outputs[0][3], key=lambda f: f.span)


@pytest.mark.parametrize("domains", [[None] * 6, DOMAINS])
@pytest.mark.parametrize("beams", [2, 4])
def test_batch_equals_plain_beam_search_of_each_row(backbone, bank, domains, beams):
    texts = [*TEXTS[:3], " ".join(TEXTS[3].split()[:8]), *TEXTS[4:]]
    sources = sources_of(backbone, texts)
    expected = [
        plain_beam_search(backbone, s, bank.rows([name]), beams) for s, name in zip(sources, domains, strict=True)
    ]

    assert any(expected)
    check_same(beam_search(backbone, sources, bank.rows(domains), beams=beams), expected)


def test_one_beam_is_greedy_search(backbone, bank):
    sources, prefix = sources_of(backbone), bank.rows(DOMAINS)

    check_same(beam_search(backbone, sources, prefix, beams=1), decode(backbone, sources, prefix))


def test_empty_batch_has_no_beams(backbone):
    assert beam_search(backbone, [], beams=3) == []
