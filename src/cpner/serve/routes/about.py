"""What the server says of itself: health, readiness, facts, metrics, models."""

from __future__ import annotations

import asyncio
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response

from cpner import __version__
from cpner.errors import CpnerError
from cpner.serve.context import Context, Endpoint
from cpner.serve.metrics import CONTENT_TYPE
from cpner.serve.schema import ModelList, ModelRow
from cpner.serve.settings import SECRETS
from cpner.serve.wire import answer


async def live(context: Context, request: Request) -> Response:
    """Say that the process is alive."""
    return answer({"status": "alive"})


async def ready(context: Context, request: Request) -> Response:
    """Say whether requests are welcome: 503 until the model has answered once, and while the server stops."""
    status = "draining" if context.gate.draining else "ok" if context.ready else "starting"
    return answer({"status": status}, 200 if status == "ok" else 503)


async def info(context: Context, request: Request) -> Response:
    """Tell the backbone, the versions and the limits."""
    backbone = context.engine.ner.backbone
    limits = {name: value for name, value in vars(context.settings).items() if name not in SECRETS}
    return answer(
        {
            "version": __version__,
            "backbone": {
                "name": backbone.name,
                "fingerprint": backbone.fingerprint,
                "device": str(backbone.device),
                "precision": backbone.precision,
                "window": backbone.window,
            },
            "domains": len(await asyncio.to_thread(context.engine.names)),
            "queue": {"depth": context.batcher.depth, "words_per_second": round(context.batcher.rate or 0.0, 1)},
            "settings": limits,
        }
    )


async def metrics(context: Context, request: Request) -> Response:
    """Give the metrics in Prometheus's text format."""
    context.metrics.domains.set(len(await asyncio.to_thread(context.engine.names)))
    return Response(context.metrics.render(), media_type=CONTENT_TYPE)


async def models(context: Context, request: Request) -> Response:
    """List backbone and domains as vLLM lists a model and its adapters."""
    return answer(await asyncio.to_thread(_models, context))


def _models(context: Context) -> ModelList:
    backbone = context.engine.ner.backbone.name
    rows = [ModelRow(backbone, None, backbone)]
    for name in context.engine.names():
        try:
            created = int(datetime.fromisoformat(context.engine.card(name).created).timestamp())
        except (CpnerError, ValueError):
            created = 0
        rows.append(ModelRow(name, backbone, name, created=created))
    return ModelList(rows)


ENDPOINTS = [
    Endpoint("GET", "/livez", live, "open", result=dict),
    Endpoint("GET", "/readyz", ready, "open", result=dict, errors=(503,)),
    Endpoint("GET", "/health", ready, "open", result=dict, errors=(503,)),
    Endpoint("GET", "/info", info, result=dict),
    Endpoint("GET", "/metrics", metrics, result="text/plain"),
    Endpoint("GET", "/v1/models", models, result=ModelList),
]
