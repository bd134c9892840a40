"""What yields a prefix in training: the matrix P and its network (section 3.3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cpner.backbone.prefix import Prefix, common_start
from cpner.backbone.shape import PrefixConfig, T5Shape, part_shape
from cpner.errors import PrefixMismatchError


class Reparameterisation(nn.Module):
    """The trained side of a prefix: the matrix P, and the network that yields δ from it if there is one (section 3.3).

    For each kind of attention a "direct" prefix is `start + P`, where P is [L, 2, H, K, D] and zero at first. With
    "mlp" the prefix is `start + network(P)`. There P is [K, d], and a two-layer tanh network maps it to
    [L, 2, H, K, D], as in Li and Liang.

    Reading: the network's last layer is zero at first. Every warm-up on a backbone thus begins at exactly the same
    prefix, which Eq. 9-10 need for an average to mean something. Training may also begin at any given prefix
    (`start`), which collaboration on prefixes uses.

    Args:
        shape: the backbone's.
        config: the prefix's.
        start: where to begin, each part [L, 2, H, K, D]; None for `common_start`.
    """

    def __init__(self, shape: T5Shape, config: PrefixConfig, start: Prefix | None = None) -> None:
        super().__init__()
        self.config = config
        start = start or common_start(shape, config)
        generator = torch.Generator().manual_seed(config.start_seed)
        for name in config.attentions:
            base = getattr(start, name)
            if base is None or base.shape != part_shape(shape, config, name):
                got = None if base is None else tuple(base.shape)
                raise PrefixMismatchError(
                    f"the {name} prefix to start from has shape {got}, this backbone and configuration need "
                    f"{part_shape(shape, config, name)}"
                )
            self.register_buffer(f"{name}_start", base.detach().float().clone())
            if config.reparameterisation == "direct":
                self.register_parameter(f"{name}_matrix", nn.Parameter(torch.zeros(base.shape)))
                continue
            matrix = torch.randn(config.length, shape.d_model, generator=generator)
            hidden = nn.Linear(shape.d_model, config.hidden)
            hidden.weight.data.normal_(0, shape.d_model**-0.5, generator=generator)
            hidden.bias.data.zero_()
            out = nn.Linear(config.hidden, base.numel() // config.length)
            nn.init.zeros_(out.weight)
            nn.init.zeros_(out.bias)
            self.register_parameter(f"{name}_matrix", nn.Parameter(matrix))
            self.add_module(f"{name}_network", nn.Sequential(hidden, nn.Tanh(), out))

    @property
    def start(self) -> Prefix:
        """The prefix without what P and its network add to it, each part [L, 2, H, K, D]."""
        return Prefix(**{name: self.get_buffer(f"{name}_start") for name in self.config.attentions})

    @property
    def lr(self) -> float:
        """A step size of AdamW that suits: keys and values themselves bear larger steps than a network's weights."""
        return 0.2 if self.config.reparameterisation == "direct" else 3e-3

    def forward(self) -> Prefix:
        """The prefix, each part [L, 2, H, K, D], in float32, with gradient."""
        return Prefix(**{name: self._part(name) for name in self.config.attentions})

    def _part(self, name: str) -> Tensor:
        start = self.get_buffer(f"{name}_start")
        matrix = self.get_parameter(f"{name}_matrix")
        if self.config.reparameterisation == "direct":
            return start + matrix
        layers, _, heads, length, d_kv = start.shape
        change: Tensor = self.get_submodule(f"{name}_network")(matrix)  # [K, L*2*H*D]
        return start + change.view(length, layers, 2, heads, d_kv).permute(1, 2, 3, 0, 4)

    @torch.no_grad()
    def bake(self) -> Prefix:
        """The prefix as plain tensors: all that prediction needs."""
        return self.forward().detached()
