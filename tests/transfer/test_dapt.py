"""Domain-adaptive pre-training, of prefixes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from cpner.backbone.load import digest
from cpner.backbone.prefix import common_start, fingerprint
from cpner.corpus import Corpus
from cpner.errors import ConfigError, TrainingError
from cpner.ner import CPNER
from cpner.training import TrainingConfig
from cpner.transfer import DaptConfig, dapt_prefix
from tests.support import SENTENCES, SMALL, TYPES

LINES = [sentence.text for sentence in SENTENCES]
QUICK = DaptConfig(steps=30, lines=4, lr=0.02)


def test_a_prefix_learns_and_the_backbone_stays(tiny):
    before = digest(tiny.t5)
    seen = []

    result = dapt_prefix(tiny, LINES, QUICK, prefix=SMALL, progress=seen.append)

    assert result.curve[-1]["loss"] < result.curve[0]["loss"]
    assert fingerprint(result.prefix) != fingerprint(common_start(tiny.t5.shape, SMALL))
    assert digest(tiny.t5) == before and not any(p.requires_grad for p in tiny.t5.parameters())
    assert (result.steps, seen[-1].done, seen[-1].total) == (30, 30, 30)


def test_the_seed_alone_decides(tiny):
    prints = [
        fingerprint(dapt_prefix(tiny, LINES, DaptConfig(steps=3, lines=2, seed=seed), prefix=SMALL).prefix)
        for seed in (0, 0, 1)
    ]

    assert prints[0] == prints[1] != prints[2]


def test_a_domain_begins_at_its_text_and_goes_on_with_labels(tiny, tmp_path: Path):
    ner = CPNER(tiny, tmp_path)
    corpus = Corpus("c", {"train": SENTENCES}, types=TYPES)

    ner.dapt("c", LINES, TYPES, QUICK, prefix=SMALL)
    start = ner.prefix("c")
    assert (ner.card("c").strategy, ner.card("c").types) == ("dapt", TYPES)
    still = ner.transfer("c", [], corpus, TrainingConfig(epochs=1, min_steps=0, lr=1e-30), strategy="none")

    for name, part in start.parts.items():
        torch.testing.assert_close(still.prefix.parts[name], part.float())
    ner.add("other", common_start(tiny.t5.shape, SMALL), ["song"], config=SMALL)
    ner.transfer("c", ["other"], corpus, TrainingConfig(epochs=1, min_steps=0))
    assert ner.card("c").start_fingerprint == ner.card("other").start_fingerprint


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda tiny: dapt_prefix(tiny, ["", "a"], QUICK), TrainingError, "no line of at least"),
        (lambda tiny: DaptConfig(steps=0), ConfigError, "DAPT setting steps is 0; expected at least 1"),
        (lambda tiny: DaptConfig(lr=-1.0), ConfigError, "lr is -1.0; expected at least 0"),
        (lambda tiny: DaptConfig(seed=-1), ConfigError, "seed is -1; expected at least 0"),
        (lambda tiny: CPNER(tiny).dapt("c", LINES, []), ConfigError, "at least one type"),
    ],
)
def test_mistakes_are_told(tiny, call, error, match):
    with pytest.raises(error, match=match):
        call(tiny)
