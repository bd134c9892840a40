from __future__ import annotations

import pytest
import torch

from cpner.backbone.bank import PrefixBank
from cpner.backbone.load import Backbone
from cpner.backbone.prefix import common_start
from cpner.backbone.shape import ATTENTIONS, PrefixConfig
from cpner.backbone.t5 import T5


@pytest.fixture(scope="module")
def backbone(tiny) -> Backbone:
    """The tiny backbone with larger weights, so that what it chooses depends on what it reads.

    It is held in float64, so that two ways to compute the same must agree closely.
    """
    t5 = T5(tiny.t5.shape).double()
    generator = torch.Generator().manual_seed(4)
    state = {
        name: weight * 2 + torch.randn(weight.shape, generator=generator) * 0.2
        for name, weight in tiny.t5.state_dict().items()
    }
    t5.load_state_dict(state)
    return tiny.with_model(t5)


@pytest.fixture(scope="module")
def bank(backbone) -> PrefixBank:
    prefixes = {
        name: common_start(backbone.t5.shape, PrefixConfig(length, ATTENTIONS, start_seed=length, start_scale=1.0))
        for name, length in [("short", 2), ("middle", 5), ("long", 9)]
    }
    return PrefixBank(prefixes, device="cpu", dtype=torch.float64)
