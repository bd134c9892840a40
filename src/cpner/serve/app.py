"""The application: its routes, and what starts and ends with it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from cpner.corpus.checks import sentence_of
from cpner.errors import CpnerError
from cpner.ner import CPNER
from cpner.serve.batcher import Batcher, Item
from cpner.serve.compat import gliner, huggingface, kserve, label_studio, presidio
from cpner.serve.context import Context, Endpoint
from cpner.serve.engine import Engine
from cpner.serve.guard import Gate, Guard, check_key
from cpner.serve.jobs import Jobs
from cpner.serve.metrics import Metrics
from cpner.serve.openapi import describe
from cpner.serve.problems import ProblemError, problem_of
from cpner.serve.routes import about, corpora, domains, jobs, pages, predict, worksheets
from cpner.serve.settings import ServeSettings
from cpner.serve.wire import problem_answer

_log = logging.getLogger("cpner.serve")
_MODULES = (
    predict,
    domains,
    jobs,
    corpora,
    worksheets,
    about,
    gliner,
    huggingface,
    presidio,
    kserve,
    label_studio,
    pages,
)
ENDPOINTS: list[Endpoint] = [endpoint for module in _MODULES for endpoint in module.ENDPOINTS]
_WARM = "Ada Lovelace met Charles Babbage in London and told him of her plans for the engine ."
_COMPRESSED = 4096  # bytes from which an answer is sent as gzip to clients that take it


def make_app(ner: CPNER, store: Path, settings: ServeSettings | None = None) -> tuple[ASGIApp, Context]:
    """Make the application of a recogniser and its store.

    Args:
        ner: with `store` as its store.
        store: folder of the domains; made if it doesn't exist.
        settings: None for the defaults.

    Returns:
        The application, and what its routes share.

    Raises:
        StoreError: the store can't be made.
    """
    settings = settings or ServeSettings()
    metrics = Metrics()
    gate = Gate()
    engine = Engine(ner, store, max_batch_pieces=settings.max_batch_pieces, batch_size=settings.batch_size)
    batcher = Batcher(engine, settings, metrics)

    async def done(name: str) -> None:
        await domains.changed(context, name, "trained")

    context = Context(
        settings, engine, batcher, metrics, gate, Jobs(engine.store.path, metrics, done, settings.max_jobs)
    )
    app = Starlette(
        routes=[_route(context, endpoint) for endpoint in ENDPOINTS],
        exception_handlers={404: _unknown, 405: _unknown},
        lifespan=lambda app: _lifespan(context),
    )
    app.state.openapi = describe(ENDPOINTS)
    compressed = GZipMiddleware(app, minimum_size=_COMPRESSED, compresslevel=5)
    return Guard(compressed, settings, metrics, gate), context


def _route(context: Context, endpoint: Endpoint) -> Route:
    async def handle(request: Request) -> Response:
        request.scope["cpner.route"] = endpoint.path
        try:
            check_key(context.settings, request.headers, endpoint.access)
            return await endpoint.handler(context, request)
        except Exception as error:
            problem = problem_of(error)
            if problem.status == 500:
                _log.exception("%s %s", endpoint.method, endpoint.path)
            return problem_answer(problem.without(f"{context.engine.store.path}/"))

    return Route(endpoint.path, handle, methods=[endpoint.method])


async def _unknown(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 404)
    headers = dict(getattr(error, "headers", None) or {})
    if status == 405:
        allowed = sorted({one.method for one in ENDPOINTS if _matches(one.path, request.url.path)})
        headers["Allow"] = ", ".join(allowed)
        return problem_answer(ProblemError(405, "method_not_allowed", "no such method here", headers=headers))
    return problem_answer(ProblemError(404, "not_found", "no such path; /docs lists all"))


def _matches(pattern: str, path: str) -> bool:
    parts = pattern.split("/")
    given = path.split("/")
    return len(parts) == len(given) and all(a.startswith("{") or a == b for a, b in zip(parts, given, strict=True))


@contextlib.asynccontextmanager
async def _lifespan(context: Context) -> AsyncIterator[None]:
    context.batcher.start()
    await context.jobs.start()
    tasks = [asyncio.create_task(_warm_up(context)), asyncio.create_task(_watch_store(context))]
    try:
        yield
    finally:
        context.gate.draining = True
        for task in tasks:
            task.cancel()
        await context.jobs.stop()
        await asyncio.to_thread(context.batcher.stop)


async def _warm_up(context: Context) -> None:
    """Run a full batch, which fills caches and tells the rate; then the server is ready."""
    deadline = time.monotonic() + 3600
    loop = asyncio.get_running_loop()
    for size in (1, context.settings.batch_size):
        items = [
            Item(sentence_of(_WARM), None, ("person", "location"), 1, deadline, loop.create_future())
            for _ in range(size)
        ]
        context.batcher.submit(items)
        await asyncio.gather(*(item.future for item in items))
    context.ready = True


async def _watch_store(context: Context) -> None:
    """Let domains be read anew that another process has changed."""
    while True:
        await asyncio.sleep(context.settings.refresh)
        try:
            for name in await asyncio.to_thread(context.engine.changed):
                await context.batcher.call(lambda name=name: context.engine.forget(name))  # type: ignore[misc]
        except (CpnerError, OSError):
            _log.exception("the store can't be looked at")
