"""Presidio's analyzer: types are written as `POLITICAL_PARTY`; the domain is part of the address or of the query."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from cpner.corpus import Entity
from cpner.corpus.type_names import code_of
from cpner.serve import work
from cpner.serve.context import Context, Endpoint
from cpner.serve.problems import ProblemError
from cpner.serve.schema import Share
from cpner.serve.wire import answer, read_json


class AnalyzeRequest(msgspec.Struct):
    """A text, or a list of them; `entities` are the types to look for."""

    text: str | list[str]
    language: str = "en"
    entities: list[str] | None = None
    score_threshold: Share = 0.0


async def analyze(context: Context, request: Request) -> Response:
    """Answer as Presidio's analyzer does."""
    asked = await read_json(request, AnalyzeRequest, context.settings.max_body)
    domain = _domain(request)
    texts = [asked.text] if isinstance(asked.text, str) else asked.text
    types = None
    if domain is None and asked.entities:
        types = tuple(dict.fromkeys(_words(name) for name in asked.entities))
    ask = work.Ask(types, threshold=asked.score_threshold)
    answers = await work.find(context, request, texts, [domain] * len(texts), ask)
    wanted = set(asked.entities) if asked.entities else None
    shown = [_results(entities, wanted) for entities in answers]
    return answer(shown[0] if isinstance(asked.text, str) else shown)


async def supported(context: Context, request: Request) -> Response:
    """List the types of a domain."""
    domain = _domain(request)
    if domain is None:
        raise ProblemError(422, "invalid", "name a domain", path="$.domain")
    return answer([code_of(type) for type in context.engine.card(domain).types])


def _domain(request: Request) -> str | None:
    return request.path_params.get("name") or request.query_params.get("domain")


def _results(entities: Iterable[Entity], wanted: set[str] | None) -> list[dict[str, Any]]:
    return [
        {"start": one.start, "end": one.end, "score": one.score, "entity_type": code_of(one.type)}
        for one in entities
        if wanted is None or code_of(one.type) in wanted
    ]


def _words(name: str) -> str:
    return name.replace("_", " ").strip().lower()


_QUERY = {"domain": "whose types to look for"}
_ERRORS = (404, 413, 422, 429, 503, 504)
ENDPOINTS = [
    Endpoint("POST", "/analyze", analyze, body=AnalyzeRequest, result=list, errors=_ERRORS, query=_QUERY),
    Endpoint("POST", "/presidio/{name}/analyze", analyze, body=AnalyzeRequest, result=list, errors=_ERRORS),
    Endpoint("GET", "/supportedentities", supported, result=list, errors=(404, 422), query=_QUERY),
    Endpoint("GET", "/presidio/{name}/supportedentities", supported, result=list, errors=(404,)),
]
