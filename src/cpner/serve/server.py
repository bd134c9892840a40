"""The process of `cpner serve`: uvicorn with our limits, which ends in order when it is told to."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import uvicorn

from cpner.ner import CPNER
from cpner.serve.app import make_app
from cpner.serve.context import Context
from cpner.serve.settings import ServeSettings

_BACKLOG = 2048
_KEEP_ALIVE = 30  # seconds
_SWITCH = 0.0005  # seconds that answers may keep the model's thread waiting; Python's own 0.005 cost a seventh
_TELL = 0.2  # seconds that answers still tell of the end before the door closes, for balancers that look


class _Server(uvicorn.Server):
    """Refuses new requests first, then lets those in work end, then stops."""

    context: Context

    def handle_exit(self, sig: int, frame: object) -> None:
        if self.context.gate.draining:  # the second time: at once
            self.force_exit = sig == signal.SIGINT
        self.context.gate.draining = True
        super().handle_exit(sig, frame)  # type: ignore[arg-type]

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await asyncio.sleep(_TELL)
        await super().shutdown(sockets)


def serve(ner: CPNER, store: Path, settings: ServeSettings, started: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        ner: with `store` as its store.
        store: folder of the domains.
        settings: of the server.
        started: called with the server's address once it listens.

    Raises:
        OSError: the address is in use, or can't be listened to.
    """
    app, context = make_app(ner, store, settings)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=max(1, round(settings.grace)),
        access_log=False,
        log_level="warning",
        server_header=False,
        date_header=True,
        lifespan="on",
    )
    sys.setswitchinterval(_SWITCH)
    server = _Server(config)
    server.context = context
    listener = _listen(settings)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    started(f"http://{host}:{listener.getsockname()[1]}")
    for sig in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sig, _ended)  # uvicorn raises it once more when all is over
    server.run(sockets=[listener])


def _ended(sig: int, frame: object) -> None:
    """What is left to do for a signal after the server has ended in order."""


def _listen(settings: ServeSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((settings.host.strip("[]"), settings.port))
    listener.set_inheritable(True)
    return listener
