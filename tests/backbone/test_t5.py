"""Our T5 computes what `transformers` computes when there is no prefix (Eq. 3 with K = 0)."""

from pathlib import Path

import pytest
import torch

from cpner.backbone.checkpoint import hugging_face_state
from cpner.backbone.load import load
from tests.support import VARIANTS, make_backbone


@pytest.fixture(params=VARIANTS)
def pair(request, tmp_path: Path):
    from transformers import MT5ForConditionalGeneration, T5ForConditionalGeneration

    folder = make_backbone(tmp_path, request.param)
    model_class = MT5ForConditionalGeneration if request.param == "mt5" else T5ForConditionalGeneration
    theirs = model_class.from_pretrained(folder, dtype=torch.float32).eval()
    return load(str(folder), device="cpu", precision="float32").t5, theirs


def batch(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(3, 900, (3, 40), generator=generator)
    mask = torch.arange(40) < torch.tensor([40, 17, 31])[:, None]
    return ids.masked_fill(~mask, 0), mask, torch.randint(3, 900, (3, 150), generator=generator)


def test_logits_equal_transformers(pair):
    ours, theirs = pair
    ids, mask, target = batch()

    with torch.no_grad():
        expected = theirs(input_ids=ids, attention_mask=mask.long(), decoder_input_ids=target).logits
        got = ours.decode(target, ours.encode(ids, mask), mask) @ ours.output_weight.T

    torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-4)


def test_state_goes_back_to_transformers_unchanged(pair):
    ours, theirs = pair
    state = hugging_face_state(ours)
    expected = theirs.state_dict()

    for name, tensor in state.items():
        torch.testing.assert_close(tensor, expected[name], atol=0, rtol=0)
    tied = {"encoder.embed_tokens.weight", "decoder.embed_tokens.weight"} | (
        {"lm_head.weight"} if ours.head is None else set()
    )
    assert set(expected) - set(state) == tied
