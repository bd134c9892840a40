"""A small world of text and labelled sentences that the tests make themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from cpner.pretraining.prepare import Prepared, prepare
from tests.support import make_corpus, tiny_config


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the small world."""
    return make_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="session")
def prepared_folder(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with vocabulary and arrays; tests must not change it."""
    out = tmp_path_factory.mktemp("prepared")
    prepare([corpus / "text.txt"], corpus / "ner", out, tiny_config())
    return out


@pytest.fixture(scope="session")
def data(prepared_folder: Path) -> Prepared:
    """What a run reads."""
    return prepare([], None, prepared_folder, tiny_config())
