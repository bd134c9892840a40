"""GLiNER's server: one text, labels, and an adapter, which is a domain here."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from cpner.serve import work
from cpner.serve.context import Context, Endpoint
from cpner.serve.schema import Share
from cpner.serve.wire import answer, read_json


class GlinerRequest(msgspec.Struct):
    """A text and the labels to look for; without an adapter the backbone alone looks for them."""

    text: str
    labels: list[str] | None = None
    threshold: Share = 0.5
    adapter_id: str | None = None


class GlinerEntity(msgspec.Struct):
    """An entity as GLiNER writes it."""

    start: int
    end: int
    text: str
    label: str
    score: float


class GlinerAnswer(msgspec.Struct):
    """The entities of the text."""

    entities: list[GlinerEntity]


async def predict(context: Context, request: Request) -> Response:
    """Answer as GLiNER's server does."""
    asked = await read_json(request, GlinerRequest, context.settings.max_body)
    if asked.labels is not None and not asked.labels and asked.adapter_id is None:
        return answer(GlinerAnswer([]))
    labels = tuple(dict.fromkeys(asked.labels)) if asked.labels else None
    ask = work.Ask(labels, threshold=asked.threshold)
    (entities,) = await work.find(context, request, [asked.text], [asked.adapter_id], ask)
    shown = [GlinerEntity(one.start, one.end, one.text, one.type, one.score or 0.0) for one in entities]
    return answer(GlinerAnswer(shown))


ENDPOINTS = [
    Endpoint("POST", "/gliner", predict, body=GlinerRequest, result=GlinerAnswer, errors=(404, 413, 422, 429, 503, 504))
]
