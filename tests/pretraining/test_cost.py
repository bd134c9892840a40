from __future__ import annotations

from dataclasses import replace

import pytest
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from cpner.backbone.shape import T5Shape
from cpner.backbone.t5 import T5
from cpner.pretraining.batches import Batches
from cpner.pretraining.cost import Cost, batch_flops
from cpner.pretraining.objectives import Loss
from cpner.pretraining.prepare import Prepared
from tests.support import tiny_config


@pytest.fixture(scope="module")
def t5(data: Prepared) -> T5:
    t5 = T5(T5Shape(vocab_size=1024, **tiny_config().sizes))  # type: ignore[arg-type]
    t5.initialise(0)
    return t5


def test_flops_count_each_weight_and_piece_that_meet(t5: T5, data: Prepared) -> None:
    config = tiny_config().data
    counter = FlopCounterMode(display=False)
    for share in (0.0, 1.0):
        batches = Batches(data.pool, data.text, data.vocabulary, replace(config, text_share=share), 3)
        with counter, sdpa_kernel(SDPBackend.MATH):  # a fused kernel is not counted
            Loss(t5)(batches[0])

        assert batch_flops(t5, batches[0]) == pytest.approx(3 * counter.get_total_flops(), rel=1e-3)


def test_cost_is_that_of_all_batches(t5: T5, data: Prepared) -> None:
    batches = Batches(data.pool, data.text, data.vocabulary, tiny_config().data, 8)

    cost = Cost.estimate(t5, batches, per_step=2)

    assert cost.parameters == sum(p.numel() for p in t5.parameters())
    assert cost.pieces == sum(batches[i].source.numel() + batches[i].inputs.numel() for i in range(8))
    assert cost.step_pieces * 4 == cost.pieces
    assert cost.flops == pytest.approx(sum(batch_flops(t5, batches[i]) for i in range(8)))
