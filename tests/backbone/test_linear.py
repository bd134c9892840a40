"""Packed weights give the plain product and its gradient, and follow the weight when it changes."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cpner.backbone.hardware import onednn_takes
from cpner.backbone.linear import Linear


def frozen(width: int, out: int, dtype: torch.dtype = torch.float32) -> Linear:
    layer = Linear(width, out).to(dtype)
    layer.requires_grad_(False)
    return layer


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("shape", [(1, 1, 48), (3, 2, 48), (100, 48), (0, 2, 48)])
def test_packed_product_is_the_plain_one(dtype, shape):
    layer, x = frozen(48, 80, dtype), torch.randn(shape, dtype=dtype)
    with torch.inference_mode():
        for _ in range(2):
            got = layer(x)
            assert got.shape == (*shape[:-1], 80)
            assert torch.allclose(got.float(), F.linear(x.float(), layer.weight.float()), atol=0.02)


@pytest.mark.parametrize("shape", [(3, 5, 48), (7, 48)])
def test_the_gradient_of_the_input_is_the_plain_one(shape):
    layer, x, weights = frozen(48, 80), torch.randn(shape), torch.randn(*shape[:-1], 80)

    def gradient(product: Tensor) -> Tensor:
        return torch.autograd.grad((product.square() * weights).sum(), x)[0]

    x.requires_grad_(True)
    assert torch.allclose(gradient(layer(x)), gradient(F.linear(x, layer.weight)), atol=1e-4)


@pytest.mark.skipif(not onednn_takes(torch.float32), reason="this processor takes the plain product")
def test_a_frozen_weight_is_packed_once_for_each_direction():
    layer = frozen(48, 80)
    x = torch.randn(3, 48, requires_grad=True)
    first = layer(x)
    gradient = torch.autograd.grad(first.sum(), x)[0]

    layer.weight.data *= 2  # torch does not notice: what was packed goes on

    again = layer(x)
    assert torch.equal(again, first)
    assert torch.equal(torch.autograd.grad(again.sum(), x)[0], gradient)


def test_a_weight_that_learns_has_its_gradient():
    layer, x = Linear(48, 80), torch.randn(3, 48)
    before = layer(x)
    before.sum().backward()

    assert torch.allclose(layer.weight.grad, x.sum(0).expand(80, 48), atol=1e-5)
    layer.weight.data *= 2
    assert torch.allclose(layer(x), before * 2, atol=1e-5)  # nothing was packed


def test_a_weight_at_the_address_of_an_earlier_one_is_packed():
    layer, x = frozen(32, 32), torch.randn(2, 32)
    for _ in range(20):
        layer.weight = None  # freed, before the next one is made
        layer.weight = nn.Parameter(torch.randn(32, 32), requires_grad=False)
        assert torch.allclose(layer(x), F.linear(x, layer.weight), atol=1e-5)


@pytest.mark.parametrize("change", ["in place", "another tensor", "data"])
def test_a_changed_weight_is_packed_again(change):
    layer, x = frozen(32, 32, torch.bfloat16), torch.randn(2, 32).bfloat16()
    with torch.inference_mode():
        before = layer(x)
    with torch.no_grad():
        if change == "in place":
            layer.weight.mul_(2)
        elif change == "data":
            layer.weight.data *= 2
            layer.forget()
        else:
            layer.weight = nn.Parameter(layer.weight * 2)
    with torch.inference_mode():
        assert torch.allclose(layer(x), before * 2)


def test_a_layer_changes_its_dtype():
    layer, x = frozen(32, 16), torch.randn(2, 32)
    before = layer(x)
    for dtype in (torch.bfloat16, torch.float32, torch.bfloat16):
        after = layer.to(dtype)(x.to(dtype))
        assert after.dtype == dtype
        assert torch.allclose(after.float(), before, atol=0.05)


def test_a_copy_packs_its_own():
    layer, x = frozen(32, 16), torch.randn(2, 32)
    before = layer(x)
    other = copy.deepcopy(layer)
    with torch.no_grad():
        other.weight.mul_(2)
    assert torch.allclose(other(x), before * 2)
    assert torch.equal(layer(x), before)
