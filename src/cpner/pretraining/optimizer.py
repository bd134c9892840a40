"""AdamW whose steps are scaled by each parameter's own size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

from cpner.backbone.linear import FusedLinear


class ScaledAdamW(torch.optim.Optimizer):
    """Adam with every step multiplied by the root mean square of the parameter it changes, as Adafactor does.

    T5 draws its parameters at very different scales: queries d_kv^-0.5 times smaller than keys, embeddings of size
    one. One learning rate for all of them stalls small models before they learn to copy. Projections that are fused
    into one parameter (`FusedLinear.parts`, queries with keys and values) are scaled each on its own.

    Args:
        model: its parameters that need a gradient are trained; its fused layers are looked up.
        lr: relative step size, near 1e-2.
        betas: decay of the mean and of the squared mean.
        eps: added to the root of the squared mean.
        floor: the least size that a parameter counts as having.
        slow: how the names of parameters begin that learn at `rate` times the learning rate.
        rate: of those.
    """

    def __init__(
        self,
        model: nn.Module,
        lr: float = 1e-2,
        betas: tuple[float, float] = (0.9, 0.98),
        eps: float = 1e-8,
        floor: float = 1e-3,
        slow: tuple[str, ...] = (),
        rate: float = 1.0,
    ) -> None:
        parts = {id(m.weight): m.parts for m in model.modules() if isinstance(m, FusedLinear)}
        kinds: dict[tuple[int, float], list[nn.Parameter]] = {}
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                kind = parts.get(id(parameter), 1), rate if name.startswith(slow) else 1.0
                kinds.setdefault(kind, []).append(parameter)
        groups = [{"params": kinds[kind], "parts": kind[0], "rate": kind[1]} for kind in sorted(kinds)]
        super().__init__(groups, {"lr": lr, "betas": betas, "eps": eps, "floor": floor})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step on every parameter that has a gradient."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state |= {"step": torch.zeros((), device=p.device), "mean": torch.zeros_like(p)}
                    state["square"] = torch.zeros_like(p)
                state["step"] += 1
                for part in zip(
                    *(t.chunk(group["parts"]) for t in (p, p.grad, state["mean"], state["square"])), strict=True
                ):
                    self._update(group, state["step"], *part)

    def _update(
        self, group: dict[str, Any], step: Tensor, p: Tensor, gradient: Tensor, mean: Tensor, square: Tensor
    ) -> None:
        """Torch's fused AdamW, one pass over memory, with a step size of this part's own."""
        size = torch.linalg.vector_norm(p).div_(p.numel() ** 0.5).clamp_(min=group["floor"])
        fast, slow = group["betas"]
        adamw(
            [p], [gradient], [mean], [square], [], [step - 1], fused=True, amsgrad=False, beta1=fast, beta2=slow,
            lr=size * (group["lr"] * group["rate"]), weight_decay=0.0, eps=group["eps"], maximize=False,
        )  # fmt: skip
