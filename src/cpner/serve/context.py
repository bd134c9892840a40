"""What all routes share, and how a route is declared."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from starlette.requests import Request
from starlette.responses import Response

from cpner.serve.batcher import Batcher
from cpner.serve.engine import Engine
from cpner.serve.guard import Gate
from cpner.serve.metrics import Metrics
from cpner.serve.settings import ServeSettings

if TYPE_CHECKING:
    from cpner.serve.jobs import Jobs

Access = Literal["open", "read", "admin"]


@dataclass
class Context:
    """The parts of a running server.

    Attributes:
        ready: the model is loaded and has answered once.
        writing: whoever changes a domain holds it, so that what a request asks to be true stays true.
        notes: what protocols remember of their clients, by protocol and client.
    """

    settings: ServeSettings
    engine: Engine
    batcher: Batcher
    metrics: Metrics
    gate: Gate
    jobs: Jobs
    ready: bool = False
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    notes: dict[tuple[str, str], str] = field(default_factory=dict)


Handler = Callable[[Context, Request], Awaitable[Response]]


@dataclass(frozen=True)
class Endpoint:
    """A route, as the application serves it and as OpenAPI describes it.

    Attributes:
        method: of HTTP.
        path: with parameters in braces.
        handler: answers; its docstring's first line is the summary.
        access: who may ask: anybody, who has a key to read, or who has the key to change.
        body: kind of the JSON that is sent, or the media type of anything else; None for nothing.
        result: kind of the JSON that comes back, or its media type; None for nothing.
        status: of a good answer.
        errors: other statuses that are to be expected.
        query: parameters of the query, with what they say.
        headers: names of headers that change what is done.
    """

    method: str
    path: str
    handler: Handler
    access: Access = "read"
    body: type | str | None = None
    result: type | str | None = None
    status: int = 200
    errors: tuple[int, ...] = ()
    query: dict[str, str] = field(default_factory=dict)
    headers: tuple[str, ...] = ()
