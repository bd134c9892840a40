"""A tagger is a file beside a backbone's weights: it comes back as it was, and changes nothing of the model."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from cpner.backbone.load import load
from cpner.backbone.tagger import FILE, Tagger, read_tagger, write_tagger
from cpner.errors import BackboneError


def test_tagger_comes_back_from_its_file(tmp_path: Path) -> None:
    tagger = Tagger(16, 8, seed=1)
    write_tagger(tagger, tmp_path)

    again = read_tagger(tmp_path, 16, "x")

    assert again is not None
    for name, tensor in tagger.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], tensor.bfloat16().float(), rtol=0, atol=0)
    assert not any(parameter.requires_grad for parameter in again.parameters())


def test_backbone_with_a_tagger_is_the_same_model(tiny_folder: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForSeq2SeqLM

    plain = load(str(tiny_folder), device="cpu", precision="float32")
    folder = Path(shutil.copytree(tiny_folder, tmp_path / "tagged"))
    write_tagger(Tagger(plain.shape.d_model), folder)

    tagged = load(str(folder), device="cpu", precision="float32")
    _, report = AutoModelForSeq2SeqLM.from_pretrained(folder, output_loading_info=True)

    assert plain.tagger is None
    assert tagged.tagger is not None
    assert tagged.fingerprint == plain.fingerprint
    assert not report["missing_keys"] and not report["unexpected_keys"]


@pytest.mark.parametrize("damage", ["cut", "empty", "other width", "other tensors"])
def test_damaged_tagger_is_refused_in_one_line(tmp_path: Path, damage: str) -> None:
    write_tagger(Tagger(16, 8), tmp_path)
    path = tmp_path / FILE
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-7])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "other tensors":
        save_file({"other": torch.zeros(3)}, path)

    with pytest.raises(BackboneError, match=r"'x': .*tagger.safetensors can't be read as its tagger") as caught:
        read_tagger(tmp_path, 17 if damage == "other width" else 16, "x")
    assert "\n" not in str(caught.value)
