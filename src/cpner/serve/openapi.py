"""The description of all routes as OpenAPI 3.1, made of their declarations."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from cpner import __version__
from cpner.serve.context import Endpoint
from cpner.serve.schema import Problem
from cpner.serve.wire import JSON

_REFERENCE = "#/components/schemas/{name}"
_MEANINGS = {
    200: "Replaced.",
    204: "Done; nothing more to say.",
    304: "Not changed.",
    400: "The body is malformed.",
    401: "The key is missing or wrong.",
    403: "The key may not do this.",
    404: "There is no such thing.",
    409: "Something is in the way.",
    412: "A condition of the request does not hold.",
    413: "Too large, or too many.",
    415: "The body is of another media type.",
    422: "A field is wrong; `path` says which.",
    429: "Too much waits already; `Retry-After` says when to come again.",
    501: "A package is missing.",
    503: "Not ready, or stopping.",
    504: "It took too long.",
}


def describe(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """The description of these routes."""
    kinds = {kind for one in endpoints for kind in (one.body, one.result) if _is_struct(kind)} | {Problem}
    ordered = sorted(kinds, key=lambda kind: str(getattr(kind, "__name__", kind)))
    _, components = msgspec.json.schema_components(ordered, ref_template=_REFERENCE)
    paths: dict[str, dict[str, Any]] = {}
    for one in endpoints:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one)
    return {
        "openapi": "3.1.0",
        "info": {"title": "cpner", "version": __version__, "description": "Named entities for any domain."},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(one: Endpoint) -> dict[str, Any]:
    summary = (one.handler.__doc__ or "").strip().splitlines()[0]
    operation: dict[str, Any] = {
        "summary": summary,
        "operationId": f"{one.method.lower()}{re.sub(r'[^A-Za-z0-9]+', '_', one.path)}",
        "tags": [one.handler.__module__.rpartition(".")[2]],
        "parameters": _parameters(one),
        "responses": _responses(one),
    }
    if one.access != "open":
        operation["security"] = [{"key": []}]
        operation["x-access"] = one.access
    if one.body is not None:
        operation["requestBody"] = {"required": True, "content": _content(one.body)}
    return operation


def _parameters(one: Endpoint) -> list[dict[str, Any]]:
    names = re.findall(r"{(\w+)}", one.path)
    path = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]
    query = [
        {"name": name, "in": "query", "description": text, "schema": {"type": "string"}}
        for name, text in one.query.items()
    ]
    headers = [{"name": name, "in": "header", "schema": {"type": "string"}} for name in one.headers]
    return path + query + headers


def _responses(one: Endpoint) -> dict[str, Any]:
    good: dict[str, Any] = {"description": "The answer."}
    if one.result is not None:
        good["content"] = _content(one.result)
    responses = {str(one.status): good}
    expected = {*one.errors, *((400, 415, 422) if one.body is not None else ())}
    if one.access != "open":
        expected |= {401, 403}
    if one.path not in ("/livez", "/readyz", "/health", "/metrics"):
        expected |= {429, 503}
    for status in sorted(expected - {one.status}):
        described: dict[str, Any] = {"description": _MEANINGS[status]}
        if status >= 400:
            described["content"] = _content(dict if one.result is dict else Problem)
        elif status == 200 and one.result is not None:
            described["content"] = _content(one.result)
        responses[str(status)] = described
    return responses


def _content(kind: type | str | Any) -> dict[str, Any]:
    if isinstance(kind, str):
        return {kind: {"schema": {"type": "string", "format": "binary"} if kind == "application/zip" else {}}}
    if _is_struct(kind):
        schema: dict[str, Any] = msgspec.json.schema_components([kind], ref_template=_REFERENCE)[0][0]
        return {JSON: {"schema": schema}}
    return {JSON: {"schema": {"type": "array"} if kind is list else {"type": "object"}}}


def _is_struct(kind: Any) -> bool:
    return not isinstance(kind, str) and kind not in (None, dict, list)
