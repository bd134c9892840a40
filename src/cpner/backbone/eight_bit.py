"""A T5 whose products are of 8-bit integers, for predicting on processors without bfloat16.

States are rounded to 256 steps of a fixed range (`ranges`), the weights of each output to 127. FBGEMM, which comes with
torch, multiplies them and adds up in 32 bits. More steps for the weights could overflow its sums of two products, which
have 16 bits on processors without VNNI.

Attention stays in float32, on *grids*: queries, keys, values and shares are multiples of powers of two, few enough that
all their products and sums are exact. So no sum depends on its order, and a sentence has the same entities and scores
to the bit, alone or in any batch. Prefixes lie on the same grids. The exception are prefixes of different lengths in
one batch, where the sums of a softmax are those of float32.
"""

from __future__ import annotations

import math
import warnings

import torch
from torch import Tensor, nn

from cpner.backbone.attention import RelativeBias
from cpner.backbone.linear import Linear
from cpner.backbone.prefix import Prefix
from cpner.backbone.ranges import Range, Ranges
from cpner.backbone.t5 import T5, Norm
from cpner.errors import ConfigError

_STATES = 255  # steps of a layer's input
_WEIGHTS = 63  # steps of a weight to each side of zero
_BITS = 9  # of queries, keys and values, beside the sign
_ROUNDER = 1.5 * 2**23  # added to a float32 and taken off again, it rounds to a whole number
_SHARES = _ROUNDER * 2**-14  # likewise, for the shares of an attention
_LEAST = 1e-6  # peak that has a grid of its own
_ATTENDED = (".qkv", ".q", ".kv")  # layers whose outputs are multiplied with each other
_ENGINE = "fbgemm"
_LOGITS = 1 << 24  # of attention that are laid out at once


class EightBitLinear(nn.Module):
    """A frozen linear layer without bias, in 8 bits.

    Args:
        weight: [out, width].
        range: of its inputs and outputs; an input beyond it is taken for its end.
        parts: the projections that it joins.
        on_grids: whether each of them is rounded to a grid.
    """

    def __init__(self, weight: Tensor, range: Range, *, parts: int, on_grids: bool) -> None:
        super().__init__()
        low = min(range.low, 0.0)
        high = max(range.high, 0.0)
        self.scale = max(high - low, _LEAST) / _STATES
        self.zero = round(-low / self.scale)
        self.parts = parts
        self.layout = _pack(weight)
        self.rounder: Tensor | None = None  # [out]
        if on_grids:
            rounders = torch.tensor([_rounder(peak) for peak in range.peaks])
            self.rounder = rounders.repeat_interleave(len(weight) // parts)

    def forward(self, x: Tensor) -> Tensor:
        """x [..., width] times the weight, [..., out]."""
        product = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32(
            x, self.scale, self.zero, self.layout
        )
        out: Tensor = product if self.rounder is None else product.add_(self.rounder).sub_(self.rounder)
        return out


class EightBitT5(T5):
    """A T5 in 8 bits, made from one in float32, with which it shares embedding, norms and relative biases.

    Raises:
        ConfigError: this build of torch has no FBGEMM.
    """

    in_floats = False

    def __init__(self, t5: T5, ranges: Ranges) -> None:
        if not multiplies_in_eight_bits():
            raise ConfigError("torch has no 8-bit products for this processor; use the precision float32")
        with torch.device("meta"):
            super().__init__(t5.shape)
        for name, module in t5.named_modules():
            if isinstance(module, Linear):
                weight = _shifted(name, module, ranges)
                linear = EightBitLinear(weight, ranges[name], parts=module.parts, on_grids=name.endswith(_ATTENDED))
                self.set_submodule(name, linear)
            elif isinstance(module, Norm | RelativeBias | nn.Embedding | nn.Linear):
                self.set_submodule(name, module)
        for layer in self.encoder.layers:
            layer.self_attention.attend = attend_on_grids
        for layer in self.decoder.layers:
            layer.self_attention.attend = attend_moved
            layer.cross_attention.attend = attend_on_grids
        self.rounders = {  # [L, 2, 1, 1, 1] of the keys and values of each kind of attention
            "encoder": _rounders(ranges, "encoder", "self_attention.qkv", t5.shape.encoder_layers),
            "decoder": _rounders(ranges, "decoder", "self_attention.qkv", t5.shape.decoder_layers),
            "cross": _rounders(ranges, "decoder", "cross_attention.kv", t5.shape.decoder_layers),
        }

    def fit(self, prefix: Prefix) -> Prefix:
        """The prefix on the grids of the keys and values that it comes before."""
        parts = {name: part.float() + self.rounders[name] - self.rounders[name] for name, part in prefix.parts.items()}
        return prefix._replace(**parts)

    def logits(self, hidden: Tensor, rows: Tensor) -> Tensor:
        """Summed in float64, so that they are the same in float32 whatever the order."""
        return (hidden.double() @ rows.double().transpose(-1, -2)).float()


def attend_on_grids(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
    """softmax(q kᵀ + bias) v without a sum that depends on its order; arguments as in `attend`, on their grids.

    Columns that are masked may only stand behind all others: a softmax adds up eight or sixteen columns at a time.
    """
    return _attend(q, k, v, bias, torch.float32)


def attend_moved(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
    """The same where columns that are masked stand between others, as those that a decoder has taken back."""
    return _attend(q, k, v, bias, torch.float64)


def _attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor, dtype: torch.dtype) -> Tensor:
    rows = max(1, _LOGITS // (q[0, ..., 0].numel() * k.shape[2]))
    if len(q) > rows:
        bias = bias.expand(len(q), -1, -1, -1)
        parts = [slice(first, first + rows) for first in range(0, len(q), rows)]
        return torch.cat([_attend(q[part], k[part], v[part], bias[part], dtype) for part in parts])
    logits = (q @ k.transpose(-1, -2)).add_(bias)
    shares = logits.to(dtype).softmax(dim=-1).float()
    return shares.add_(_SHARES).sub_(_SHARES) @ v


def multiplies_in_eight_bits() -> bool:
    """Whether this build of torch has FBGEMM, which there is for x86 alone."""
    return _ENGINE in torch.backends.quantized.supported_engines


def _shifted(name: str, layer: Linear, ranges: Ranges) -> Tensor:
    """A layer's weight [out, width]; of a feed-forward layer, made for units that were divided by powers of two."""
    weight = layer.weight.detach().float()
    if not name.endswith(("ff.wi", "ff.wo")) or not (shifts := ranges[name[:-2] + "wo"].shifts):
        return weight
    factors = torch.tensor(shifts, dtype=torch.float32, device=weight.device).exp2()
    if name.endswith("wo"):
        return weight * factors
    gates = weight[: len(weight) - len(factors)]  # before the values, if there are any
    return torch.cat([gates, weight[len(gates) :] / factors[:, None]])


def _pack(weight: Tensor) -> torch.ScriptObject:
    """A weight [out, width] rounded row by row, in FBGEMM's layout."""
    steps = (weight.abs().amax(dim=1) / _WEIGHTS).clamp(min=torch.finfo(torch.float32).tiny).double()
    zeros = torch.zeros(len(weight), dtype=torch.long)
    before = torch.backends.quantized.engine
    torch.backends.quantized.engine = _ENGINE
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch means to move quantized tensors to a package of their own
            rounded = torch.quantize_per_channel(weight, steps, zeros, 0, torch.qint8)
            layout: torch.ScriptObject = torch.ops.quantized.linear_prepack(rounded, None)
    finally:
        torch.backends.quantized.engine = before
    return layout


def _rounder(peak: float) -> float:
    """What rounds to the grid that has 2^9 steps up to a number of this size."""
    step = math.ldexp(1.0, math.ceil(math.log2(max(peak, _LEAST))) - _BITS)
    return _ROUNDER * step


def _rounders(ranges: Ranges, stack: str, projection: str, layers: int) -> Tensor:
    """[L, 2, 1, 1, 1] the rounders of each layer's keys and values."""
    peaks = [ranges[f"{stack}.layers.{i}.{projection}"].peaks[-2:] for i in range(layers)]
    return torch.tensor([[_rounder(peak) for peak in pair] for pair in peaks])[:, :, None, None, None]
