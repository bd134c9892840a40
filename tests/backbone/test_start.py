"""The start of prefixes draws little attention, and is the same every time."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from cpner.backbone.load import Backbone, load
from cpner.backbone.prefix import Prefix, common_start, fingerprint, start_fingerprint
from cpner.backbone.shape import ATTENTIONS, PrefixConfig
from cpner.backbone.start import quiet_start
from cpner.corpus import Corpus
from cpner.training import TrainingConfig
from cpner.training.examples import Examples
from cpner.training.loss import cross_entropy

QUIET = PrefixConfig(attentions=ATTENTIONS)
PLAIN = replace(QUIET, start_logit=0.0)


@pytest.fixture(scope="module")
def mini() -> Backbone:
    return load("cpner-mini", device="cpu", precision="float32")


@torch.no_grad()
def losses(backbone: Backbone, start: Prefix | None) -> Tensor:
    """Of batches of a sample domain that the start knows nothing of."""
    corpus = Corpus.read("sample:music")
    examples = Examples(backbone, corpus.train[:24], corpus.types, TrainingConfig(option_dropout=0.0))
    batches = [examples.batch(0, rows) for rows in examples.epoch(0)]
    expanded = [start and start.expand(len(batch.source)) for batch in batches]
    return torch.stack([cross_entropy(backbone.t5, *pair) for pair in zip(batches, expanded, strict=True)])


@pytest.mark.parametrize("attentions", [("encoder",), ("cross",)])
def test_a_backbone_with_the_start_does_nearly_as_well_as_without(mini, attentions):
    alone = losses(mini, None)
    quiet = losses(mini, quiet_start(mini, PrefixConfig(attentions=attentions)))

    assert quiet.mean() < 1.05 * alone.mean()


def test_only_keys_are_turned_and_all_positions_of_a_head_alike(mini):
    plain, quiet = common_start(mini.t5.shape, PLAIN), quiet_start(mini, QUIET)

    for name in ATTENTIONS:
        before, after = getattr(plain, name), getattr(quiet, name)
        torch.testing.assert_close(after[:, 1], before[:, 1])
        change = after[:, 0] - before[:, 0]
        torch.testing.assert_close(change, change[:, :, :1].expand_as(change), atol=1e-5, rtol=1e-5)
        asks = mini.mean_queries[name].norm(dim=-1) > 0  # a head that looks by place alone asks for nothing
        assert asks.float().mean() > 0.9
        torch.testing.assert_close(change[:, :, 0].norm(dim=-1) > 0, asks)


def test_a_start_without_a_logit_is_the_numbers_drawn(mini):
    assert fingerprint(quiet_start(mini, PLAIN)) == fingerprint(common_start(mini.t5.shape, PLAIN))


def test_it_is_the_same_every_time(mini):
    first = fingerprint(quiet_start(mini, QUIET))

    assert fingerprint(quiet_start(load("cpner-mini", device="cpu", precision="float32"), QUIET)) == first


def test_starts_are_told_apart(mini):
    names = {
        start_fingerprint(mini.t5.shape, replace(QUIET, **change))
        for change in ({}, {"start_logit": 0.0}, {"start_logit": -3.0}, {"start_seed": 1})
    }

    assert len(names) == 4


def test_attentions_that_carry_no_prefix_have_no_start(mini):
    start = quiet_start(mini, PrefixConfig(attentions=("cross",)))

    assert start.encoder is None and start.decoder is None and start.cross is not None
