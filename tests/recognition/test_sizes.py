from __future__ import annotations

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from cpner.backbone.eight_bit import EightBitT5, multiplies_in_eight_bits
from cpner.backbone.ranges import measure_ranges
from cpner.backbone.t5 import T5
from cpner.recognition.decode import decode
from cpner.recognition.sizes import Sizes, sizes_of
from tests.recognition.support import TEXTS, sources_of

FEW = Sizes(weights=True, attention=True)
EXACT = Sizes(weights=False, attention=False)


@pytest.mark.parametrize("name", ["pieces", "columns", "candidates", "rows"])
def test_sizes_suffice_are_few_and_not_much_larger(name):
    sizes = [getattr(FEW, name)(count) for count in range(1, 1001)]

    assert all(size >= count for count, size in enumerate(sizes, 1))
    assert all(size <= 1.5 * count for count, size in enumerate(sizes, 1) if count > 64)
    assert sorted(sizes) == sizes and len(set(sizes)) < 80
    assert [getattr(EXACT, name)(count) for count in range(1, 1001)] == list(range(1, 1001))


@pytest.mark.parametrize("prefix", [0, 5, 30, 32])
def test_the_width_of_sources_makes_no_further_columns(prefix):
    widths = [FEW.source(longest, prefix) for longest in range(1, 500)]

    assert all(width >= longest for longest, width in enumerate(widths, 1))
    assert len(set(widths)) < 100
    for longest, width in enumerate(widths, 1):
        assert FEW.columns(prefix + width) == FEW.columns(prefix + longest)


def test_few_shapes_are_for_what_onednn_multiplies(tiny):
    assert sizes_of(tiny.t5) == Sizes(weights=True, attention=False)  # float32
    assert sizes_of(T5(tiny.t5.shape).to(torch.bfloat16)) == FEW
    if multiplies_in_eight_bits():
        assert sizes_of(EightBitT5(tiny.t5, measure_ranges(tiny.t5, tiny.vocabulary))) == EXACT


class _Shapes(TorchDispatchMode):
    """Keeps the shapes of batched products, and of products with weights."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[tuple[object, ...]] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func in (torch.ops.aten.matmul.default, torch.ops.aten.linear.default):
            self.seen.add((args[0].shape, args[1].shape))
        return func(*args, **(kwargs or {}))


def test_sentences_of_many_lengths_make_few_shapes(backbone, bank, monkeypatch):
    words = " ".join(TEXTS).split()
    sources = sources_of(backbone, [" ".join(words[i : i + 3 + i % 13]) for i in range(26)])

    def shapes() -> int:
        with _Shapes() as shapes:
            for source in sources:
                decode(backbone, [source], bank.rows(["long"]))
        return len(shapes.seen)

    few = shapes()
    for module in ("cache", "decode", "encode"):
        monkeypatch.setattr(f"cpner.recognition.{module}.sizes_of", lambda _: EXACT)

    assert few < 0.4 * shapes()
