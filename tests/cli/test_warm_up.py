from __future__ import annotations

import contextlib
import functools
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

from cpner.cli import warm_up as warm_up_module
from cpner.store import Store

from .conftest import cpner, environment


def prefix(store: Path, domain: str) -> dict[str, list[float]]:
    return {name: part.flatten().tolist() for name, part in load_file(store / domain / "prefix.safetensors").items()}


def test_warm_up_stores_a_domain_with_its_curve(corpus, tiny_folder, tmp_path):
    store = tmp_path / "new" / "store"

    result = cpner(
        "warm-up", corpus, "--domain", "x", "--store", store, "--backbone", tiny_folder, "--epochs", 3, "--length", 4,
        "--json",
    )  # fmt: skip

    assert (result.exit_code, result.stderr) == (0, "")
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
        patched.setattr(warm_up_module, "progress_bar", lambda: contextlib.nullcontext(stop))
        stopped = cpner(*arguments, "--domain", "x")
    assert (stopped.exit_code, stopped.stdout) == (130, "")
    assert stopped.stderr.strip() == (
        "cpner: stopped. Run the same command with --resume to go on from the last checkpoint."
    )
    assert "x" not in Store(store)
    assert (store / ".runs" / "x" / "checkpoint.safetensors").exists()

    assert cpner(*arguments, "--domain", "x", "--resume").exit_code == 0

    assert prefix(store, "x") == prefix(store, "whole")
    assert not (store / ".runs").exists()


def test_ctrl_c_in_a_real_process(corpus, store):
    command = [sys.executable, "-m", "cpner", "warm-up", corpus, "--domain", "x", "--store", store, "--epochs", "99999"]
    default = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # it is off in jobs of the background
    process = subprocess.Popen(
        [str(part) for part in command], env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=default,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not (store / ".runs" / "x" / "run.json").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)

    assert (process.returncode, stdout) == (130, "")
    assert stderr.strip().startswith("cpner: stopped. Run the same command with --resume")
    assert len(stderr.strip().splitlines()) == 1


def test_a_stopped_run_gives_way_to_a_new_one(corpus, store):
    leftover = store / ".runs" / "x" / "run.json"
    leftover.parent.mkdir(parents=True)
    leftover.write_text('{"backbone": "another"}', encoding="utf-8")

    result = cpner("warm-up", corpus, "--domain", "x", "--store", store, "--epochs", 1)

    assert (result.exit_code, result.stderr) == (0, "")


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


def test_fit_checks_its_settings_before_it_trains(corpus, store):
    result = cpner("fit", corpus, "--domain", "new", "--sources", "two", "--top-k", 3, "--store", store)

    assert result.exit_code == 2 and "top_k from 1 to the number of sources" in result.stderr
    assert not (store / ".runs").exists()


def test_select_prints_the_selectors_numbers(stored, tmp_path):
    picture = tmp_path / "s.png"

    result = cpner(
        "select", "--target", "one", "--sources", "two", "--store", stored, "--alpha", 1, "--plot", picture, "--json"
    )

    printed = json.loads(result.stdout)
    assert printed["sources"] == ["two"]
    assert printed["weights"] == [1.0]
    assert printed["total"] == printed["entity_similarity"] == [pytest.approx(1)]  # the same types
    assert result.stderr == f"Wrote {picture}\n"
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_select_prints_a_table(stored):
    printed = cpner("select", "--target", "one", "--sources", "two", "--store", stored).stdout.split()

    assert printed[:3] == ["Sources", "for", "one"]
    assert printed[-5] == "two"
    assert printed[-1] == "1.0000"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--target", "one", "--sources", "one"), "one"),
        (("--target", "one", "--sources", "tow"), "Did you mean 'two'?"),
        (("--target", "one", "--sources", "two", "--top-k", "2"), "top_k"),
        (("--target", "one", "--sources", "two", "--plot", "s.doc"), "'.doc'"),
    ],
)
def test_select_says_what_is_wrong(stored, arguments, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = cpner("select", *arguments, "--store", stored)

    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr


def test_transfer_trains_the_target_on(corpus, store):
    before = prefix(store, "one")

    result = cpner("transfer", corpus, "--target", "one", "--sources", "two", "--store", store, "--epochs", 1, "--json")

    assert (result.exit_code, result.stderr) == (0, "")
    printed = json.loads(result.stdout)
    assert (printed["strategy"], printed["sources"]) == ("collaborate", {"two": 1.0})
    assert Store(store).card("one").sources == {"two": 1.0}
    assert prefix(store, "one") != before
    assert not (store / ".runs").exists()


@pytest.mark.parametrize("target", ["one", "new"])
def test_transfer_finds_its_sources_itself(corpus, store, target):
    strategy = "uniform" if target == "one" else "zero-label"

    result = cpner("transfer", corpus, "--target", target, "--sources", "auto", "--strategy", strategy,
                   "--store", store, "--epochs", 1)  # fmt: skip

    assert (result.exit_code, result.stderr) == (0, "")
    assert set(Store(store).card(target).sources) == {"one", "two"} - {target}
    selected = cpner("select", "--target", target, "--sources", "auto", "--store", store, "--json")
    assert set(json.loads(selected.stdout)["sources"]) == {"one", "two"} - {target}


@pytest.mark.parametrize("strategy", ["none", "single", "uniform", "chain", "ensemble", "zero-label"])
def test_transfer_knows_other_strategies(corpus, store, strategy):
    given = () if strategy == "none" else ("--sources", "two,three")
    fitted = cpner("fit", corpus, "--domain", "three", "--store", store, "--epochs", 1)
    assert fitted.exit_code == 0

    result = cpner(
        "transfer", corpus, "--target", "one", *given, "--strategy", strategy, "--corpus-of", f"three={corpus}",
        "--store", store, "--epochs", 1, "--json",
    )  # fmt: skip

    assert (result.exit_code, result.stderr) == (0, "")
    assert json.loads(result.stdout)["strategy"] == strategy == Store(store).card("one").strategy
    assert not (store / ".runs").exists()
    predicted = cpner("predict", "--domain", "one", "--store", store, "--format", "jsonl", "Joseph met Ada.")
    assert (predicted.exit_code, predicted.stderr) == (0, "")


def test_an_ensemble_needs_no_sources(corpus, store):
    result = cpner(
        "transfer", corpus, "--target", "one", "--strategy", "ensemble", "--members", 2,
        "--store", store, "--epochs", 1,
    )  # fmt: skip

    assert result.exit_code == 0
    assert Store(store).card("one").members == ["seed 0", "seed 1"]
    assert "seed 0, seed 1; they agree on probabilities" in cpner("domains", "show", "one", "--store", store).stdout
    assert not (store / ".runs").exists()


def test_transfer_needs_no_corpus_where_types_are_named(store):
    arguments = ("--target", "new", "--sources", "one", "--strategy", "zero-label", "--store", store)

    result = cpner("transfer", *arguments, "--type-names", "song,band")

    assert (result.exit_code, result.stderr) == (0, "")
    assert Store(store).card("new").types == ["song", "band"]
    without = cpner("transfer", *arguments)
    assert (without.exit_code, without.stdout) == (2, "") and "give --type-names, or CORPUS" in without.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--sources", "two", "--corpus-of", "two"), "is not NAME=CORPUS"),
        (("--strategy", "none", "--sources", "two"), "none has no source"),
        ((), "strategy collaborate needs --sources"),
        (
            ("--sources", "two", "--strategy", "chain", "--corpus-of", "tow=x"),
            "names 'tow', which is none of --sources",
        ),
        (("--strategy", "best"), "'best' is not one of"),
    ],
)
def test_transfer_says_what_is_wrong(corpus, store, arguments, said):
    result = cpner("transfer", corpus, "--target", "one", *arguments, "--store", store, "--epochs", 1)

    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert said in result.stderr


@pytest.mark.parametrize(("sources", "expected"), [(None, set()), ("two", {"two"}), ("auto", {"one", "two"})])
def test_fit_uses_the_sources_it_is_given(corpus, store, sources, expected):
    given = () if sources is None else ("--sources", sources)

    result = cpner("fit", corpus, "--domain", "three", *given, "--store", store, "--epochs", 1, "--json")

    assert (result.exit_code, result.stderr) == (0, "")
    assert set(json.loads(result.stdout)["sources"]) == expected
    assert (store / "three" / "curve.json").exists()
    assert not (store / ".runs").exists()


def test_dapt_makes_a_domain_that_is_trained_on(corpus, store, tiny_folder, tmp_path):
    text = tmp_path / "more.txt"
    text.write_text("Joseph met Ada Lovelace in New York.\n" * 3, encoding="utf-8")

    result = cpner(
        "dapt", corpus, "--text", text, "--domain", "x", "--store", store, "--backbone", tiny_folder, "--steps", 2
    )

    assert (result.exit_code, result.stderr) == (0, "")
    assert (Store(store).card("x").strategy, Store(store).card("x").types) == ("dapt", ["person", "location"])
    trained = cpner("transfer", corpus, "--target", "x", "--strategy", "none", "--store", store, "--epochs", 1)
    assert (trained.exit_code, trained.stderr) == (0, "")


def test_dapt_writes_a_backbone(tiny_folder, corpus, tmp_path):
    out = tmp_path / "new" / "backbone"
    arguments = ("dapt", corpus, "--out", out, "--backbone", tiny_folder, "--steps", 2)

    assert cpner(*arguments).exit_code == 0
    predicted = cpner("predict", "--backbone", out, "--types", "person", "Joseph met Ada.")

    assert (predicted.exit_code, predicted.stderr) == (0, "")
    again = cpner(*arguments)
    assert again.exit_code == 2 and "is there already" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give --domain and --store"),
        (("--domain", "x", "--store", "s"), "no text"),
        (("--domain", "x", "--store", "s", "--text", __file__), "a domain needs types"),
        (("--out", "new", "--text", "nowhere.txt"), "nowhere.txt"),
    ],
)
def test_dapt_says_what_is_wrong(arguments, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = cpner("dapt", *arguments)

    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert said in result.stderr


def test_self_train_puts_one_prefix_in_the_place_of_an_ensemble(corpus, store, tmp_path):
    text = tmp_path / "more.txt"
    text.write_text("Joseph met Ada Lovelace in New York.\n\n" * 3, encoding="utf-8")
    ensemble = ("transfer", corpus, "--target", "one", "--strategy", "ensemble", "--members", 2, "--epochs", 1)
    assert cpner(*ensemble, "--store", store).exit_code == 0
    length = Store(store).card("one").prefix["length"] // 2

    result = cpner(
        "self-train", corpus, "--text", text, "--domain", "one", "--store", store, "--epochs", 2, "--least-score", 0
    )

    assert (result.exit_code, result.stderr) == (0, "Learnt from 3 of 3 lines without labels\n")
    card = Store(store).card("one")
    assert (card.strategy, card.members, card.prefix["length"]) == ("self-training", [], length)
    assert card.metrics["pseudo_labelled"] == 3
    assert not (store / ".runs").exists()


def test_self_train_needs_no_labels(store, tmp_path):
    text = tmp_path / "more.txt"
    text.write_text("Joseph met Ada Lovelace in New York.\n", encoding="utf-8")
    before = Store(store).card("one").types

    result = cpner("self-train", "--text", text, "--domain", "one", "--store", store, "--least-score", 0, "--epochs", 1)

    assert result.exit_code == 0
    assert Store(store).card("one").types == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--domain", "one"), "--text"),
        (("--domain", "nowhere", "--text", "full"), "nowhere"),
        (("--domain", "one", "--text", "empty"), "nothing to learn from: of 0 texts"),
        (("--domain", "one", "--text", "full", "--least-score", 2), "--least-score"),
    ],
)
def test_self_train_says_what_is_wrong_and_loses_nothing(arguments, said, store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").write_text("Joseph met Ada.\n", encoding="utf-8")
    (tmp_path / "empty").write_text("\n", encoding="utf-8")
    before = prefix(store, "one")

    result = cpner("self-train", *arguments, "--store", store)

    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert said in result.stderr
    assert prefix(store, "one") == before
