"""The backbone that comes with the package loads, is what its card says, and gives fixed outputs."""

from pathlib import Path

import pytest
import torch

from cpner import CPNER
from cpner.backbone.load import load, locate

FINGERPRINT = "b7cd15822fcb"
SENTENCE = "She moved from Paris to London in 1990."
TYPES = ["country", "person", "city", "political party"]


@pytest.fixture(scope="module")
def mini() -> CPNER:
    return CPNER(load("cpner-mini", device="cpu", precision="float32"))


def test_weights_are_those_of_the_card(mini: CPNER) -> None:
    card = (locate("cpner-mini") / "README.md").read_text("utf-8")

    assert mini.backbone.fingerprint == FINGERPRINT
    assert FINGERPRINT in card
    parameters = sum(p.numel() for p in mini.backbone.t5.parameters())
    assert f"{parameters:,}" in card
    assert parameters <= 30_000_000


def test_shards_are_small(mini: CPNER) -> None:
    shards = list(Path(locate("cpner-mini")).glob("*.safetensors"))

    assert max(shard.stat().st_size for shard in shards) <= 24_000_000  # the embedding can't be split
    assert sum(shard.stat().st_size for shard in shards) <= 60_000_000


def test_outputs_are_fixed(mini: CPNER) -> None:
    found = mini.predict(SENTENCE, None, types=TYPES)
    raw = mini.predict(SENTENCE, None, types=TYPES, calibrated=False)

    assert [(e.start, e.end, e.type, e.text) for e in found] == [
        (15, 20, "city", "Paris"),
        (24, 30, "city", "London"),
    ]
    assert [e._replace(score=0) for e in found] == [e._replace(score=0) for e in raw]
    assert [e.score for e in raw] == pytest.approx([0.9457, 0.9679], abs=1e-3)


def test_its_default_calibrators_are_of_these_weights(mini: CPNER) -> None:
    assert mini.calibration.fitted
    assert all(0.3 < e.score < 0.9 for e in mini.predict(SENTENCE, None, types=TYPES))  # zero-shot is less sure


def test_transformers_loads_it_and_agrees(mini: CPNER) -> None:
    from transformers import T5ForConditionalGeneration

    theirs = T5ForConditionalGeneration.from_pretrained(locate("cpner-mini"), dtype=torch.float32).eval()
    ids = torch.arange(300, 340)[None]
    mask = torch.ones_like(ids, dtype=torch.bool)
    with torch.no_grad():
        expected = theirs(input_ids=ids, decoder_input_ids=ids[:, :12]).logits
        ours = mini.backbone.t5
        got = ours.decode(ids[:, :12], ours.encode(ids, mask), mask) @ ours.output_weight.T

    torch.testing.assert_close(got, expected, atol=1e-3, rtol=1e-3)
