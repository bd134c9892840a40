from __future__ import annotations

import json
import shutil

import pytest

from tests.support import cpner


@pytest.fixture
def store(stored, tmp_path):
    return shutil.copytree(stored, tmp_path / "store")


def test_a_domain_is_calibrated_and_finds_the_same(corpus, store):
    options = ("--domain", "one", "--store", store)
    before = json.loads(cpner("evaluate", corpus, *options, "--json").stdout)

    result = cpner("calibrate", corpus, "--split", "train", *options, "--json")

    table = json.loads(result.stdout)
    assert (table["sentences"], table["version"]) == (4, 1)
    assert json.loads((store / "one" / "domain.json").read_text())["calibration"] == table
    assert json.loads(cpner("evaluate", corpus, *options, "--json").stdout) == before
    told = cpner("calibrate", corpus, "--split", "train", "--count", 2, *options).stdout
    assert "in 2 sentences" in told


def test_a_split_that_is_not_there(corpus, store):
    result = cpner("calibrate", corpus / "test.jsonl", "--domain", "one", "--store", store)

    assert result.exit_code == 2
    assert "no split 'dev'" in result.stderr
