from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from cpner.client import AsyncClient, Client, ServerError
from tests.serve.support import DOMAINS, fill_store, running

TEXTS = ["Johnson joined the Whigs in Baltimore.", "Ada Lovelace left for Rome."] * 40


@pytest.fixture
def store(tiny: Any, tmp_path: Path) -> Path:
    fill_store(tiny, tmp_path / "store")
    return tmp_path / "store"


def test_the_client_gives_what_the_library_gives(tiny: Any, store: Path) -> None:
    with running(tiny, store, max_wait=60.0) as served, Client(served.url) as client:
        assert client.domains() == list(DOMAINS)
        library = served.ner.predict(TEXTS, "one")
        assert [[e[:4] for e in found] for found in client.predict(TEXTS, "one")] == [
            [e[:4] for e in found] for found in library
        ]
        assert [e[:4] for e in client.predict(TEXTS[0], "one")] == [e[:4] for e in library[0]]

        async def run() -> Any:
            async with AsyncClient(served.url) as other:
                assert await other.domains() == list(DOMAINS)
                return await other.predict(TEXTS, "one")

        assert [[e[:4] for e in found] for found in asyncio.run(run())] == [[e[:4] for e in found] for found in library]


def test_the_client_waits_as_long_as_it_is_told(tiny: Any, store: Path) -> None:
    with running(tiny, store) as served, Client(served.url) as client:
        served.context.gate.draining = True

        async def later() -> None:
            await asyncio.sleep(0.3)
            served.context.gate.draining = False

        async def both() -> Any:
            _, found = await asyncio.gather(later(), asyncio.to_thread(client.predict, TEXTS[0], "one"))
            return found

        began = time.monotonic()
        assert asyncio.run(both())
        assert time.monotonic() - began >= 1  # Retry-After


def test_an_error_is_told_at_once(tiny: Any, store: Path) -> None:
    with running(tiny, store) as served, Client(served.url) as client:
        with pytest.raises(ServerError, match="nowhere") as told:
            client.predict("a", "nowhere")
        assert told.value.status == 404
    with Client(served.url, retries=0) as client, pytest.raises(ServerError, match="reached"):
        client.predict("a", "one")
