"""Runs: learning, stopping and going on, cost, and the backbone at the end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from cpner.backbone.checkpoint import write_backbone
from cpner.backbone.load import load
from cpner.backbone.shape import T5Shape
from cpner.backbone.t5 import T5
from cpner.errors import ConfigError
from cpner.pretraining.config import PretrainConfig
from cpner.pretraining.prepare import prepare
from cpner.pretraining.run import pretrain
from tests.pretraining.bert import write_bert
from tests.pretraining.support import Stopped, fresh, run
from tests.support import environment, tiny_config

VARIANTS = [{}, {"activation": "relu", "gated": False, "buckets": 16, "max_distance": 40, "scale_output": False}]


@pytest.fixture
def threads() -> Iterator[None]:
    """One thread, so that sums are always taken in the same order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def norms(out: Path) -> list[float]:
    """Of the gradients, step by step."""
    records = [json.loads(line) for line in (out / "log.jsonl").read_text("utf-8").splitlines()]
    return [record["norm"] for record in records[:-1]]


def weights(out: Path) -> dict[str, torch.Tensor]:
    return load_file(out / "checkpoint" / "weights.safetensors")


@pytest.mark.usefixtures("threads")
def test_stopped_and_resumed_run_gives_the_same_weights(prepared_folder: Path, tmp_path: Path) -> None:
    config = tiny_config(accumulation=2, log_every=1, save_every=2, evaluate_every=100)
    whole, parts = fresh(prepared_folder, tmp_path / "whole"), fresh(prepared_folder, tmp_path / "parts")

    all_records = run(whole, config)
    with pytest.raises(Stopped):
        run(parts, config, stop=5)  # steps 1 to 4 are in a checkpoint, step 5 is lost
    rest = run(parts, replace(config, log_every=2), resume=True)

    expected, found = weights(whole), weights(parts)
    assert expected.keys() == found.keys() and all(torch.equal(expected[name], found[name]) for name in expected)
    for name in ("mean", "square"):
        ours, theirs = (load_file(out / "checkpoint" / f"{name}.safetensors") for out in (whole, parts))
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert [record["step"] for record in rest if "step" in record] == [6]
    assert rest[-1]["final"]["f1"] == all_records[-1]["final"]["f1"]
    assert rest[-1]["final"]["million_pieces"] == all_records[-1]["final"]["million_pieces"]
    assert sorted(path.name for path in parts.glob("checkpoint*")) == ["checkpoint"]


@pytest.mark.usefixtures("threads")
def test_run_stopped_between_two_renamings_is_resumed(prepared_folder: Path, tmp_path: Path) -> None:
    config = tiny_config(steps=4, log_every=1, save_every=2, evaluate_every=100)
    out = fresh(prepared_folder, tmp_path / "run")
    with pytest.raises(Stopped):
        run(out, config, stop=3)
    os.replace(out / "checkpoint", out / "checkpoint-old")

    records = run(out, config, resume=True)

    assert [record["step"] for record in records if "step" in record] == [3, 4]
    assert sorted(path.name for path in out.glob("checkpoint*")) == ["checkpoint"]


def test_runs_are_not_mixed_up(prepared_folder: Path, tmp_path: Path) -> None:
    out, config = fresh(prepared_folder, tmp_path / "run"), tiny_config(steps=1)
    run(out, config)

    with pytest.raises(ConfigError, match="holds a checkpoint already: go on with --resume"):
        run(out, config)
    with pytest.raises(ConfigError, match=r"another run \(ramp, data.drop differ\)"):
        run(out, replace(config, ramp=7, data=replace(config.data, drop=0.5)), resume=True)
    with pytest.raises(ConfigError, match="was made with vocabulary 1000"):
        run(out, replace(config, vocabulary=2000), resume=True)


@pytest.mark.slow
def test_two_devices_take_the_steps_of_one_that_accumulates_twice_as_much(
    prepared_folder: Path, tmp_path: Path
) -> None:
    settings = "accumulation = 2\nsteps = 3\nlog_every = 1\nramp = 2\nheld_out = 12\nvocabulary = 1000\n"
    data = "[data]\nbatch_pieces = 400\ntext_share = 0.0\nmax_source = 160\n"
    (tmp_path / "config.toml").write_text(settings + data)
    together = fresh(prepared_folder, tmp_path / "together")
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "-m", "cpner", "pretrain"]
    flags = ["--out", str(together), "--config", str(tmp_path / "config.toml"), "--size", "tiny"]
    subprocess.run([*launch, *flags], check=True, env=environment(), capture_output=True)

    alone = fresh(prepared_folder, tmp_path / "alone")
    run(alone, PretrainConfig.from_toml(tmp_path / "config.toml", size="tiny", accumulation=4))

    assert len(norms(alone)) == 3
    assert norms(together) == pytest.approx(norms(alone), rel=0.01)  # of four batches, averaged


@pytest.mark.parametrize("variant", VARIANTS)
def test_run_goes_on_from_a_backbone_with_its_vocabulary_and_kind(
    variant: dict[str, Any], corpus: Path, prepared_folder: Path, tmp_path: Path
) -> None:
    older = T5(T5Shape(vocab_size=1152, **tiny_config().sizes, **variant))  # type: ignore[arg-type]
    older.initialise(5)
    write_backbone(older, prepared_folder / "tokenizer", tmp_path / "older", window=80)
    config = tiny_config(steps=2, lr=1e-6, start=str(tmp_path / "older"), shape={"encoder_layers": 2})

    folder = pretrain([corpus / "text.txt"], corpus / "ner", tmp_path / "run", config)

    assert not (tmp_path / "run" / "lexicon.npy").exists()
    newer = load(str(folder), device="cpu", precision="float32")
    assert newer.t5.shape == replace(older.shape, encoder_layers=2)
    assert newer.vocabulary.phrase("Ada Byron met") == load(config.start or "").vocabulary.phrase("Ada Byron met")
    torch.testing.assert_close(newer.t5.embedding.weight, older.embedding.weight, rtol=1e-2, atol=1e-2)
    with pytest.raises(ConfigError, match="was made with start"):
        prepare([], None, tmp_path / "run", replace(config, start=None))


def test_time_limit_stops_a_run_and_keeps_its_last_step(prepared_folder: Path, tmp_path: Path) -> None:
    out = fresh(prepared_folder, tmp_path / "run")

    records = run(out, tiny_config(steps=10_000, minutes=0.02, save_every=10_000, log_every=10_000))

    step = records[-1]["final"]["step"]
    assert 0 < step < 10_000
    assert json.loads((out / "checkpoint" / "state.json").read_text())["step"] == step


@pytest.mark.slow
def test_training_lowers_both_losses(prepared_folder: Path, tmp_path: Path) -> None:
    out = fresh(prepared_folder, tmp_path / "run")

    run(out, tiny_config(steps=100, log_every=50, evaluate_every=100, lr=2e-2))

    records = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    first, last = records[0], records[-2]
    assert last["step"] == 100 and last["loss_entities"] < first["loss_entities"] - 0.3
    assert last["loss_text"] < first["loss_text"] - 0.3
    assert records[-1]["final"]["right_structure"] > 60
    assert {"right_type", "right_start", "right_copy", "f1"} <= records[-1]["final"].keys()


def test_all_text_needs_no_labels_and_measures_none(corpus: Path, tmp_path: Path) -> None:
    config = tiny_config(steps=2, data={"text_share": 1.0})

    folder = pretrain([corpus / "text.txt"], None, tmp_path / "run", config)

    assert load(str(folder), device="cpu").window == 80
    assert not (tmp_path / "run" / "labelled.json").exists()


@pytest.mark.parametrize(("share", "flag"), [(0.0, "--ner"), (1.0, "--text FILE")])
def test_missing_data_is_asked_for(corpus: Path, tmp_path: Path, share: float, flag: str) -> None:
    text, labelled = ([corpus / "text.txt"], None) if share == 0 else ([], corpus / "ner")

    with pytest.raises(ConfigError, match=f"pass {flag}"):
        prepare(text, labelled, tmp_path, tiny_config(data={"text_share": share}))
    with pytest.raises(ConfigError, match="holds no vocabulary yet"):
        prepare([], None, tmp_path / "new", tiny_config())


@pytest.mark.parametrize("variant", VARIANTS)
def test_backbone_loads_here_and_in_transformers(
    variant: dict[str, Any], prepared_folder: Path, tmp_path: Path
) -> None:
    from transformers import T5ForConditionalGeneration

    t5 = T5(T5Shape(vocab_size=1024, **tiny_config().sizes, **variant))  # type: ignore[arg-type]
    t5.initialise(0)
    write_backbone(t5, prepared_folder / "tokenizer", tmp_path, window=77, shard_bytes=10_000)

    shards = sorted(tmp_path.glob("*.safetensors"))
    assert len(shards) > 2 and sum(path.stat().st_size > 11_000 for path in shards) == 1  # the embedding is one tensor
    ours = load(str(tmp_path), device="cpu", precision="float32")
    assert ours.window == 77
    theirs = T5ForConditionalGeneration.from_pretrained(tmp_path, dtype=torch.float32).eval()
    source, target = torch.tensor([[5, 9, 300, 1]]), torch.tensor([[0, 17, 8]])
    with torch.no_grad():
        mask = torch.ones_like(source, dtype=torch.bool)
        logits = ours.t5.decode(target, ours.t5.encode(source, mask), mask) @ ours.t5.output_weight.T
        torch.testing.assert_close(logits, theirs(input_ids=source, decoder_input_ids=target).logits)
    state = {name: tensor.to(torch.bfloat16) for name, tensor in t5.state_dict().items()}
    assert all(torch.equal(state[name].float(), tensor) for name, tensor in ours.t5.state_dict().items())


def taught_config(teacher: Path, **values: Any) -> PretrainConfig:
    """A run that starts from a tiny BERT and follows it."""
    shape = {"d_model": 49, "d_kv": 8, "d_ff": 64, "heads": 5, "encoder_layers": 2, "decoder_layers": 1}
    data = {"text_share": 0.0, "distilled": 0.2, "distilled_start": 1.0, "distilled_until": 0.8}
    settings = {"teacher": str(teacher), "shape": shape, "average": 0.5, "decay": 0.5, "data": data} | values
    return tiny_config(**settings)


@pytest.mark.usefixtures("threads")
@pytest.mark.slow
def test_taught_run_that_was_stopped_gives_the_same_weights_and_average(prepared_folder: Path, tmp_path: Path) -> None:
    config = taught_config(write_bert(tmp_path / "bert", ["rome"]), steps=8, log_every=1, save_every=2)
    whole = fresh(prepared_folder, tmp_path / "whole")
    parts = fresh(prepared_folder, tmp_path / "parts")

    records = run(whole, config)
    with pytest.raises(Stopped):
        run(parts, config, stop=5)
    run(parts, config, resume=True)

    kinds = {name for record in records for name in record if name.startswith("loss_")}
    assert kinds == {"loss_words", "loss_entities"}
    for name in ("weights", "average"):
        ours, theirs = (load_file(out / "checkpoint" / f"{name}.safetensors") for out in (whole, parts))
        assert ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)
    average = load_file(whole / "checkpoint" / "average.safetensors")
    backbone = load(str(whole / "backbone"), device="cpu", precision="bfloat16")
    written = backbone.t5.state_dict()["encoder.layers.0.ff.wi.weight"]
    assert torch.equal(written, average["module.encoder.layers.0.ff.wi.weight"].bfloat16())
    assert backbone.t5.shape.activation == "gelu" and not backbone.t5.shape.gated
    assert load(str(whole / "backbone"), device="cpu", precision="int8").fingerprint == backbone.fingerprint
    assert (whole / "backbone" / "ranges.json").is_file()
    assert {"actor", "city", "person"} <= backbone.known_types


@pytest.mark.slow
@pytest.mark.usefixtures("threads")
def test_a_run_on_the_teachers_text_alone_comes_nearer_to_it(prepared_folder: Path, tmp_path: Path) -> None:
    data = {"text_share": 0.0, "distilled": 1.0}
    config = taught_config(
        write_bert(tmp_path / "bert", ["rome"]), steps=40, log_every=10, lr=0.01, carried=1.0, average=0.0, data=data
    )
    records = run(fresh(prepared_folder, tmp_path / "run"), config)
    losses = [record["loss_words"] for record in records if "loss_words" in record]
    assert losses[-1] < 0.9 * losses[0]


def test_a_run_may_end_sooner_than_planned(prepared_folder: Path, tmp_path: Path) -> None:
    out = fresh(prepared_folder, tmp_path / "run")
    config = tiny_config(steps=20, save_every=2, log_every=1, decay=0.2)
    with pytest.raises(Stopped):
        run(out, config, stop=5)
    records = run(out, replace(config, steps=8, decay=0.5), resume=True)
    rates = [record["lr"] for record in records if "lr" in record]
    assert records[-1]["final"]["step"] == 8
    assert rates[-1] < rates[0]


def test_a_run_may_learn_faster_from_smaller_batches(prepared_folder: Path, tmp_path: Path) -> None:
    out, config = fresh(prepared_folder, tmp_path / "run"), tiny_config(steps=12, save_every=2, log_every=1)
    with pytest.raises(Stopped):
        run(out, config, stop=5)
    half = replace(config.data, batch_pieces=config.data.batch_pieces // 2)
    run(out, replace(config, lr=2 * config.lr, data=half), resume=True)
    records = [json.loads(line) for line in (out / "log.jsonl").read_text("utf-8").splitlines()]
    rates = {record["step"]: record["lr"] for record in records if "lr" in record}
    pieces = {record["step"]: record["million_pieces"] for record in records if "lr" in record}
    assert rates[6] > 1.2 * rates[4]
    assert pieces[12] - pieces[8] < pieces[4]


def test_a_teacher_needs_its_text_and_no_other_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="needs a teacher"):
        PretrainConfig.from_dict({"data": {"distilled": 0.1}})
    with pytest.raises(ConfigError, match="not from both"):
        PretrainConfig.from_dict({"teacher": str(tmp_path), "start": "cpner-mini"})
