"""Linear layers whose frozen weights lie in the layout that a processor multiplies fastest.

On CPUs, oneDNN keeps weights in blocks of its own. A decode pass multiplies each weight with one to a hundred rows, and
reads them two to four times as fast so. Products with many rows, in the encoder and in training, gain a tenth in
bfloat16 and up to a third in float32. Elsewhere, and where the weights themselves learn, the plain product is taken.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from cpner.backbone.hardware import onednn_takes

_ROWS = 32  # rows that the layout is made for; it serves any number


class _Packed(NamedTuple):
    weight: Tensor  # what was packed: while it is kept, no other weight takes its address
    version: int  # that it had then
    layout: Tensor


class Linear(nn.Linear):
    """A linear layer without bias; its weight is packed when it is first used frozen, and again when it has changed."""

    parts = 1  # projections that are joined

    def __init__(self, width: int, out: int) -> None:
        super().__init__(width, out, bias=False)
        self._packed: dict[bool, _Packed] = {}

    def forward(self, x: Tensor) -> Tensor:
        """x [..., width] times the weight, [..., out]."""
        gradients = torch.is_grad_enabled()
        if (gradients and self.weight.requires_grad) or not self._packs(x):
            return F.linear(x, self.weight)
        if gradients and x.requires_grad:
            product: Tensor = _FrozenProduct.apply(x, self)  # type: ignore[no-untyped-call]
            return product
        return self.multiply(x)

    def multiply(self, x: Tensor, *, transposed: bool = False) -> Tensor:
        """x [..., width] times the packed weight; transposed, a gradient [..., out] gives that of the input."""
        weight = self.weight.detach()
        version = 0 if weight.is_inference() else weight._version
        known = self._packed.get(transposed)
        if known is None or known.version != version or known.weight.data_ptr() != weight.data_ptr():
            rows = weight.t().contiguous() if transposed else weight
            known = _Packed(weight, version, torch.ops.mkldnn._reorder_linear_weight(rows, _ROWS))
            self._packed[transposed] = known
        product: Tensor = torch.ops.mkldnn._linear_pointwise(x, known.layout, None, "none", [], "")
        return product

    def _packs(self, x: Tensor) -> bool:
        if x.device.type != "cpu" or torch.is_autocast_enabled("cpu") or torch.compiler.is_compiling():
            return False
        return x.dtype == self.weight.dtype and onednn_takes(x.dtype)

    def forget(self) -> None:
        """Pack again: for a weight that was changed through its `data`, which torch does not notice."""
        self._packed.clear()

    def _apply(self, *arguments: Any, **settings: Any) -> Self:
        self.forget()  # another dtype or device
        layer: Self = super()._apply(*arguments, **settings)  # type: ignore[no-untyped-call]
        return layer

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_packed": {}}  # copies pack their own: the layout has no storage to copy


class FusedLinear(Linear):
    """Several projections of the same input as one matrix product; `parts` names their number."""

    def __init__(self, width: int, out: int, parts: int) -> None:
        super().__init__(width, out * parts)
        self.parts = parts


class _FrozenProduct(torch.autograd.Function):
    """The product with a packed weight, whose gradient is a product with the packed transpose."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: Linear) -> Tensor:
        ctx.layer = layer
        return layer.multiply(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return ctx.layer.multiply(gradients[0], transposed=True), None
