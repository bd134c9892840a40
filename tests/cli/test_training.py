"""A command that trains may be killed at any moment of its end: `--resume` gives the result of one that never was."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cpner.store import Store
from tests.support import cpner

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["cpner.ner", "tests.support"])  # torch is imported once, not once a process
CHANGES = {"os.rename", "os.mkdir", "os.remove", "os.rmdir"}


def run_and_die(arguments: tuple[object, ...], folder: Path, step: int) -> None:
    """Run a command, and end without a word before the given change that follows its training."""
    import torch

    torch.set_num_threads(1)
    left = step
    is_over = False

    def watch(event: str, args: tuple) -> None:
        nonlocal left, is_over
        is_over |= event == "open" and ".stored.json." in str(args[0])
        changes = event in CHANGES or (event == "open" and str(args[0]).startswith(str(folder)))
        if is_over and changes:
            left -= 1
            if left < 0:
                os._exit(9)

    sys.addaudithook(watch)
    os._exit(cpner(*arguments).exit_code)


def kill(arguments: tuple[object, ...], folder: Path, step: int) -> int:
    process = processes.Process(target=run_and_die, args=(arguments, folder, step))
    process.start()
    process.join()
    assert process.exitcode in (0, 9)
    return process.exitcode


def tensors(store: Path) -> bytes:
    folders = [store / "one", store / ".old-one"]  # the second while another takes its place
    return next(folder / "prefix.safetensors" for folder in folders if folder.exists()).read_bytes()


def transfer(corpus: Path, text: Path, store: Path) -> tuple[object, ...]:
    return ("transfer", corpus, "--target", "one", "--sources", "two", "--store", store, "--epochs", 1, "--json")


def self_train(corpus: Path, text: Path, store: Path) -> tuple[object, ...]:
    return ("self-train", corpus, "--text", text, "--domain", "one", "--store", store, "--epochs", 1, "--seed", 5,
            "--json")  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("command", [transfer, self_train])
def test_a_command_killed_anywhere_at_its_end_is_resumed_to_the_same_result(
    corpus: Path, store: Path, tmp_path: Path, command: Callable[[Path, Path, Path], tuple[object, ...]]
) -> None:
    text = tmp_path / "text.txt"
    text.write_text("Joseph met Ada Lovelace in New York.\nThe bank of the river.\n", encoding="utf-8")
    whole = Path(shutil.copytree(store, tmp_path / "whole"))
    expected = cpner(*command(corpus, text, whole))
    assert expected.exit_code == 0
    trained = Path(shutil.copytree(store, tmp_path / "trained"))
    kill(command(corpus, text, trained), trained, 0)  # the training has ended, and nothing is stored of it
    assert tensors(trained) == tensors(store) != tensors(whole)

    said = []
    for step in range(200):
        place = Path(shutil.copytree(trained, tmp_path / f"killed-{step}"))
        arguments = (*command(corpus, text, place), "--resume")
        code = kill(arguments, place, step)
        assert tensors(place) in (tensors(store), tensors(whole))
        runs = [path.name for path in (place / ".runs").iterdir()] if (place / ".runs").exists() else []
        if {"one", ".done-one"} & set(runs):
            resumed = cpner(*arguments)
            assert resumed.exit_code == 0, resumed.stderr
            shown, wanted = json.loads(resumed.stdout), json.loads(expected.stdout)
            assert (shown["best_f1"], shown["epochs"]) == (wanted["best_f1"], wanted["epochs"])
            said.append("was trained and stored" in resumed.stderr)
            assert not (place / ".runs").exists()
        assert tensors(place) == tensors(whole)
        assert Store(place).card("one").strategy == Store(whole).card("one").strategy
        shutil.rmtree(place)
        if code == 0:
            break

    assert code == 0
    assert said.index(True) > 3 and all(said[said.index(True) :])  # stored once, never trained again
    assert len(said) - said.index(True) > 5  # the checkpoints go after that


def test_what_is_left_of_an_ended_run_is_cleared_by_the_next(corpus: Path, store: Path) -> None:
    for name in (".done-one", ".old-one"):
        (store / ".runs" / name / "seed-0").mkdir(parents=True)

    result = cpner("warm-up", corpus, "--domain", "one", "--store", store, "--epochs", 1)

    assert (result.exit_code, result.stderr) == (0, "")
    assert not (store / ".runs").exists()


def test_a_run_of_a_domain_that_was_changed_since_is_not_taken_for_the_same(corpus: Path, store: Path) -> None:
    note = {"digest": "0" * 64, "best_f1": None, "epochs": 1, "seconds": 0.0, "curve": []}
    folder = store / ".runs" / "one"
    folder.mkdir(parents=True)
    (folder / "stored.json").write_text(json.dumps(note), "utf-8")
    before = tensors(store)

    result = cpner("warm-up", corpus, "--domain", "one", "--store", store, "--seed", 5, "--epochs", 1, "--resume")

    assert (result.exit_code, result.stderr) == (0, "")
    assert tensors(store) != before
