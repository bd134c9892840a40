"""ScaledAdamW: steps in proportion to each parameter's size."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from cpner.backbone.linear import FusedLinear
from cpner.pretraining.optimizer import ScaledAdamW


def step(layer: nn.Linear, gradient: torch.Tensor, lr: float = 0.1) -> torch.Tensor:
    """How one step with a given gradient changes the weight."""
    before = layer.weight.detach().clone()
    layer.weight.grad = gradient.clone()
    ScaledAdamW(layer, lr=lr).step()
    return layer.weight.detach() - before


def test_steps_are_as_computed_by_hand() -> None:
    layer = nn.Linear(2, 1, bias=False)
    layer.weight.data = torch.tensor([[3.0, -4.0]])
    optimizer = ScaledAdamW(layer, lr=0.1, betas=(0.5, 0.75))
    gradients = [[2.0, -1.0], [0.0, 3.0]]

    expected, mean, square = [3.0, -4.0], [0.0, 0.0], [0.0, 0.0]
    for t, gradient in enumerate(gradients, 1):
        size = math.sqrt(sum(w * w for w in expected) / 2)
        mean = [0.5 * m + 0.5 * g for m, g in zip(mean, gradient, strict=True)]
        square = [0.75 * s + 0.25 * g * g for s, g in zip(square, gradient, strict=True)]
        for i in range(2):
            direction = mean[i] / (1 - 0.5**t) / (math.sqrt(square[i] / (1 - 0.75**t)) + 1e-8)
            expected[i] -= 0.1 * size * direction
        layer.weight.grad = torch.tensor([gradient])
        optimizer.step()

    assert layer.weight[0].tolist() == pytest.approx(expected, rel=1e-5)


def test_fused_parts_are_scaled_separately() -> None:
    torch.manual_seed(0)
    fused, parts = FusedLinear(5, 4, 3), [nn.Linear(5, 4, bias=False) for _ in range(3)]
    for i, part in enumerate(parts):
        part.weight.data *= 100.0**i
    fused.weight.data = torch.cat([part.weight.data for part in parts])
    gradient = torch.randn(12, 5)

    together = step(fused, gradient)

    apart = torch.cat([step(part, rows) for part, rows in zip(parts, gradient.chunk(3), strict=True)])
    torch.testing.assert_close(together, apart)


def test_rescaling_a_part_rescales_its_step_alone() -> None:
    torch.manual_seed(0)
    layer, other, gradient = FusedLinear(5, 4, 2), FusedLinear(5, 4, 2), torch.randn(8, 5)
    factor = torch.ones(8, 1)
    factor[4:] = 50.0
    other.weight.data = layer.weight.data * factor

    plain, scaled = step(layer, gradient), step(other, gradient / factor)  # the gradient of the same function

    torch.testing.assert_close(scaled, plain * factor, rtol=1e-4, atol=0)


def test_parameters_without_a_gradient_stay() -> None:
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    before = model[1].weight.detach().clone()
    model[0].weight.grad = torch.ones(2, 2)

    ScaledAdamW(model).step()

    assert torch.equal(model[1].weight, before)


def test_a_parameter_of_zeros_moves() -> None:
    layer = nn.Linear(2, 1, bias=False)
    layer.weight.data.zero_()

    assert step(layer, torch.ones(1, 2)).tolist()[0] == pytest.approx([-1e-4, -1e-4])  # lr times the floor
