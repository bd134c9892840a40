"""A store of two domains on a tiny backbone, whose folders components of other libraries are given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cpner import CPNER
from tests.support import TYPES, random_prefix


@pytest.fixture(scope="session")
def store(tiny: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two random domains, "one" and "two", that find different entities."""
    folder = tmp_path_factory.mktemp("integrations") / "store"
    ner = CPNER(tiny, folder)
    for seed, name in enumerate(("one", "two")):
        ner.add(name, random_prefix(tiny.t5.shape, 3, seed=seed), TYPES)
    ner.save()
    return folder


@pytest.fixture(scope="session")
def ner(tiny_folder: Path, store: Path) -> CPNER:
    """A recogniser of its own on the same store, to compare with."""
    return CPNER.load(str(tiny_folder), store=store)


@pytest.fixture
def settings(tiny_folder: Path, store: Path) -> dict[str, Any]:
    """What names backbone and store to a component."""
    return {"backbone": str(tiny_folder), "store": str(store)}
