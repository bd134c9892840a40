from __future__ import annotations

import contextlib
import functools
import json
import signal
import subprocess
import sys
import time

import pytest

from cpner.cli import training as training_module
from cpner.store import Store
from tests.support import cpner, environment, stored_prefix


def test_warm_up_stores_a_domain_with_its_curve(corpus, tiny_folder, tmp_path):
    store = tmp_path / "new" / "store"

    result = cpner(
        "warm-up", corpus, "--domain", "x", "--store", store, "--backbone", tiny_folder, "--epochs", 3, "--length", 4,
        "--json",
    )  # fmt: skip

    assert result.exit_code == 0, result.stderr
    printed = json.loads(result.stdout)
    assert {key: printed[key] for key in ("domain", "strategy", "sources", "epochs")} == {
        "domain": "x",
        "strategy": "warm-up",
        "sources": {},
        "epochs": 3,
    }
    card = Store(store).card("x")
    assert (card.types, card.prefix["length"]) == (["person", "location"], 4)
    assert json.loads((store / "x" / "curve.json").read_text("utf-8")) == printed["curve"]
    assert (store / "x" / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert not (store / ".runs").exists()


def test_warm_up_prints_for_people(corpus, store):
    result = cpner("warm-up", corpus, "--domain", "x", "--store", store, "--epochs", 1)

    words = [line.split()[0] for line in result.stdout.splitlines()]
    assert words == ["dev", "epochs", "stored"]


def test_settings_come_from_the_file_and_then_from_flags(corpus, store, tmp_path):
    config = tmp_path / "c.toml"
    config.write_text("lr = 0.5\nseed = 7\nepochs = 9\nmin_steps = 0\nlr_ramp_steps = 0", encoding="utf-8")

    result = cpner(
        "warm-up", corpus, "--domain", "x", "--store", store, "--config", config, "--epochs", 1, "--lr", 0.25, "--json"
    )

    printed = json.loads(result.stdout)
    assert printed["epochs"] == 1
    assert Store(store).card("x").seed == 7
    assert 0 < printed["curve"][0]["lr"] <= 0.25


def test_unknown_settings_are_refused(corpus, store, tmp_path):
    config = tmp_path / "c.toml"
    config.write_text("learning_rate = 1", encoding="utf-8")

    result = cpner("warm-up", corpus, "--domain", "x", "--store", store, "--config", config)

    assert result.exit_code == 2
    assert "learning_rate" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_sample_is_learnt_from(corpus, store):
    cpner("warm-up", corpus, "--domain", "x", "--store", store, "--epochs", 1, "--count", 2)

    assert Store(store).card("x").statistics["splits"]["train"]["sentences"] == 2


def test_a_stopped_run_says_how_to_go_on_and_goes_on(corpus, store, monkeypatch):
    arguments = ("warm-up", corpus, "--store", store, "--epochs", 4)
    assert cpner(*arguments, "--domain", "whole").exit_code == 0

    def stop(progress):
        if progress.done >= 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(training_module, "progress_bar", lambda: contextlib.nullcontext(stop))
        stopped = cpner(*arguments, "--domain", "x")
    assert (stopped.exit_code, stopped.stdout) == (130, "")
    assert stopped.stderr.strip() == (
        "cpner: stopped. Run the same command with --resume to go on from the last checkpoint."
    )
    assert "x" not in Store(store)
    assert (store / ".runs" / "x" / "checkpoint.safetensors").exists()

    assert cpner(*arguments, "--domain", "x", "--resume").exit_code == 0

    assert stored_prefix(store, "x") == stored_prefix(store, "whole")
    assert not (store / ".runs").exists()


@pytest.mark.slow
def test_ctrl_c_in_a_real_process(corpus, store):
    command = [sys.executable, "-m", "cpner", "warm-up", corpus, "--domain", "x", "--store", store, "--epochs", "99999"]
    default = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # it is off in jobs of the background
    process = subprocess.Popen(
        [str(part) for part in command], env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=default,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not (store / ".runs" / "x" / "checkpoint.safetensors").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)

    assert (process.returncode, stdout) == (130, "")
    *progress, last = stderr.splitlines()
    assert all("epoch" in line for line in progress)
    assert last.startswith("cpner: stopped. Run the same command with --resume")


def test_a_stopped_run_gives_way_to_a_new_one(corpus, store):
    leftover = store / ".runs" / "x" / "run.json"
    leftover.parent.mkdir(parents=True)
    leftover.write_text('{"backbone": "another"}', encoding="utf-8")

    result = cpner("warm-up", corpus, "--domain", "x", "--store", store, "--epochs", 1)

    assert result.exit_code == 0, result.stderr


def test_a_running_training_is_left_alone(corpus, store):
    from filelock import FileLock

    folder = store / ".runs" / "x"
    folder.mkdir(parents=True)
    with FileLock(folder / ".lock"):
        result = cpner("warm-up", corpus, "--domain", "x", "--store", store, "--epochs", 1)
        dapt = cpner("dapt", corpus, "--domain", "x", "--store", store, "--steps", 1)  # which has no run folder

    assert result.exit_code == 2
    assert "being trained" in result.stderr
    assert dapt.exit_code == 0 and folder.is_dir()


def test_a_name_that_differs_in_case_only_is_refused_before_training(corpus, store):
    for command in ("warm-up", "fit", "dapt"):
        result = cpner(command, corpus, "--domain", "TWO", "--store", store)

        assert result.exit_code == 2 and "differs from the stored 'two' in case only" in result.stderr
        assert not (store / ".runs" / "TWO" / "run.json").exists()


def test_nothing_to_resume_is_told(corpus, store):
    result = cpner("warm-up", corpus, "--domain", "x", "--store", store, "--epochs", 1, "--resume")

    assert result.exit_code == 0 and "Nothing to resume" in result.stderr


def test_a_mistake_costs_no_checkpoint(corpus, store):
    checkpoint = store / ".runs" / "x" / "checkpoint.safetensors"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_bytes(b"hours of work")

    for mistaken in (("no/such/corpus",), (corpus, "--lr", -1), (corpus, "--backbone", "no/such/back/bone")):
        assert cpner("warm-up", *mistaken, "--domain", "x", "--store", store).exit_code == 2

    assert checkpoint.read_bytes() == b"hours of work"
