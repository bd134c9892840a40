"""A server in a thread of the tests, and the store that it serves."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import uvicorn

from cpner import CPNER
from cpner.serve.app import make_app
from cpner.serve.context import Context
from cpner.serve.settings import ServeSettings
from tests.support import SENTENCES, TYPES, environment, random_prefix

PATIENCE = 300.0  # seconds: each training is a process of its own, which loads torch
QUICK = {"epochs": 2, "min_steps": 0, "batch_sentences": 2}
DOMAINS = ("one", "three", "two")


class Served(NamedTuple):
    """A running server.

    Attributes:
        client: speaks to it.
        context: what its routes share.
        ner: answers the same questions without a server.
        store: folder of the domains.
    """

    client: httpx.Client
    context: Context
    ner: CPNER
    store: Path

    @property
    def url(self) -> str:
        return str(self.client.base_url)


def fill_store(backbone: Any, store: Path) -> None:
    """Save random domains, each of which finds other entities."""
    ner = CPNER(backbone, store)
    for seed, name in enumerate(DOMAINS):
        ner.add(name, random_prefix(backbone.t5.shape, 3, seed=seed), TYPES)
    ner.save()


@contextmanager
def running(backbone: Any, store: Path, **settings: Any) -> Iterator[Served]:
    """Serve a store."""
    app, context = make_app(CPNER(backbone, store), store, ServeSettings(port=0, **settings))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", timeout_graceful_shutdown=5))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()))
    thread.start()
    try:
        wait_until(lambda: server.started and context.ready)
        port = server.servers[0].sockets[0].getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as client:
            yield Served(client, context, CPNER(backbone, store), store)
    finally:
        server.should_exit = True
        thread.join(30)


class Process:
    """A running `cpner serve`.

    Attributes:
        popen: the process.
        client: speaks to it.
    """

    def __init__(self, popen: subprocess.Popen[str]) -> None:
        self.popen = popen
        self.log: list[str] = []
        self.reader = threading.Thread(target=self._read)
        self.reader.start()
        wait_until(lambda: any("http://" in line for line in self.log) or popen.poll() is not None, PATIENCE)
        address = re.search(r"http://\S+?:\d+", "".join(self.log))
        assert address, self.log
        self.client = httpx.Client(base_url=address[0], timeout=60, trust_env=False)
        wait_until(self._is_ready, PATIENCE)

    def close(self) -> None:
        """Kill the process, if it still runs."""
        self.popen.kill()
        self.popen.wait(60)
        self.reader.join()
        self.client.close()

    def _read(self) -> None:
        assert self.popen.stderr is not None
        with self.popen.stderr as lines:
            for line in lines:
                self.log.append(line)  # at once, as others wait for it

    def _is_ready(self) -> bool:
        try:
            return self.client.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False


@contextmanager
def process(store: Path, *flags: str) -> Iterator[Process]:
    command = [sys.executable, "-m", "cpner", "serve", "--store", str(store), "--port", "0", *flags]
    running = Process(subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment()))
    try:
        yield running
    finally:
        running.close()


def wait_until(true: Callable[[], Any], seconds: float = 60.0, *, pause: float = 0.01) -> None:
    """Wait until something is true; a long pause leaves the processor to those that work for it."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not become true in time"
        time.sleep(pause)


def labelled() -> list[dict[str, Any]]:
    """The sentences of the tests as JSON."""
    return [
        {"text": one.text, "entities": [{"start": e.start, "end": e.end, "type": e.type} for e in one.entities]}
        for one in SENTENCES
    ]


def job(domain: str = "new", kind: str = "fit", **fields: Any) -> dict[str, Any]:
    corpus = {"train": labelled(), "dev": labelled()[:2], "test": labelled()[:3]}
    return {"kind": kind, "domain": domain, "corpus": corpus, "settings": QUICK, **fields}
