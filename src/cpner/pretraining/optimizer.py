"""AdamW whose steps are scaled by each parameter's own size."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from cpner.backbone.t5 import FusedLinear


class ScaledAdamW(torch.optim.Optimizer):
    """Adam with every step multiplied by the root mean square of the parameter it changes, as Adafactor does.

    T5 draws its parameters at very different scales (queries d_kv^-0.5 times smaller than keys, embeddings of size
    one); one learning rate for all of them stalls small models before they learn to copy. Projections that are fused
    into one parameter (`FusedLinear.parts`, queries with keys and values) are scaled each on its own.

    Args:
        model: its parameters that need a gradient are trained; its fused layers are looked up.
        lr: relative step size, near 1e-2.
        betas: decay of the mean and of the squared mean.
        eps: added to the root of the squared mean.
        floor: the least size that a parameter counts as having.
    """

    def __init__(
        self,
        model: nn.Module,
        lr: float = 1e-2,
        betas: tuple[float, float] = (0.9, 0.98),
        eps: float = 1e-8,
        floor: float = 1e-3,
    ) -> None:
        parts = {id(m.weight): m.parts for m in model.modules() if isinstance(m, FusedLinear)}
        groups: list[dict[str, Any]] = []
        for count in sorted({parts.get(id(p), 1) for p in model.parameters()}):
            own = [p for p in model.parameters() if parts.get(id(p), 1) == count and p.requires_grad]
            groups.append({"params": own, "parts": count})
        super().__init__(groups, {"lr": lr, "betas": betas, "eps": eps, "floor": floor})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step on every parameter that has a gradient."""
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            if not parameters:
                continue
            for p in parameters:
                if not self.state[p]:
                    self.state[p] = {"step": 0, "mean": torch.zeros_like(p), "square": torch.zeros_like(p)}
                self.state[p]["step"] += 1
            self._update(group, parameters)

    def _update(self, group: dict[str, Any], parameters: list[Tensor]) -> None:
        (fast, slow), step = group["betas"], self.state[parameters[0]]["step"]
        gradients: list[Tensor] = [p.grad for p in parameters if p.grad is not None]
        means = [self.state[p]["mean"] for p in parameters]
        squares = [self.state[p]["square"] for p in parameters]
        torch._foreach_lerp_(means, gradients, 1 - fast)
        torch._foreach_mul_(squares, slow)
        torch._foreach_addcmul_(squares, gradients, gradients, 1 - slow)
        roots = torch._foreach_sqrt(squares)
        torch._foreach_div_(roots, math.sqrt(1 - slow**step))
        torch._foreach_add_(roots, group["eps"])
        updates = torch._foreach_div(means, roots)
        for p, update in zip(parameters, updates, strict=True):
            rows = (group["parts"], -1)
            size = p.detach().reshape(rows).square().mean(1, keepdim=True).sqrt().clamp(min=group["floor"])
            update.view(rows).mul_(size * (-group["lr"] / (1 - fast**step)))
        torch._foreach_add_(parameters, updates)
