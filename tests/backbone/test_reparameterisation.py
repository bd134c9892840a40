from __future__ import annotations

import pytest
import torch

from cpner.backbone.prefix import common_start
from cpner.backbone.reparameterisation import Reparameterisation
from cpner.backbone.shape import ATTENTIONS, PrefixConfig
from cpner.errors import PrefixMismatchError
from tests.support import random_prefix, same_prefix


@pytest.mark.parametrize("kind", ["mlp", "direct"])
@pytest.mark.parametrize("given", [False, True])
def test_reparameterisation_begins_exactly_at_its_start(tiny, kind, given):
    shape, config = tiny.t5.shape, PrefixConfig(4, ATTENTIONS, kind, hidden=8)
    start = random_prefix(shape, 4, seed=9) if given else common_start(shape, config)
    network = Reparameterisation(shape, config, start if given else None)

    assert same_prefix(network(), start)
    assert same_prefix(network.bake(), start)


@pytest.mark.parametrize("kind", ["mlp", "direct"])
def test_reparameterisation_learns_and_bakes_what_it_yields(tiny, batch, kind):
    t5, config = tiny.t5, PrefixConfig(4, ATTENTIONS, kind, hidden=8)
    network = Reparameterisation(t5.shape, config)
    before, weights = network.bake(), {name: weight.clone() for name, weight in t5.state_dict().items()}
    optimizer = torch.optim.Adam(network.parameters(), lr=0.1)
    for _ in range(2):  # the network's last layer is zero at first, so that P moves from the second step on
        optimizer.zero_grad()
        encoded = t5.encode(batch[0], batch[1], network().expand(3))
        t5.decode(batch[2], encoded, batch[1], network().expand(3)).square().sum().backward()
        optimizer.step()

    after = network.bake()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in network.parameters())
    assert all(not torch.equal(before.parts[name], after.parts[name]) for name in ATTENTIONS)
    assert same_prefix(after, network()) and not any(part.requires_grad for part in after.parts.values())
    assert all(torch.equal(weight, weights[name]) for name, weight in t5.state_dict().items())  # Eq. 4: frozen


def test_reparameterisation_is_the_same_for_the_same_seed(tiny):
    states = []
    for noise in (1, 2):
        torch.manual_seed(noise)
        states.append(Reparameterisation(tiny.t5.shape, PrefixConfig.paper()).state_dict())

    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(tensor, states[1][name]) for name, tensor in states[0].items())


def test_reparameterisation_refuses_a_start_of_another_shape(tiny):
    shape = tiny.t5.shape

    with pytest.raises(PrefixMismatchError, match=r"the encoder prefix to start from has shape \(2, 2, 3, 5, 8\)"):
        Reparameterisation(shape, PrefixConfig(4, ATTENTIONS), random_prefix(shape, 5))
    with pytest.raises(PrefixMismatchError, match="the encoder prefix to start from has shape None"):
        Reparameterisation(shape, PrefixConfig(4, ATTENTIONS), random_prefix(shape, 4, ("cross",)))
