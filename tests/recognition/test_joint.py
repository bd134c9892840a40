"""Decoder and tagger together: the mean of both decides, and either may be sure alone."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from cpner.backbone.load import Backbone
from cpner.backbone.tagger import Tagger
from cpner.corpus.evidence import Evidence
from cpner.corpus.sentence import Answer, Prediction, Span
from cpner.instructor import Source
from cpner.recognition.decode import decode
from cpner.recognition.joint import LEAST, decode_and_tag, joined
from cpner.recognition.tagging import views
from tests.recognition.support import DOMAINS, sources_of


@pytest.fixture(scope="module")
def tagged(backbone) -> Backbone:
    tagger = Tagger(backbone.shape.d_model, 8, seed=3).requires_grad_(False)
    tagger.begin.weight.mul_(0.5)
    return Backbone("tagged", backbone.t5, backbone.vocabulary, backbone.window, tagger=tagger)


@torch.no_grad()
def encoded(backbone: Backbone, source: Source) -> Tensor:
    return backbone.t5.encode(torch.tensor([source.ids]), torch.ones(1, len(source.ids), dtype=torch.bool))


def test_scores_are_means_and_entities_do_not_overlap(tagged, bank):
    sources = sources_of(tagged)
    prefix = bank.rows(DOMAINS)

    answers = decode_and_tag(tagged, sources, prefix)

    written = decode(tagged, sources, prefix)
    assert sum(map(len, answers)) > 3
    for answer, before in zip(answers, written, strict=True):
        by_span = {one.span: one.raw for one in before}
        ends = [0, *(one.span.end for one in answer)]
        assert all(end <= one.span.start for end, one in zip(ends, answer, strict=False))
        for one in answer:
            rest = 2 * one.score - by_span.get(one.span, 0.0)  # the tagger's
            assert LEAST <= one.score <= 1 and -1e-6 <= rest <= 1 + 1e-6
            seen = one.evidence
            assert seen is not None and math.exp(seen.open + seen.type + seen.mention) == pytest.approx(one.score)


def as_written(span: Span, score: float) -> Prediction:
    """What a decoder may have written, of whose words it was sure."""
    return Prediction(span, score, Evidence(score, math.log(score), 0.0, 0.0, least=math.log(score), choices=1))


def test_what_one_is_sure_of_stays_without_the_other_and_doubts_go(tagged):
    (source,) = sources_of(tagged, ["Johnson joined the Whigs in Baltimore"])
    (view,) = views(tagged, [source], encoded(tagged, source))
    rival = Span(5, 6, "location")
    tagger_says = view.prediction(rival).raw

    def kept(score: float) -> bool:
        answer = joined(Answer([as_written(rival, score)]), view._replace(spans=[]))
        return [one.span for one in answer] == [rival]

    assert kept(1.0)
    assert kept(2 * LEAST - tagger_says + 1e-6)
    assert not kept(2 * LEAST - tagger_says - 1e-6)


def test_of_two_that_overlap_the_likelier_stays(tagged):
    (source,) = sources_of(tagged, ["Johnson joined the Whigs in Baltimore"])
    (view,) = views(tagged, [source], encoded(tagged, source))
    long, short = as_written(Span(0, 2, "person"), 0.9), as_written(Span(1, 3, "person"), 0.99)
    mean = {one.span: one.score + view.prediction(one.span).raw for one in (long, short)}

    (answer,) = joined(Answer([long, short]), view._replace(spans=[]))

    assert answer.span == max(mean, key=mean.__getitem__)


def test_no_sentence_has_no_answer(tagged):
    assert decode_and_tag(tagged, []) == []


def test_untold_options_are_the_decoders_alone_in_any_batch(tagged):
    told = sources_of(tagged)
    untold = sources_of(tagged, options=False)

    mixed = decode_and_tag(tagged, [*told, *untold])

    for answer, expected in zip(mixed, [*decode_and_tag(tagged, told), *decode(tagged, untold)], strict=True):
        assert [one.span for one in answer] == [one.span for one in expected]
        assert [one.score for one in answer] == pytest.approx([one.score for one in expected], abs=1e-5)
