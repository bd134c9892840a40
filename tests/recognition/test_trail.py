from __future__ import annotations

import math

import pytest

from cpner.instructor.grammar import LIST, MENTION, TYPE
from cpner.recognition.decode import decode
from cpner.recognition.trail import Trail
from tests.recognition.support import DOMAINS, sources_of

TWO = 0b11  # candidates that may follow
ONE = 0b10


def test_log_probabilities_are_kept_by_what_was_chosen():
    trail = Trail(mention=-5.0)  # of an entity before
    pieces = [(LIST, TWO, -0.1), (TYPE, TWO, -0.2), (TYPE, ONE, 0.0), (MENTION, TWO, -0.7), (MENTION, TWO, -0.3)]
    for mode, allowed, log in pieces:
        trail = trail.longer(mode, allowed, log)
    evidence = trail.evidence()

    assert evidence[1:6] == pytest.approx((-0.1, -0.2, -1.0, -0.7, 4))
    assert evidence.raw == pytest.approx(math.exp(-1.3))


def test_raw_scores_are_those_of_the_trail(backbone, bank):
    answers = decode(backbone, sources_of(backbone), bank.rows(DOMAINS))

    assert any(answers)
    for answer in answers:
        assert answer.end <= 0
        for one in answer:
            assert (
                one.score
                == one.raw
                == pytest.approx(math.exp(one.evidence.open + one.evidence.type + one.evidence.mention))
            )
