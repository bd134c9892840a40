from __future__ import annotations

import json

import pytest

from cpner.store import Store
from tests.support import cpner, stored_prefix


def test_transfer_trains_the_target_on(corpus, store):
    before = stored_prefix(store, "one")

    result = cpner("transfer", corpus, "--target", "one", "--sources", "two", "--share", 0.5, "--store", store,
                   "--epochs", 1, "--json")  # fmt: skip

    assert result.exit_code == 0, result.stderr
    printed = json.loads(result.stdout)
    assert (printed["strategy"], printed["sources"]) == ("collaborate", {"two": 1.0})
    assert Store(store).card("one").sources == {"two": 1.0}
    assert stored_prefix(store, "one") != before
    assert not (store / ".runs").exists()


@pytest.mark.parametrize("target", ["one", "new"])
def test_transfer_finds_its_sources_itself(corpus, store, target):
    strategy = "uniform" if target == "one" else "zero-label"

    result = cpner("transfer", corpus, "--target", target, "--sources", "auto", "--strategy", strategy, "--share", 0.5,
                   "--store", store, "--epochs", 1)  # fmt: skip

    assert result.exit_code == 0, result.stderr
    assert set(Store(store).card(target).sources) == {"one", "two"} - {target}
    selected = cpner("select", "--target", target, "--sources", "auto", "--store", store, "--json")
    assert set(json.loads(selected.stdout)["sources"]) == {"one", "two"} - {target}


@pytest.mark.parametrize("strategy", ["none", "single", "uniform", "chain", "ensemble", "zero-label"])
def test_transfer_knows_other_strategies(corpus, store, strategy):
    given = () if strategy == "none" else ("--sources", "two,three", "--share", 0.5)
    fitted = cpner("fit", corpus, "--domain", "three", "--store", store, "--epochs", 1)
    assert fitted.exit_code == 0

    result = cpner(
        "transfer", corpus, "--target", "one", *given, "--strategy", strategy, "--corpus-of", f"three={corpus}",
        "--store", store, "--epochs", 1, "--json",
    )  # fmt: skip

    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["strategy"] == strategy == Store(store).card("one").strategy
    assert not (store / ".runs").exists()
    predicted = cpner("predict", "--domain", "one", "--store", store, "--format", "jsonl", "Joseph met Ada.")
    assert predicted.exit_code == 0, predicted.stderr


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

    result = cpner("transfer", *arguments, "--types", "song,band")

    assert result.exit_code == 0, result.stderr
    assert Store(store).card("new").types == ["song", "band"]
    without = cpner("transfer", *arguments)
    assert (without.exit_code, without.stdout) == (2, "") and "give --types, or CORPUS" in without.stderr


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
