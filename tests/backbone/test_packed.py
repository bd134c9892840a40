"""Packed weights give the plain product, and follow the weight when it changes."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from cpner.backbone.packed import Packed


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("shape", [(1, 1, 48), (3, 2, 48), (100, 48), (0, 2, 48)])
def test_packed_product_is_the_plain_one(dtype, shape):
    layer = nn.Linear(48, 80, bias=False, dtype=dtype)
    x = torch.randn(shape, dtype=dtype)
    packed = Packed()
    with torch.inference_mode():
        for _ in range(2):
            got = packed(layer, x)
            assert got.shape == (*shape[:-1], 80)
            assert torch.allclose(got.float(), F.linear(x.float(), layer.weight.float()), atol=0.02)


@pytest.mark.parametrize("change", ["in place", "another tensor"])
def test_a_changed_weight_is_packed_again(change):
    layer, x, packed = nn.Linear(32, 32, bias=False, dtype=torch.bfloat16), torch.randn(2, 32).bfloat16(), Packed()
    with torch.inference_mode():
        before = packed(layer, x)
    with torch.no_grad():
        if change == "in place":
            layer.weight.mul_(2)
        else:
            layer.weight = nn.Parameter(layer.weight * 2)
    with torch.inference_mode():
        assert torch.allclose(packed(layer, x), before * 2)
