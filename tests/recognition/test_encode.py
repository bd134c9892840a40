from __future__ import annotations

import pytest
import torch

from cpner.recognition.encode import encode
from cpner.recognition.layout import Layout
from cpner.recognition.sizes import Sizes
from tests.recognition.support import DOMAINS, sources_of

EXACT = Sizes(weights=False, attention=False)
FEW = Sizes(weights=True, attention=True)


@pytest.mark.parametrize("sizes", [EXACT, FEW, Sizes(weights=True, attention=False)])
@pytest.mark.parametrize("domains", [[None] * 6, DOMAINS])
def test_states_are_those_of_each_source_alone(backbone, bank, domains, sizes, monkeypatch):
    monkeypatch.setattr("cpner.recognition.encode.sizes_of", lambda _: sizes)
    sources = sources_of(backbone)
    with torch.inference_mode():
        states, mask = encode(backbone, sources, bank.rows(domains))

        for row, (source, name) in enumerate(zip(sources, domains, strict=True)):
            ids = torch.tensor([source.ids])
            alone = backbone.t5.encode(ids, torch.ones_like(ids, dtype=torch.bool), bank.rows([name]))[0]
            assert int(mask[row].sum()) == len(source.ids)
            torch.testing.assert_close(states[row, : len(source.ids)], alone)


@pytest.mark.parametrize("sizes", [EXACT, FEW])
@pytest.mark.parametrize("lengths", [[3, 0, 7, 1], [7], [7, 7, 7, 7, 7], [1, 20]])
def test_what_is_packed_comes_back_to_its_place(lengths, sizes):
    width = max(lengths)
    rows = torch.randn(len(lengths), width, 4)
    layout = Layout.of(lengths, width, sizes, torch.device("cpu"))
    packed = layout.pack(rows)
    unpacked = layout.unpack(packed)

    assert len(packed) >= sum(lengths) and (sizes is FEW or len(packed) in (sum(lengths), len(lengths) * width))
    for row, length in enumerate(lengths):
        assert torch.equal(unpacked[row, :length], rows[row, :length])
