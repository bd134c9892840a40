from __future__ import annotations

import json

import pytest

from tests.support import cpner


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
