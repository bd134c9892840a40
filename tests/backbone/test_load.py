"""Checkpoints in every published layout load, go back to `transformers`, and damaged ones say what is wrong."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from cpner.backbone.checkpoint import hugging_face_state
from cpner.backbone.eight_bit import EightBitT5
from cpner.backbone.load import Backbone, load
from cpner.errors import BackboneError, ConfigError
from tests.support import VARIANTS, make_backbone


@pytest.fixture(scope="module")
def untied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with an output layer of its own, in shards."""
    return make_backbone(tmp_path_factory.mktemp("untied"), "t5-v1.1", shard_size="40KB")


@pytest.fixture
def copy(tiny_folder: Path, tmp_path: Path) -> Path:
    """A copy of the tiny checkpoint that a test may damage."""
    return Path(shutil.copytree(tiny_folder, tmp_path / "copy"))


def read(folder: Path | str, precision: str = "float32") -> Backbone:
    return load(str(folder), device="cpu", precision=precision)


def edit(path: Path, **changes: Any) -> None:
    """Change entries of a JSON file; None removes one."""
    content = json.loads(path.read_text("utf-8")) | changes
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}), "utf-8")


def logits(t5: Any) -> Tensor:
    ids = torch.tensor([[5, 300, 7, 900, 1]])
    mask = torch.ones_like(ids, dtype=torch.bool)
    with torch.no_grad():
        return t5.decode(ids, t5.encode(ids, mask), mask) @ t5.output_weight.T


def test_backbone_is_frozen_and_knows_its_vocabulary(tiny_folder):
    backbone = read(tiny_folder)

    assert not any(parameter.requires_grad for parameter in backbone.t5.parameters())
    assert not backbone.t5.training
    assert (backbone.name, backbone.dtype, str(backbone.device)) == (str(tiny_folder), torch.float32, "cpu")
    assert backbone.vocabulary.size < backbone.t5.shape.vocab_size == 1024  # as published: padded embeddings


def test_window_is_the_configs(copy):
    edit(copy / "config.json", n_positions=77)

    assert read(copy).window == 77


def test_types_are_embedded_as_the_mean_of_their_pieces(tiny):
    rows = tiny.embed_types(["person", "political party"])
    pieces = [tiny.vocabulary.phrase(type) for type in ("person", "political party")]

    assert rows.dtype == torch.float32 and rows.shape == (2, 16)
    for row, own in zip(rows, pieces, strict=True):
        torch.testing.assert_close(row, sum(tiny.t5.embedding.weight[piece] for piece in own) / len(own))


def test_shards_hold_the_same_model_as_one_file(tmp_path):
    whole, parts = make_backbone(tmp_path / "whole"), make_backbone(tmp_path / "parts", shard_size="40KB")

    assert len(list(parts.glob("*.safetensors"))) > 1 and (parts / "model.safetensors.index.json").is_file()
    assert read(whole).fingerprint == read(parts).fingerprint


def test_files_beside_the_shards_of_the_index_are_left_alone(untied, tmp_path):
    folder = Path(shutil.copytree(untied, tmp_path / "more"))
    save_file({"shared.weight": torch.zeros(1024, 16)}, folder / "z.safetensors")

    assert read(folder).fingerprint == read(untied).fingerprint


def test_fingerprint_names_the_weights_and_not_how_they_are_held(tiny_folder, copy):
    expected = read(tiny_folder).fingerprint
    weights = load_file(copy / "model.safetensors")
    save_file({name: weight.bfloat16() for name, weight in weights.items()}, copy / "model.safetensors")

    assert len(expected) == 12 and int(expected, 16) >= 0
    assert read(tiny_folder, "bfloat16").fingerprint == expected
    assert read(copy).fingerprint == expected
    weights["decoder.final_layer_norm.weight"][0] += 0.1
    save_file(weights, copy / "model.safetensors")
    assert read(copy).fingerprint != expected


def test_output_layer_of_its_own_is_found(untied, tiny):
    backbone = read(untied)

    assert tiny.t5.head is None and tiny.t5.output_weight is tiny.t5.embedding.weight
    assert backbone.t5.head is not None and not backbone.t5.shape.tied
    assert not torch.equal(backbone.t5.output_weight, backbone.t5.embedding.weight)


def test_output_layer_that_repeats_the_embedding_is_tied(copy):
    expected = read(copy)
    weights = load_file(copy / "model.safetensors")
    save_file({**weights, "lm_head.weight": weights["shared.weight"].clone()}, copy / "model.safetensors")

    assert read(copy).t5.head is None
    assert read(copy).fingerprint == expected.fingerprint


def test_embedding_may_stand_under_its_other_name(copy):
    expected = read(copy).fingerprint
    weights = load_file(copy / "model.safetensors")
    weights["encoder.embed_tokens.weight"] = weights.pop("shared.weight")
    save_file(weights, copy / "model.safetensors")

    assert read(copy).fingerprint == expected


@pytest.mark.parametrize("variant", VARIANTS)
def test_exported_weights_load_in_transformers_and_come_back(tmp_path, variant):
    from transformers import AutoModelForSeq2SeqLM

    backbone = read(make_backbone(tmp_path / "theirs", variant))
    ours = Path(shutil.copytree(tmp_path / "theirs", tmp_path / "ours"))
    save_file(hugging_face_state(backbone.t5), ours / "model.safetensors", metadata={"format": "pt"})
    model, report = AutoModelForSeq2SeqLM.from_pretrained(ours, dtype=torch.float32, output_loading_info=True)
    ids = torch.tensor([[5, 300, 7, 900, 1]])
    with torch.no_grad():
        theirs = model.eval()(input_ids=ids, decoder_input_ids=ids).logits

    assert not report["missing_keys"] and not report["unexpected_keys"]
    torch.testing.assert_close(logits(backbone.t5), theirs, atol=1e-4, rtol=1e-4)
    model.save_pretrained(tmp_path / "back")
    for path in tmp_path.glob("theirs/tokenizer*"):
        shutil.copy(path, tmp_path / "back")
    assert read(tmp_path / "back").fingerprint == backbone.fingerprint


def test_repository_is_read_from_the_hubs_cache_without_network(tiny_folder, tmp_path, monkeypatch):
    import huggingface_hub.constants

    repository = tmp_path / "models--someone--tiny-t5"
    commit = "0123456789abcdef0123456789abcdef01234567"
    shutil.copytree(tiny_folder, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)

    backbone = read("someone/tiny-t5")
    assert (backbone.name, backbone.fingerprint) == ("someone/tiny-t5", read(tiny_folder).fingerprint)
    for unknown in ("someone/other", "other"):
        refuses(unknown, f"backbone '{unknown}' is neither 'cpner-mini', nor a folder, nor to be had from the hub")
    refuses("no such name!", "nor to be had from the hub")


def refuses(folder: Path | str, message: str) -> None:
    with pytest.raises(BackboneError) as caught:
        read(folder)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def configured(**changes: Any) -> Callable[[Path], None]:
    return lambda folder: edit(folder / "config.json", **changes)


def containing(name: str, content: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_text(content, "utf-8") and None


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def lacking_a_tensor(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["encoder.block.1.layer.0.SelfAttention.k.weight"]
    save_file(weights, folder / "model.safetensors")


def lacking_a_shard(folder: Path) -> None:
    index = {"metadata": {}, "weight_map": {"shared.weight": "model-1-of-2.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), "utf-8")


def indexed(shards: dict[str, object]) -> Callable[[Path], None]:
    return containing("model.safetensors.index.json", json.dumps({"weight_map": shards}))


def lacking_a_tokenizer(folder: Path) -> None:
    for path in folder.glob("tokenizer*"):
        path.unlink()


def with_setting(file: str, *keys: str, value: object) -> Callable[[Path], None]:
    """Damage that sets a value in a JSON file; the keys lead to it."""

    def damage(folder: Path) -> None:
        whole = json.loads((folder / file).read_text("utf-8"))
        holder = whole
        for key in keys[:-1]:
            holder = holder[key]
        holder[keys[-1]] = value
        (folder / file).write_text(json.dumps(whole), "utf-8")

    return damage


def with_sentencepiece_only(folder: Path) -> None:
    lacking_a_tokenizer(folder)
    (folder / "spiece.model").write_bytes(b"not a model")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (without("config.json"), "has no readable config.json in"),
        (containing("config.json", "{"), "has no readable config.json in"),
        (containing("config.json", "[3]"), "has no readable config.json in"),
        (containing("config.json", "[" * 100_000), "has no readable config.json in"),
        (configured(d_model="x"), "size d_model is 'x'; expected a whole number"),
        (configured(d_model=-1), "size d_model is -1; expected 1 to"),
        (configured(num_layers=True), "size encoder_layers is True; expected a whole number"),
        (configured(num_layers=10**30), "size encoder_layers is 1000000000000000000000000000000; expected 1 to 1000"),
        (configured(num_decoder_layers=0), "size decoder_layers is 0; expected 1 to 1000"),
        (configured(relative_attention_max_distance=9), "size max_distance is 9; expected more than half"),
        (configured(layer_norm_epsilon="x"), "size eps is 'x'; expected a number"),
        (configured(n_positions="x"), "has n_positions 'x'; expected 8 to"),
        (configured(feed_forward_proj=-1), "uses the activation '1'"),
        (configured(model_type="bert"), "is a 'bert' model; cpner needs t5 or mt5"),
        (configured(model_type=None), "is a None model; cpner needs t5 or mt5"),
        (configured(feed_forward_proj="gated-mish"), "uses the activation 'mish'; known are ['gelu', 'gelu_new',"),
        (configured(d_kv=None, num_heads=None), "has a config.json that does not tell d_kv, num_heads"),
        (configured(d_ff=48), "does not fit its config.json: "),
        (without("model.safetensors"), "has no safetensors file in"),
        (pickled, "pytorch_model.bin is a pickle, which cpner does not open"),
        (containing("model.safetensors", "nonsense"), "model.safetensors can't be read"),
        (containing("model.safetensors.index.json", "[]"), "has no readable model.safetensors.index.json in"),
        (containing("model.safetensors.index.json", "[" * 100_000), "has no readable model.safetensors.index.json in"),
        (indexed({}), "can't be read as an index of shards: it names none"),
        (indexed({"shared.weight": 3}), "names 3, which is no safetensors file beside it"),
        (indexed({"shared.weight": "../model.safetensors"}), "names '../model.safetensors', which is no safetensors"),
        (indexed({"shared.weight": "/etc/x.safetensors"}), "names '/etc/x.safetensors', which is no safetensors"),
        (lacking_a_shard, "model-1-of-2.safetensors can't be read"),
        (lacking_a_tensor, "lacks the tensor 'encoder.block.1.layer.0.SelfAttention.k.weight'"),
        (lacking_a_tokenizer, "has no tokenizer in"),
        (containing("tokenizer.json", "{}"), "has no tokenizer that loads from"),
        (containing("tokenizer.json", "[" * 100_000), "has no tokenizer that loads from"),
        (containing("tokenizer_config.json", "[]"), "has no tokenizer that loads from"),
        (with_setting("tokenizer_config.json", "model_max_length", value=[[]]), " that fails ("),
        (with_setting("tokenizer_config.json", "model_max_length", value="x"), " that fails ("),
        (with_setting("tokenizer_config.json", "unk_token", value=""), " that fails ("),
        (with_setting("tokenizer.json", "model", "unk_id", value=None), " that fails ("),
        (with_sentencepiece_only, "to read spiece.model: pip install sentencepiece protobuf"),
    ],
)
def test_damaged_checkpoint_is_refused_with_its_reason(copy, damage, message):
    damage(copy)

    refuses(copy, message)


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere/at/all", "~/nowhere", "a/b/c"])
def test_missing_folder_is_refused(name):
    refuses(name, f"no folder {name!r} for a backbone")


@pytest.mark.parametrize("precision", ["float16", "float64"])
def test_other_precisions_are_refused(tiny_folder, precision):
    with pytest.raises(ConfigError, match=r"is not known; use float32, bfloat16, int8 \(float16 overflows in T5\)"):
        read(tiny_folder, precision)


def test_eight_bits_predict_and_floats_train(tiny_folder):
    floats = read(tiny_folder)
    backbone = read(tiny_folder, "int8")

    assert (backbone.precision, backbone.dtype) == ("int8", torch.float32)
    assert isinstance(backbone.reader, EightBitT5)
    assert backbone.fingerprint == floats.fingerprint
    for name, weight in floats.t5.state_dict().items():
        assert torch.equal(weight, backbone.t5.state_dict()[name])


def test_the_fastest_precision_is_taken_where_ranges_are_known(monkeypatch):
    for dtype, precision in ((torch.float32, "int8"), (torch.bfloat16, "bfloat16")):
        monkeypatch.setattr("cpner.backbone.load.native_dtype", lambda _, dtype=dtype: dtype)
        assert load("cpner-mini", device="cpu").precision == precision


def test_a_backbone_without_ranges_stays_in_floats(tiny_folder, monkeypatch):
    monkeypatch.setattr("cpner.backbone.load.native_dtype", lambda _: torch.float32)

    assert load(str(tiny_folder), device="cpu").precision == "float32"
