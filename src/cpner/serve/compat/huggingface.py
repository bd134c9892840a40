"""Hugging Face's inference of token classification, grouped; the domain is part of the address or a parameter."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from cpner.integrations.huggingface import entity_groups
from cpner.serve import work
from cpner.serve.context import Context, Endpoint
from cpner.serve.wire import answer, read_json


class Parameters(msgspec.Struct):
    """What is used of the parameters; others are allowed."""

    domain: str | None = None
    types: list[str] | None = None
    ignore_labels: list[str] | None = None


class HuggingFaceRequest(msgspec.Struct):
    """A text, or a list of them."""

    inputs: str | list[str]
    parameters: Parameters | None = None


async def classify(context: Context, request: Request) -> Response:
    """Answer as Hugging Face's token classification does."""
    asked = await read_json(request, HuggingFaceRequest, context.settings.max_body)
    parameters = asked.parameters or Parameters()
    domain = request.path_params.get("name") or parameters.domain
    texts = [asked.inputs] if isinstance(asked.inputs, str) else asked.inputs
    ask = work.Ask(tuple(parameters.types) if parameters.types else None)
    answers = await work.find(context, request, texts, [domain] * len(texts), ask)
    shown = [entity_groups(entities, parameters.ignore_labels or ()) for entities in answers]
    return answer(shown[0] if isinstance(asked.inputs, str) else shown)


ENDPOINTS = [
    Endpoint("POST", path, classify, body=HuggingFaceRequest, result=list, errors=(404, 413, 422, 429, 503, 504))
    for path in ("/hf", "/hf/{name}")
]
