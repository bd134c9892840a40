from __future__ import annotations

import pytest

from cpner.store import Store
from tests.support import cpner, stored_prefix


def test_self_train_puts_one_prefix_in_the_place_of_an_ensemble(corpus, store, tmp_path):
    text = tmp_path / "more.txt"
    text.write_text("Joseph met Ada Lovelace in New York.\n\n" * 3, encoding="utf-8")
    ensemble = ("transfer", corpus, "--target", "one", "--strategy", "ensemble", "--members", 2, "--epochs", 1)
    assert cpner(*ensemble, "--store", store).exit_code == 0
    length = Store(store).card("one").prefix["length"] // 2

    result = cpner(
        "self-train", corpus, "--text", text, "--domain", "one", "--store", store, "--epochs", 2, "--least-score", 0
    )

    assert result.exit_code == 0
    assert result.stderr.endswith("Learnt from 3 of 3 lines without labels\n")  # on a slow machine after its progress
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
    before = stored_prefix(store, "one")

    result = cpner("self-train", *arguments, "--store", store)

    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert said in result.stderr
    assert stored_prefix(store, "one") == before
