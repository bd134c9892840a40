"""A folder that looks like the public datasets, filled from the samples."""

from __future__ import annotations

from pathlib import Path

import pytest

from cpner.corpus import Corpus

NAMES = {
    "ai": "science", "science": "science", "conll2003": "news", "politics": "politics", "literature": "music",
    "music": "music", "mit_movie": "cooking", "mit_restaurant": "cooking",
}  # fmt: skip


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder; every dataset has a few sentences."""
    folder = tmp_path_factory.mktemp("data")
    for name, sample in NAMES.items():
        corpus = Corpus.read(f"sample:{sample}")
        splits = {"train": corpus.train[:6], "dev": corpus.dev[:2], "test": corpus.test[:3]}
        if name.startswith("mit"):
            del splits["dev"]
        Corpus(name, splits, types=corpus.types).write(folder / name, "jsonl")
    return folder
