from __future__ import annotations

import json
import os

import pytest

from cpner.store import Store
from tests.support import TEXT, cpner


def test_domains_are_listed(stored):
    printed = json.loads(cpner("domains", "list", "--store", stored, "--json").stdout)

    assert [domain["name"] for domain in printed["domains"]] == ["one", "two"]
    assert printed["domains"][0]["types"] == ["person", "location"]
    table = cpner("domains", "list", "--store", stored).stdout
    assert "one" in table and "person, location" in table


def test_a_damaged_domain_is_listed_with_what_is_wrong(store):
    (store / "two" / "domain.json").write_text("{", encoding="utf-8")

    result = cpner("domains", "list", "--store", store, "--json")

    one, two = json.loads(result.stdout)["domains"]
    assert one["name"] == "one"
    assert "domain.json" in two["error"]
    assert cpner("domains", "list", "--store", store).exit_code == 0


def test_an_empty_store_is_no_error(tmp_path):
    result = cpner("domains", "list", "--store", tmp_path)

    assert (result.exit_code, result.stdout.strip()) == (0, f"No domains in {tmp_path}.")


def test_a_domain_is_shown(stored):
    printed = json.loads(cpner("domains", "show", "one", "--store", stored, "--json").stdout)

    assert (printed["name"], printed["strategy"]) == ("one", "warm-up")
    assert "person, location" in cpner("domains", "show", "one", "--store", stored).stdout


def test_domains_are_exported_and_imported(corpus, store, tmp_path):
    file = tmp_path / "one.zip"
    before = cpner("predict", TEXT, "--domain", "one", "--store", store).stdout

    assert cpner("domains", "export", "one", file, "--store", store).exit_code == 0
    imported = cpner("domains", "import", file, "--store", tmp_path / "other", "--name", "uno")

    assert imported.stderr == f"Stored uno in {tmp_path / 'other'}\n"
    after = json.loads(cpner("predict", TEXT, "--domain", "uno", "--store", tmp_path / "other").stdout)
    assert after == {**json.loads(before), "domain": "uno"}


def test_nothing_is_replaced_unasked(store, tmp_path):
    file = tmp_path / "one.zip"
    cpner("domains", "export", "one", file, "--store", store)

    again = cpner("domains", "export", "one", file, "--store", store)
    imported = cpner("domains", "import", file, "--store", store)

    assert (again.exit_code, imported.exit_code) == (2, 2)
    assert cpner("domains", "import", file, "--store", store, "--overwrite").exit_code == 0


def test_domains_are_removed_all_or_none(store):
    refused = cpner("domains", "remove", "one", "three", "--store", store)

    assert refused.exit_code == 2
    assert Store(store).names() == ["one", "two"]
    assert cpner("domains", "remove", "one", "two", "--store", store).exit_code == 0
    assert Store(store).names() == []


@pytest.mark.filterwarnings("ignore:.*relative bias")
def test_a_domain_goes_to_another_library_and_comes_back(store, tiny_folder, tmp_path):
    folder = tmp_path / "adapter"
    before = cpner("predict", TEXT, "--domain", "one", "--store", store, "--raw-scores").stdout

    exported = cpner("domains", "export", "one", folder, "--as", "adapterhub", "--store", store)
    imported = cpner("domains", "import", folder, "--name", "uno", "--store", store)

    assert (exported.exit_code, imported.exit_code) == (0, 0)
    after = json.loads(cpner("predict", TEXT, "--domain", "uno", "--store", store, "--raw-scores").stdout)
    assert after == {**json.loads(before), "domain": "uno"}
    assert cpner("domains", "import", folder, "--name", "two", "--store", store).exit_code == 2
    (folder / "domain.json").unlink()
    assert "give --types" in cpner("domains", "import", folder, "--store", store).stderr


def test_what_peft_cannot_hold_is_one_line(store, tmp_path):
    refused = cpner("domains", "export", "one", tmp_path / "out", "--as", "peft", "--store", store)

    assert refused.exit_code == 2
    assert "stands before encoder: export it as adapterhub" in refused.stderr.splitlines()[-1]


def test_what_is_no_file_is_not_imported_nor_read(stored, tmp_path):
    endless = cpner("domains", "import", "/dev/zero", "--store", tmp_path / "new")
    (tmp_path / "store" / "pipe").mkdir(parents=True)
    os.mkfifo(tmp_path / "store" / "pipe" / "domain.json")
    (tmp_path / "store" / "pipe" / "prefix.safetensors").touch()
    listed = cpner("domains", "list", "--store", tmp_path / "store")

    assert (endless.exit_code, endless.stdout) == (2, "")
    assert "/dev/zero is no file" in endless.stderr
    assert listed.exit_code == 0 and "is no file" in listed.stdout


@pytest.mark.parametrize(
    "command",
    [("corpora", "stats", "sample:news", "--names"), ("fit", "sample:news", "--domain", "x", "--config")],
)
def test_settings_without_end_are_refused(command, tmp_path):
    result = cpner(*command, "/dev/zero", *(["--store", tmp_path] if command[0] == "fit" else []))

    assert (result.exit_code, result.stdout) == (2, "")
    assert "which no settings need" in result.stderr
