from __future__ import annotations

import pytest

from cpner.store import Store
from tests.support import cpner


def test_dapt_makes_a_domain_that_is_trained_on(corpus, store, tiny_folder, tmp_path):
    text = tmp_path / "more.txt"
    text.write_text("Joseph met Ada Lovelace in New York.\n" * 3, encoding="utf-8")

    result = cpner(
        "dapt", corpus, "--text", text, "--domain", "x", "--store", store, "--backbone", tiny_folder, "--steps", 2
    )

    assert result.exit_code == 0, result.stderr
    assert (Store(store).card("x").strategy, Store(store).card("x").types) == ("dapt", ["person", "location"])
    trained = cpner("transfer", corpus, "--target", "x", "--strategy", "none", "--store", store, "--epochs", 1)
    assert trained.exit_code == 0, trained.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "--domain"),
        (("--domain", "x", "--store", "s"), "no text"),
        (("--domain", "x", "--store", "s", "--text", __file__), "a domain needs types"),
        (("--domain", "x", "--store", "s", "--text", "nowhere.txt"), "nowhere.txt"),
    ],
)
def test_dapt_says_what_is_wrong(arguments, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = cpner("dapt", *arguments)

    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert said in result.stderr
