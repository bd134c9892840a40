"""The one loop of training: AdamW along a ramp and a cosine, gradients clipped, every number finite."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from cpner.errors import TrainingError

B = TypeVar("B")


class Group(NamedTuple):
    """Parameters that share a step size.

    Attributes:
        parameters: what is trained, by name.
        lr: the highest step size of AdamW.
    """

    parameters: Mapping[str, nn.Parameter]
    lr: float


class Step(NamedTuple, Generic[B]):
    """One update: its number from 1, its loss before the update, the step size of the first group, its batch."""

    number: int
    loss: float
    lr: float
    batch: B


def adamw(groups: Sequence[Group], weight_decay: float = 0.0) -> torch.optim.AdamW:
    """AdamW over groups of parameters; `optimise` finds the highest step size of each under "highest"."""
    options = [{"params": list(group.parameters.values()), "lr": group.lr, "highest": group.lr} for group in groups]
    return torch.optim.AdamW(options, weight_decay=weight_decay, fused=True)


def optimise(
    optimizer: torch.optim.Optimizer,
    loss: Callable[[B], Tensor],
    batches: Iterable[tuple[float, B]],
    *,
    ramp: int,
    clip: float,
    after: Callable[[Step[B]], None],
    done: int = 0,
) -> None:
    """Make an update for each batch.

    Args:
        optimizer: as `adamw` gives it.
        loss: of a batch, a scalar.
        batches: each with the share of the training, from 0 to 1, that is over before it.
        ramp: steps over which the step size rises from zero; over the whole it falls as a cosine to zero.
        clip: largest norm of all gradients together.
        after: called after every update, before the next batch is taken.
        done: updates that were made before, in a run that is resumed.

    Raises:
        TrainingError: a loss or a gradient is not a number; that update is not made.
    """
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for number, (share, batch) in enumerate(batches, start=done + 1):
        scalar = loss(batch)
        optimizer.zero_grad(set_to_none=True)
        scalar.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(parameters, clip)
        _check_finite({"loss": scalar.item(), "gradient": norm.item()}, number, optimizer)
        for group in optimizer.param_groups:
            group["lr"] = step_size(group["highest"], share, number, ramp)
        optimizer.step()
        after(Step(number, scalar.item(), optimizer.param_groups[0]["lr"], batch))


def step_size(highest: float, share: float, number: int, ramp: int) -> float:
    """The step size of an update, counted from 1, when a share of the training is over."""
    return highest * min(1.0, number / max(1, ramp)) * 0.5 * (1 + math.cos(math.pi * min(1.0, share)))


def _check_finite(values: dict[str, float], number: int, optimizer: torch.optim.Optimizer) -> None:
    for name, value in values.items():
        if not math.isfinite(value):
            highest = max(group["highest"] for group in optimizer.param_groups)
            raise TrainingError(f"the {name} is not a number in step {number}: try a smaller lr than {highest}")
