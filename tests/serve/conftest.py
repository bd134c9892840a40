"""A store of random domains for the tiny backbone, and a server of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serve.support import Served, fill_store, running


@pytest.fixture(scope="session")
def domain_store(tiny: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with three domains. Shared: tests must not change it."""
    store = tmp_path_factory.mktemp("served") / "store"
    fill_store(tiny, store)
    return store


@pytest.fixture(scope="session")
def shared_server(tiny: Any, domain_store: Path) -> Iterator[Served]:
    """A server with the default settings. Shared: tests must not change its domains."""
    with running(tiny, domain_store) as served:
        yield served


@pytest.fixture
def store(tiny: Any, tmp_path: Path) -> Path:
    """A store of three domains, to be changed."""
    fill_store(tiny, tmp_path / "store")
    return tmp_path / "store"
