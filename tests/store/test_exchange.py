"""Prefixes go to AdapterHub and PEFT and come back; the libraries themselves compute with them."""

from __future__ import annotations

import json
import os
import subprocess
import warnings

import pytest
import torch
from safetensors.torch import load_file, save_file

from cpner.backbone.prefix import Prefix
from cpner.backbone.shape import PrefixConfig, config_dict
from cpner.errors import ConfigError, StoreError
from cpner.store import StoredDomain
from cpner.store.exchange import read_folder, write_folder
from tests.support import make_card, random_prefix, run_t5, same_prefix

pytestmark = pytest.mark.filterwarnings("ignore:.*relative bias")
KINDS = [("encoder",), ("decoder",), ("encoder", "decoder"), ("decoder", "cross"), ("encoder", "decoder", "cross")]
ADAPTERS = os.environ.get("CPNER_ADAPTERS")  # the Python of an environment that has `adapters`
LOAD = """
import sys, torch, adapters
from safetensors.torch import load_file, save_file
from transformers import T5ForConditionalGeneration

batch = load_file("batch.safetensors")

def load():
    return T5ForConditionalGeneration.from_pretrained(sys.argv[1]).eval()

@torch.no_grad()
def compute(model):
    return model(input_ids=batch["ids"], attention_mask=batch["mask"], decoder_input_ids=batch["target"]).logits
"""
SAVE = """
from torch.nn.functional import pad
for name in ("flat", "network"):
    model = load()
    adapters.init(model)
    torch.manual_seed(3)
    config = adapters.PrefixTuningConfig(flat=name == "flat", prefix_length=5, bottleneck_size=7)
    model.add_adapter("theirs", config=config)
    model.set_active_adapters("theirs")
    model.save_adapter(name, "theirs", with_head=False)
    tensors = torch.load(name + "/pytorch_adapter.bin", weights_only=True)
    save_file({key: tensor.clone() for key, tensor in tensors.items()}, name + "/adapter.safetensors")
    for stack in (model.encoder, model.decoder):
        attention = stack.block[0].layer[0].SelfAttention
        attention.compute_bias = lambda q, k, plain=attention.compute_bias, **more: pad(plain(q, k - 5, **more), (5, 0))
    save_file({"logits": compute(model)}, name + ".safetensors")
"""


def domain(shape, kinds) -> StoredDomain:
    prefix = random_prefix(shape, 4, kinds)
    return StoredDomain(make_card("music", prefix=config_dict(PrefixConfig(4, kinds))), prefix)


def logits(backbone, batch, prefix: Prefix) -> torch.Tensor:
    states = run_t5(backbone.t5, batch, prefix.expand(len(batch[0])))[1]
    return states @ backbone.t5.output_weight.T


@pytest.mark.parametrize("kinds", KINDS)
def test_a_prefix_comes_back_from_the_folder_of_adapterhub(tiny, tmp_path, kinds):
    made = domain(tiny.t5.shape, kinds)

    write_folder(made, "adapterhub", tmp_path / "out")
    imported = read_folder(tmp_path / "out", tiny.t5.shape)

    assert same_prefix(imported.prefix, made.prefix)
    assert (imported.name, imported.card.types) == ("music", made.card.types)


def test_a_prefix_comes_back_from_the_folder_of_peft(tiny, tmp_path):
    made = domain(tiny.t5.shape, ("decoder",))

    write_folder(made, "peft", tmp_path / "out")

    assert same_prefix(read_folder(tmp_path / "out", tiny.t5.shape).prefix, made.prefix)


@pytest.mark.parametrize(
    ("library", "kinds", "message"),
    [
        ("peft", ("encoder",), "PEFT puts the prefix of a T5 before the decoder's self-attention alone"),
        ("peft", ("encoder", "decoder", "cross"), "stands before encoder, decoder, cross: export it as adapterhub"),
        ("adapterhub", ("cross",), "AdapterHub puts a prefix before the decoder's self-attention wherever"),
        ("adapterhub", ("encoder", "cross"), "'music' has one before encoder, cross alone"),
    ],
)
def test_what_a_library_cannot_hold_is_refused_in_one_line(tiny, tmp_path, library, kinds, message):
    with pytest.raises(StoreError, match=message) as caught:
        write_folder(domain(tiny.t5.shape, kinds), library, tmp_path / "out")

    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_peft_has_no_place_for_an_even_number_of_decoder_layers(tiny, tmp_path):
    prefix = Prefix(decoder=torch.ones(2, 2, 3, 4, 8))
    made = StoredDomain(make_card("music", prefix=config_dict(PrefixConfig(4, ("decoder",)))), prefix)

    with pytest.raises(StoreError, match="half of the 2 layers of 'music' have no place"):
        write_folder(made, "peft", tmp_path / "out")


def test_an_ensemble_is_refused(tiny, tmp_path):
    made = domain(tiny.t5.shape, ("encoder",))
    card = make_card("music", prefix=made.card.prefix, members=["a", "b"])

    with pytest.raises(StoreError, match="an ensemble of 2 prefixes, which adapterhub can't hold"):
        write_folder(StoredDomain(card, made.prefix), "adapterhub", tmp_path / "out")


def test_only_a_folder_of_an_adapter_is_replaced(tiny, tmp_path):
    made = domain(tiny.t5.shape, ("encoder",))
    (tmp_path / "other").mkdir()

    write_folder(made, "adapterhub", tmp_path / "out")
    write_folder(made, "adapterhub", tmp_path / "out", overwrite=True)

    for folder, overwrite in [("out", False), ("other", True)]:
        with pytest.raises(StoreError, match="is there already"):
            write_folder(made, "adapterhub", tmp_path / folder, overwrite=overwrite)
    with pytest.raises(ConfigError, match="no library 'opendelta'"):
        write_folder(made, "opendelta", tmp_path / "new")


@pytest.mark.parametrize(("library", "kinds"), [("adapterhub", ("encoder",)), ("peft", ("decoder",))])
def test_that_outputs_differ_is_told(tiny, tmp_path, library, kinds):
    with pytest.warns(
        UserWarning, match=f"{library} gives the prefix of a T5 a relative bias.*outputs differ, but for"
    ):
        write_folder(domain(tiny.t5.shape, kinds), library, tmp_path / "out")
    with pytest.warns(UserWarning, match=f"outputs differ from those of {library}"):
        read_folder(tmp_path / "out", tiny.t5.shape)


@pytest.mark.parametrize(
    ("config", "tensors", "message"),
    [
        (None, {}, r"adapter_config\.json is missing"),
        ([], {}, "is no configuration of adapters or PEFT"),
        ({"config": {"architecture": "lora"}}, {"a": torch.ones(1)}, "it is no prefix tuning without gates"),
        ({"config": {"architecture": "prefix_tuning", "prefix_length": 2}}, {"a": torch.ones(1)}, "no tensor of a"),
        (
            {"config": {"architecture": "prefix_tuning", "prefix_length": 2}},
            {"prefix_tuning.prefix_tunings.a.self_prefix.control_trans": torch.ones(9)},
            "the part before decoder has 9 numbers; 288 fit",
        ),
        ({"peft_type": "LORA"}, {"a": torch.ones(1)}, "it is LORA, no prefix tuning"),
        ({"peft_type": "PREFIX_TUNING", "num_virtual_tokens": 2}, {"a": torch.ones(1)}, "prompt_embeddings"),
    ],
)
def test_other_folders_are_an_error(tiny, tmp_path, config, tensors, message):
    if config is not None:
        (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    for name in ("adapter.safetensors", "adapter_model.safetensors"):
        save_file(tensors, tmp_path / name)

    with pytest.raises(StoreError, match=message):
        read_folder(tmp_path, tiny.t5.shape)


def test_a_pickle_is_never_read(tiny, tmp_path):
    (tmp_path / "adapter_config.json").write_text(json.dumps({"config": {}}))
    (tmp_path / "pytorch_adapter.bin").write_bytes(b"x")

    with pytest.raises(StoreError, match=r"pytorch_adapter\.bin is a pickle, which cpner never reads"):
        read_folder(tmp_path, tiny.t5.shape)


@pytest.mark.slow
def test_peft_computes_the_same_by_the_lines_of_the_readme(tiny, tiny_folder, batch, tmp_path):
    pytest.importorskip("peft")
    from transformers import T5ForConditionalGeneration

    model = T5ForConditionalGeneration.from_pretrained(tiny_folder)
    made = domain(tiny.t5.shape, ("decoder",))
    write_folder(made, "peft", tmp_path / "out")
    ids, mask, target = batch
    names = {"model": model}

    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        exec(code_of(tmp_path / "out"), names)
        theirs = names["model"].eval()(input_ids=ids, attention_mask=mask, decoder_input_ids=target).logits

    assert (logits(tiny, batch, made.prefix) - theirs).abs().max() < 1e-5
    assert (logits(tiny, batch, Prefix()) - theirs).abs().max() > 0.1


@pytest.mark.slow
@pytest.mark.skipif(not ADAPTERS, reason="CPNER_ADAPTERS names no Python with adapters: make adapters")
def test_adapters_computes_the_same_by_the_lines_of_the_readme(tiny, tiny_folder, batch, tmp_path):
    made = {"-".join(kinds): domain(tiny.t5.shape, kinds) for kinds in KINDS}
    program = ""
    for name, stored in made.items():
        write_folder(stored, "adapterhub", tmp_path / name)
        program += f"model = load()\n{code_of(tmp_path / name)}\n"
        program += f"save_file({{'logits': compute(model)}}, {f'{name}.safetensors'!r})\n"

    run(program, tiny_folder, batch, tmp_path)

    for name, stored in made.items():
        ours = logits(tiny, batch, stored.prefix)
        assert (ours - load_file(tmp_path / f"{name}.safetensors")["logits"]).abs().max() < 1e-5, name
        assert (ours - logits(tiny, batch, Prefix())).abs().max() > 0.1


@pytest.mark.slow
@pytest.mark.skipif(not ADAPTERS, reason="CPNER_ADAPTERS names no Python with adapters: make adapters")
def test_what_adapters_wrote_computes_the_same(tiny, tiny_folder, batch, tmp_path):
    run(SAVE, tiny_folder, batch, tmp_path)

    for name in ("flat", "network"):
        imported = read_folder(tmp_path / name, tiny.t5.shape)
        theirs = load_file(tmp_path / f"{name}.safetensors")["logits"]

        assert (imported.name, imported.prefix.length, imported.card) == ("theirs", 5, None)
        assert (logits(tiny, batch, imported.prefix) - theirs).abs().max() < 1e-5


def code_of(folder) -> str:
    """The Python of a folder's README."""
    return (
        (folder / "README.md").read_text("utf-8").split("```python\n")[1].split("```")[0].replace("FOLDER", str(folder))
    )


def run(program: str, backbone, batch, folder) -> None:
    """Run a program in the environment that has `adapters`."""
    ids, mask, target = batch
    save_file({"ids": ids, "mask": mask.long(), "target": target}, folder / "batch.safetensors")
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"HF_HUB_OFFLINE": "1"}
    command = [str(ADAPTERS), "-c", LOAD + program, str(backbone)]
    done = subprocess.run(command, capture_output=True, text=True, env=clean, cwd=folder)
    assert done.returncode == 0, done.stderr[-2000:]
