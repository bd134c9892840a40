"""A small corpus, and a store with two domains on the tiny backbone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.support import cpner

SENTENCES = {
    "train": [
        ("Johnson joined the Whigs in Baltimore.", [("Johnson", "person"), ("Baltimore", "location")]),
        ("Ada Lovelace met Charles Babbage in Rome.", [("Ada Lovelace", "person"), ("Charles Babbage", "person")]),
        ("The bank of the river.", []),
        ("Joseph left New York.", [("Joseph", "person"), ("New York", "location")]),
    ],
    "dev": [("Joseph met Ada.", [("Joseph", "person"), ("Ada", "person")])],
    "test": [("Regan left Paris.", [("Regan", "person"), ("Paris", "location")])],
}


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of a few sentences."""
    folder = tmp_path_factory.mktemp("corpus")
    for split, sentences in SENTENCES.items():
        lines = []
        for text, names in sentences:
            marks = [(text.index(name), text.index(name) + len(name), type) for name, type in names]
            lines.append(
                json.dumps({"text": text, "entities": [{"start": s, "end": e, "type": t} for s, e, t in marks]})
            )
        (folder / f"{split}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def stored(corpus: Path, tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the domains `one` and `two`. Shared: tests must not change it."""
    store = tmp_path_factory.mktemp("stores") / "store"
    for seed, domain in enumerate(("one", "two")):
        arguments = ("--domain", domain, "--store", store, "--backbone", tiny_folder, "--epochs", 2, "--seed", seed)
        result = cpner("warm-up", corpus, *arguments)
        assert result.exit_code == 0, result.stderr
    return store


@pytest.fixture
def store(stored: Path, tmp_path: Path) -> Path:
    """A copy of the store, to be changed."""
    return Path(shutil.copytree(stored, tmp_path / "store"))
