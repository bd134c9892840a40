"""Beam search finds what a plain beam search without cache finds, and with one beam what greedy search finds."""

from __future__ import annotations

import math
from collections import defaultdict

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
def plain_beam_search(
    backbone: Backbone, source: Source, prefix: Prefix | None, beams: int, wait_for: int = 1
) -> list[tuple[float, list[Prediction]]]:
    """One sentence, no cache. An output: its log-probability, pieces, state, entities, and the last entity's.

    The search ends when so many of the best outputs are done.
    """
    t5, vocabulary = backbone.t5, backbone.vocabulary
    grammar = Grammar(source)
    ids, mask = torch.tensor([source.ids]), torch.ones(1, len(source.ids), dtype=torch.bool)
    encoded = t5.encode(ids, mask, prefix)
    outputs = [(0.0, [vocabulary.pad], grammar.start(), list[Prediction](), 0.0)]
    while any(output[2].mode != DONE for output in outputs[:wait_for]):
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
    return [(output[0], sorted(output[3], key=lambda f: f.span)) for output in outputs]


@pytest.mark.parametrize("domains", [[None] * 6, DOMAINS])
@pytest.mark.parametrize("beams", [2, 4])
def test_batch_equals_plain_beam_search_of_each_row(backbone, bank, domains, beams):
    texts = [*TEXTS[:3], " ".join(TEXTS[3].split()[:8]), *TEXTS[4:]]
    sources = sources_of(backbone, texts)
    expected = [
        plain_beam_search(backbone, source, bank.rows([name]), beams)[0][1]
        for source, name in zip(sources, domains, strict=True)
    ]

    assert any(expected)
    check_same(beam_search(backbone, sources, bank.rows(domains), beams=beams), expected)


@pytest.mark.parametrize("beams", [4, 9])
def test_readings_are_the_outputs_told_apart_by_their_entities(backbone, bank, beams):
    texts = ["Ada met Babbage", "Joseph and Joseph", ""]
    sources = sources_of(backbone, texts)
    names = ["short", "long", None]

    answers = beam_search(backbone, sources, bank.rows(names), beams=beams, readings=4)

    for source, name, answer in zip(sources, names, answers, strict=True):
        outputs = plain_beam_search(backbone, source, bank.rows([name]), beams, wait_for=beams)
        expected: dict[tuple, float] = defaultdict(float)
        for total, found in outputs:
            expected[tuple(one.span for one in found)] += math.exp(total)
        best = sorted(expected.items(), key=lambda pair: -pair[1])[:4]
        readings = [answer, *answer.others]
        assert [tuple(one.span for one in reading) for reading in readings] == [spans for spans, _ in best]
        assert [math.exp(reading.log) for reading in readings] == pytest.approx([p for _, p in best], abs=1e-6)
    assert len(answers[0].others) == 3 and not answers[2].others


def test_one_beam_is_greedy_search(backbone, bank):
    sources, prefix = sources_of(backbone), bank.rows(DOMAINS)

    check_same(beam_search(backbone, sources, prefix, beams=1), decode(backbone, sources, prefix))


def test_empty_batch_has_no_beams(backbone):
    assert beam_search(backbone, [], beams=3) == []
