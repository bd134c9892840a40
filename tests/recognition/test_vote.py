from __future__ import annotations

import math

import pytest
import torch

from cpner.backbone.padding import pad_masked
from cpner.backbone.prefix import Prefix, common_start, together
from cpner.backbone.shape import ATTENTIONS, PrefixConfig
from cpner.corpus import Span
from cpner.corpus.sentence import Prediction
from cpner.instructor import Instructor, Source
from cpner.instructor.grammar import DONE, LAST, OPEN, Grammar
from cpner.instructor.parse import parse
from cpner.recognition.decode import decode
from cpner.recognition.vote import vote
from tests.support import SENTENCES, TYPES


def rows(tiny, members: list[Prefix]):
    prompt = Instructor(tiny.vocabulary, TYPES)
    sources = [prompt.source(sentence) for sentence in SENTENCES]
    return sources, together(members).expand(len(sources))


def answers(found: list[list[Prediction]]) -> list[list[Span]]:
    return [[f.span for f in own] for own in found]


def test_members_that_are_the_same_decide_as_one_alone(tiny):
    entities = 0
    for seed in range(8):
        one = common_start(tiny.t5.shape, PrefixConfig(3, ATTENTIONS, start_seed=seed, start_scale=4.0))
        sources, prefixes = rows(tiny, [one, one, one])

        ours = decode(tiny, sources, prefixes, members=3)
        alone = decode(tiny, sources, one.expand(len(sources)))

        assert answers(ours) == answers(alone)
        for own, other in zip(ours, alone, strict=True):
            assert [f.score for f in own] == pytest.approx([f.score for f in other], abs=1e-4)
        entities += sum(map(len, alone))
    assert entities


def plainly(tiny, sources: list[Source], members: list[Prefix]) -> list[list[tuple[int, float]]]:
    """What three members write together, the whole target anew for each piece: (piece, log-probability)."""
    written = []
    for source in sources:
        ids, mask = pad_masked([source.ids], tiny.vocabulary.pad)
        read = [(prefix.expand(1), tiny.t5.encode(ids, mask, prefix.expand(1))) for prefix in members]
        grammar = Grammar(source)
        state, _ = grammar.advance(grammar.start(), OPEN)
        target, choices = torch.tensor([[tiny.vocabulary.pad, tiny.vocabulary.open]]), []
        while state.mode not in (LAST, DONE):
            p = torch.zeros(())
            for prefix, encoded in read:
                hidden = tiny.t5.decode(target, encoded, mask, prefix)[:, -1]
                logits = (hidden[0] @ tiny.t5.output_weight[grammar.candidates].T).float()
                allowed = torch.tensor([grammar.allowed(state) >> i & 1 for i in range(len(logits))])
                p = p + logits.masked_fill(allowed == 0, -torch.inf).softmax(-1) / len(members)
            chosen = int(p.argmax())
            choices.append((grammar.candidates[chosen], float(p[chosen].log())))
            target = torch.cat([target, torch.tensor([[grammar.candidates[chosen]]])], dim=1)
            state, _ = grammar.advance(state, chosen)
        written.append(choices)
    return written


@pytest.mark.parametrize("draft", [0, 12])
def test_an_ensemble_writes_what_is_likeliest_by_the_mean_of_probabilities(tiny, draft):
    entities = 0
    for seed in (0, 6):
        members = [
            common_start(tiny.t5.shape, PrefixConfig(3, ATTENTIONS, start_seed=seed + i, start_scale=4.0))
            for i in range(3)
        ]
        sources, prefixes = rows(tiny, members)

        found = decode(tiny, sources, prefixes, members=3, draft=draft)

        with torch.inference_mode():
            expected = plainly(tiny, sources, members)
        for source, own, choices in zip(sources, found, expected, strict=True):
            read = parse([tiny.vocabulary.open, *(piece for piece, _ in choices)], source, tiny.vocabulary)
            assert [f.span for f in own] == sorted(read.spans)
            before_the_end = sum(p for _, p in choices[:-1])
            assert sum(math.log(f.score) for f in own) == pytest.approx(before_the_end, abs=1e-3)
        entities += sum(map(len, found))
    assert entities


def test_the_order_of_members_does_not_matter(tiny):
    members = [
        common_start(tiny.t5.shape, PrefixConfig(3, ATTENTIONS, start_seed=i, start_scale=3.0)) for i in range(3)
    ]
    first, second = (decode(tiny, *rows(tiny, order), members=3) for order in (members, [*members[1:], members[0]]))

    assert answers(first) == answers(second)


def test_the_vote_keeps_what_half_of_the_members_found():
    a, b, overlap = Span(0, 1, "person"), Span(2, 4, "song"), Span(0, 2, "song")
    answers = [
        [Prediction(a, 1.0), Prediction(b, 0.5)],
        [Prediction(a, 0.8)],
        [Prediction(overlap, 1.0)],
        [Prediction(overlap, 0.9)],
    ]

    assert vote(answers) == [Prediction(overlap, pytest.approx(1.9 / 4))]  # as many votes as `a`, and more certain
    assert vote([[Prediction(b, 0.5)], [Prediction(a, 1.0)]]) == [Prediction(a, 0.5), Prediction(b, 0.25)]
    assert vote([[], []]) == []
