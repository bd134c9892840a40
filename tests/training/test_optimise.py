"""The one loop: a ramp and a cosine, clipped gradients, and no update by what is not a number."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from cpner.errors import TrainingError
from cpner.training.optimise import Group, Step, adamw, optimise


def batches(count: int) -> Iterator[tuple[float, int]]:
    return ((i / count, i) for i in range(count))


def run(count: int, ramp: int, done: int = 0) -> list[Step[int]]:
    """Steps down a slope that is as steep everywhere."""
    weight = nn.Parameter(torch.zeros(3))
    steps: list[Step[int]] = []

    def slope(_: int) -> Tensor:
        return weight.sum()

    optimizer = adamw([Group({"weight": weight}, 0.5)])
    optimise(optimizer, slope, batches(count), ramp=ramp, clip=1.0, after=steps.append, done=done)
    return steps


def test_step_sizes_rise_in_a_line_and_fall_as_a_cosine() -> None:
    steps = run(8, ramp=4)

    highest = [0.5 * 0.5 * (1 + math.cos(math.pi * i / 8)) for i in range(8)]
    assert [step.lr for step in steps] == pytest.approx(
        [min(1.0, (i + 1) / 4) * value for i, value in enumerate(highest)]
    )
    assert [step.batch for step in steps] == list(range(8))


def test_each_group_has_its_own_highest_step_size() -> None:
    fast, slow = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))
    optimizer = adamw([Group({"fast": fast}, 0.1), Group({"slow": slow}, 0.001)])

    optimise(optimizer, lambda _: fast.sum() + slow.sum(), batches(1), ramp=0, clip=9.0, after=lambda _: None)

    assert (fast.item(), slow.item()) == pytest.approx((-0.1, -0.001))  # AdamW's first step is the step size itself


def test_steps_are_counted_on_in_a_run_that_is_resumed() -> None:
    steps = run(3, ramp=10, done=4)

    assert [step.number for step in steps] == [5, 6, 7]
    assert steps[0].lr == pytest.approx(0.5 * 5 / 10)


def test_gradients_are_clipped_together() -> None:
    norms = []
    first, second = nn.Parameter(torch.zeros(4)), nn.Parameter(torch.zeros(4))
    optimizer = adamw([Group({"first": first}, 0.1), Group({"second": second}, 0.1)])

    def note(_: Step[int]) -> None:
        norms.append(math.hypot(float(first.grad.norm()), float(second.grad.norm())))  # type: ignore[union-attr]

    optimise(optimizer, lambda _: 50 * (first.sum() + second.sum()), batches(2), ramp=0, clip=0.25, after=note)

    assert norms == pytest.approx([0.25, 0.25], rel=1e-4)


@pytest.mark.parametrize(("factor", "name"), [(math.nan, "loss"), (math.inf, "loss")])
def test_what_is_no_number_moves_nothing(factor: float, name: str) -> None:
    weight = nn.Parameter(torch.ones(2))
    before = weight.detach().clone()

    with pytest.raises(TrainingError, match=rf"the {name} is not a number in step 1: try a smaller lr than 0\.5"):
        optimise(
            adamw([Group({"w": weight}, 0.5)]), lambda _: factor * weight.sum(), batches(1), ramp=0, clip=1.0,
            after=lambda _: None,
        )  # fmt: skip

    assert torch.equal(weight, before)


def test_a_gradient_that_is_no_number_moves_nothing() -> None:
    weight = nn.Parameter(torch.zeros(2))  # a root's slope at zero is infinite

    with pytest.raises(TrainingError, match="the gradient is not a number in step 1"):
        optimise(
            adamw([Group({"w": weight}, 0.5)]), lambda _: weight.abs().sqrt().sum(), batches(1), ramp=0, clip=1.0,
            after=lambda _: None,
        )  # fmt: skip

    assert not weight.any()
