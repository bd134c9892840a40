"""A run that is killed at any moment and resumed ends at the same prefix, to the bit, as one that never stopped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cpner.backbone.prefix import fingerprint
from cpner.backbone.reparameterisation import Reparameterisation
from cpner.backbone.shape import ATTENTIONS, PrefixConfig
from cpner.errors import TrainingError
from cpner.training import RunDir, TrainingConfig, train_prefix
from tests.support import SENTENCES, SMALL, TYPES
from tests.training.killed_runs import CONFIG

MOMENTS = [  # each goes on from where the one before it was killed
    *[("before", n) for n in (1, 2, 3)],
    *[("after", n) for n in (1, 2)],
    *[("step", n) for n in (1, 2)],
    *[("before", n) for n in (1, 3, 6)],
    ("after", 7),
]


@pytest.mark.slow
def test_a_run_killed_at_many_moments_ends_like_one_that_never_stopped(tiny, tiny_folder: Path, tmp_path: Path):
    whole = train_prefix(tiny, Reparameterisation(tiny.t5.shape, SMALL), SENTENCES, SENTENCES, TYPES, CONFIG)
    root = Path(__file__).parents[2]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{root / 'src'}{os.pathsep}{root}"}

    moments = "".join(f"{moment} {count}\n" for moment, count in [*MOMENTS, ("never", 1)])
    killer = subprocess.run(
        [sys.executable, "-m", "tests.training.killed_runs", str(tiny_folder), str(tmp_path / "run")],
        input=moments, capture_output=True, text=True, env=environment, timeout=300,
    )  # fmt: skip

    assert killer.returncode == 0, killer.stderr
    lines = killer.stdout.split("\n")
    assert [line for line in lines if line.startswith("status")] == ["status -9"] * len(MOMENTS) + ["status 0"]
    assert [line for line in lines if line.startswith("ended")] == [f"ended {fingerprint(whole.prefix)} {whole.steps}"]
    saved = [int(line.split()[1]) for line in lines if line.startswith("saved")]
    assert saved == sorted(saved) and len(set(saved)) > 5  # nothing that was saved is ever lost
    assert json.loads((tmp_path / "run" / "curve.json").read_text("utf-8")) == whole.curve
    left = {path.name for path in (tmp_path / "run").iterdir()}
    assert left - {f"best-{whole.best_epoch}.safetensors"} == {
        ".lock", "run.json", "checkpoint.safetensors", "curve.json", "curve.png",
    }  # fmt: skip


def start(tiny, folder: Path, *, resume: bool = False, train=SENTENCES, config=CONFIG, prefix=SMALL):
    reparameterisation = Reparameterisation(tiny.t5.shape, prefix)
    return train_prefix(tiny, reparameterisation, train, [], TYPES, config, run_dir=folder, resume=resume)


def test_a_run_that_has_ended_gives_its_result_again_without_training(tiny, tmp_path: Path, monkeypatch):
    first = start(tiny, tmp_path)
    monkeypatch.setattr("cpner.training.loop.cross_entropy", lambda *_: pytest.fail("trained again"))

    again = start(tiny, tmp_path, resume=True)

    assert fingerprint(again.prefix) == fingerprint(first.prefix)
    assert (again.curve, again.steps, again.epochs) == (first.curve, first.steps, first.epochs)
    assert all(torch.equal(t, first.reparameterisation[name]) for name, t in again.reparameterisation.items())


def test_without_resume_a_run_starts_over(tiny, tmp_path: Path):
    first = start(tiny, tmp_path)
    before = (tmp_path / "checkpoint.safetensors").stat().st_mtime_ns

    again = start(tiny, tmp_path)

    assert fingerprint(again.prefix) == fingerprint(first.prefix)
    assert (tmp_path / "checkpoint.safetensors").stat().st_mtime_ns > before


def test_what_else_lies_in_the_folder_stays(tiny, tmp_path: Path):
    others = ["model.safetensors", "best-of-all.safetensors", ".my.own.notes"]
    for name in others:
        (tmp_path / name).write_text("mine")
    (tmp_path / ".best-3.safetensors.0a1b2c3d").write_text("left over of a kill")

    start(tiny, tmp_path)

    assert [(tmp_path / name).read_text() for name in others] == ["mine"] * 3
    assert not list(tmp_path.glob(".best-3*"))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"config": TrainingConfig(**{**vars(CONFIG), "lr": 0.02})}, "lr 0.01, not 0.02"),
        ({"train": SENTENCES[:3]}, "another train split"),
        ({"prefix": PrefixConfig(4, ATTENTIONS, "mlp", hidden=16)}, "prefix length 3, not 4"),
    ],
)
@pytest.mark.parametrize("resume", [True, False])
def test_a_folder_of_another_run_is_refused_and_left_alone(tiny, tmp_path: Path, change, told, resume):
    start(tiny, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}

    with pytest.raises(TrainingError, match=f"holds another run, with .*{told}"):
        start(tiny, tmp_path, resume=resume, **change)

    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_how_often_to_save_may_change(tiny, tmp_path: Path):
    first = start(tiny, tmp_path)

    again = start(tiny, tmp_path, resume=True, config=TrainingConfig(**{**vars(CONFIG), "save_seconds": 9.0}))

    assert fingerprint(again.prefix) == fingerprint(first.prefix)


def test_a_run_that_wrote_zero_for_what_is_unset_goes_on(tiny, tmp_path: Path):
    config = replace(CONFIG, lr=None, eval_every=None, eval_limit=None)
    first = start(tiny, tmp_path, config=config)
    known = json.loads((tmp_path / "run.json").read_text("utf-8"))
    assert [known[name] for name in ("lr", "patience", "eval_every", "eval_limit")] == [0, 0, 0, 0]

    again = start(tiny, tmp_path, resume=True, config=replace(config, lr=0.0, patience=0, eval_every=0, eval_limit=0))

    assert fingerprint(again.prefix) == fingerprint(first.prefix)


def test_another_backbone_is_refused(tiny, tmp_path: Path):
    from cpner.backbone.load import load
    from tests.support import make_backbone

    start(tiny, tmp_path / "run")
    other = load(str(make_backbone(tmp_path / "other", seed=1)), device="cpu", precision="float32")

    with pytest.raises(TrainingError, match="holds another run, with another backbone"):
        start(other, tmp_path / "run", resume=True)


def test_a_damaged_checkpoint_is_named(tiny, tmp_path: Path):
    start(tiny, tmp_path)
    (tmp_path / "checkpoint.safetensors").write_bytes(b"x" * 100)

    with pytest.raises(TrainingError, match=r"checkpoint\.safetensors is damaged"):
        start(tiny, tmp_path, resume=True)


def test_two_runs_can_not_share_a_folder(tiny, tmp_path: Path):
    with RunDir(tmp_path, {}, resume=False), pytest.raises(TrainingError, match="in use by another training"):
        start(tiny, tmp_path)


def test_a_file_in_place_of_the_folder_is_refused(tiny, tmp_path: Path):
    (tmp_path / "run").write_text("", "utf-8")

    with pytest.raises(TrainingError, match="can't be a run folder"):
        start(tiny, tmp_path / "run")


def test_the_curve_is_drawn(tiny, tmp_path: Path):
    result = start(tiny, tmp_path)

    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "curve.json").read_text("utf-8")) == result.curve
    assert [row["epoch"] for row in result.curve] == [1, 2, 3, 4]
