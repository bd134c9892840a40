"""Frozen weights in a layout for products with few rows, as decoding has them.

A decode pass multiplies each weight with one to a hundred rows, and the plain kernels spend it on reading weights at a
fraction of the memory's bandwidth. On CPUs, oneDNN reads weights two to four times as fast once they lie in its own
blocks. Elsewhere the plain product is taken.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cpner.backbone.precision import onednn_takes

_ROWS = 32  # rows that the layout is made for; it serves any number


class Packed:
    """Applies linear layers, each packed when it is first used and again when its weight has changed."""

    def __init__(self) -> None:
        self._layers: WeakKeyDictionary[nn.Linear, tuple[tuple[int, int], Tensor]] = WeakKeyDictionary()

    def __call__(self, layer: nn.Linear, x: Tensor) -> Tensor:
        """x [..., in] times the layer's weight, [..., out]; for layers without bias, in inference mode."""
        weight = layer.weight
        if x.dtype != weight.dtype or x.device.type != "cpu" or not onednn_takes(x.dtype):
            return F.linear(x, weight)
        version = (weight.data_ptr(), 0 if weight.is_inference() else weight._version)
        known = self._layers.get(layer)
        if known is None or known[0] != version:
            known = (version, torch.ops.mkldnn._reorder_linear_weight(weight.detach(), _ROWS))
            self._layers[layer] = known
        product: Tensor = torch.ops.mkldnn._linear_pointwise(x, known[1], None, "none", [], "")
        return product
