"""The tagger's answers are the likeliest of all readings, and its scores are shares of them: both by listing them."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch

from cpner.backbone.load import Backbone
from cpner.backbone.tagger import Tagger
from cpner.corpus.sentence import Sentence
from cpner.errors import BackboneError
from cpner.instructor import Instructor
from cpner.recognition.tagging import Words, likeliest, tag, words_of
from tests.recognition.support import DOMAINS, TEXTS, TYPES, sources_of

Spans = tuple[tuple[int, int, int], ...]


@pytest.fixture(scope="module")
def tagged(backbone) -> Backbone:
    """The backbone with a tagger that is sure of some things."""
    tagger = Tagger(backbone.shape.d_model, 8, seed=3)
    with torch.no_grad():
        tagger.begin.weight.mul_(0.5)
    return Backbone("tagged", backbone.t5, backbone.vocabulary, backbone.window, tagger=tagger.requires_grad_(False))


def readings(words: int, options: int, start: int = 0) -> Iterator[Spans]:
    """All ways to have entities in the words from `start` on."""
    if start == words:
        yield ()
        return
    yield from readings(words, options, start + 1)
    for end in range(start + 1, words + 1):
        for rest in readings(words, options, end):
            for option in range(options):
                yield ((start, end, option), *rest)


def log_of(words: Words, row: int, size: int, spans: Spans) -> float:
    """The log-probability of one reading."""
    total = 0.0
    inside = set()
    for start, end, option in spans:
        total += float(words.opens[row, start, option] + words.goes_on[row, start + 1 : end, option].sum())
        inside.update(range(start, end))
    return total + sum(float(words.outside[row, word]) for word in range(size) if word not in inside)


@torch.no_grad()
def words_in(backbone: Backbone, text: str) -> Words:
    (source,) = sources_of(backbone, [text])
    encoded = backbone.t5.encode(torch.tensor([source.ids]), torch.ones(1, len(source.ids), dtype=torch.bool))
    assert backbone.tagger is not None
    return words_of(backbone.tagger, encoded, [source])


@pytest.mark.parametrize("text", ["Paris", "Ada met Babbage", "Ada met the Whigs in"])
def test_answer_is_the_likeliest_reading_and_scores_are_shares(tagged, text):
    size = len(text.split())
    words = words_in(tagged, text)
    logs = {spans: log_of(words, 0, size, spans) for spans in readings(size, len(TYPES))}
    total = torch.tensor(list(logs.values())).logsumexp(0)

    (answer,) = tag(tagged, sources_of(tagged, [text]))

    found = tuple((p.span.start, p.span.end, TYPES.index(p.span.type)) for p in answer)
    assert found == max(logs, key=logs.__getitem__) == tuple(likeliest(words)[0])
    for entity, prediction in zip(found, answer, strict=True):
        share = sum(math.exp(log - float(total)) for spans, log in logs.items() if entity in spans)
        assert prediction.score == pytest.approx(share, abs=1e-5)
        evidence = prediction.evidence
        assert math.exp(evidence.open + evidence.type + evidence.mention) == pytest.approx(share, abs=1e-5)


def test_words_are_found_together_as_alone(tagged, bank):
    sources = sources_of(tagged)

    together = tag(tagged, sources, bank.rows(DOMAINS))

    assert sum(map(len, together)) > 3
    for source, domain, answer in zip(sources, DOMAINS, together, strict=True):
        (alone,) = tag(tagged, [source], bank.rows([domain]))
        assert [p.span for p in alone] == [p.span for p in answer]
        assert [p.score for p in alone] == pytest.approx([p.score for p in answer], abs=1e-5)
        assert alone.end == pytest.approx(answer.end, abs=1e-4)


def test_fewer_options_beside_more_are_padding(tagged):
    few = Instructor(tagged.vocabulary, TYPES[:1]).source(Sentence.from_words(TEXTS[0].split()))
    many = sources_of(tagged, TEXTS[3:4])[0]

    (alone,) = tag(tagged, [few])
    beside, _ = tag(tagged, [few, many])

    assert {p.span.type for p in alone} <= {TYPES[0]}
    assert [p.span for p in alone] == [p.span for p in beside]


def test_no_sentence_no_words_and_no_tagger(tagged, backbone):
    assert tag(tagged, []) == []
    assert tag(tagged, sources_of(tagged, [""])) == [[]]
    with pytest.raises(BackboneError, match="has no tagger"):
        tag(backbone, sources_of(backbone))


def test_weights_that_are_no_numbers_are_told(backbone):
    broken = Tagger(backbone.shape.d_model, 8).requires_grad_(False)
    broken.piece.weight[0, 0] = torch.nan
    tagged = Backbone("broken", backbone.t5, backbone.vocabulary, backbone.window, tagger=broken)

    with pytest.raises(BackboneError, match="computes no numbers"):
        tag(tagged, sources_of(backbone))
