from __future__ import annotations

import json

import pytest

from tests.support import cpner


def test_fit_checks_its_settings_before_it_trains(corpus, store):
    result = cpner("fit", corpus, "--domain", "new", "--sources", "two", "--top-k", 3, "--store", store)

    assert result.exit_code == 2 and "top_k from 1 to the number of sources" in result.stderr
    assert not (store / ".runs").exists()


@pytest.mark.parametrize(("sources", "expected"), [(None, set()), ("two", {"two"}), ("auto", {"one", "two"})])
def test_fit_uses_the_sources_it_is_given(corpus, store, sources, expected):
    given = () if sources is None else ("--sources", sources)

    result = cpner("fit", corpus, "--domain", "three", *given, "--store", store, "--epochs", 1, "--json")

    assert result.exit_code == 0, result.stderr
    assert set(json.loads(result.stdout)["sources"]) == expected
    assert (store / "three" / "curve.json").exists()
    assert not (store / ".runs").exists()
