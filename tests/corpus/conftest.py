from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

CONTENT = {"train.txt": b"EU\tB-organisation\n" * 5000, "test.txt": b"Bonn\tB-location\n"}  # what the server has


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    """Write a file byte for byte and return its path."""

    def write_file(name: str, content: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode())
        return path

    return write_file


class Server(ThreadingHTTPServer):
    requests: list[str]  # paths asked for
    url: str

    def handle_error(self, *_: object) -> None:
        """Say nothing when a client hangs up in the middle of a file, as it may."""


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A web server of tmp_path/web, which holds the files as toy/NAME."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    (tmp_path / "web/toy").mkdir(parents=True)
    for name, content in CONTENT.items():
        (tmp_path / "web/toy" / name).write_bytes(content)

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            running.requests.append(self.path)

    running = Server(("127.0.0.1", 0), partial(Handler, directory=tmp_path / "web"))
    running.requests, running.url = [], f"http://127.0.0.1:{running.server_port}"
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield running
    running.shutdown()
    running.server_close()
    thread.join()
