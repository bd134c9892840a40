"""KServe's open inference protocol, version 2: each domain is a model that takes texts and gives entities as JSON."""

from __future__ import annotations

import math
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from cpner import __version__
from cpner.serve import work
from cpner.serve.context import Context, Endpoint
from cpner.serve.problems import ProblemError
from cpner.serve.wire import answer, read_json


class TensorIn(msgspec.Struct):
    """The texts, as strings."""

    name: str
    shape: list[int]
    datatype: str
    data: list[str]


class InferRequest(msgspec.Struct):
    """One tensor of texts."""

    inputs: list[TensorIn]
    id: str | None = None


async def server(context: Context, request: Request) -> Response:
    """Tell the server's name and version."""
    return answer({"name": "cpner", "version": __version__, "extensions": []})


async def live(context: Context, request: Request) -> Response:
    """Say that the process is alive."""
    return answer({"live": True})


async def ready(context: Context, request: Request) -> Response:
    """Say whether requests are welcome."""
    is_ready = context.ready and not context.gate.draining
    return answer({"ready": is_ready}, 200 if is_ready else 503)


async def model(context: Context, request: Request) -> Response:
    """Tell what a domain takes and gives."""
    name = request.path_params["name"]
    context.engine.check_known(name)
    tensor = {"datatype": "BYTES", "shape": [-1]}
    return answer(
        {
            "name": name,
            "versions": [context.engine.version(name)],
            "platform": "cpner",
            "inputs": [{"name": "text", **tensor}],
            "outputs": [{"name": "entities", **tensor}],
        }
    )


async def model_ready(context: Context, request: Request) -> Response:
    """Say whether a domain can be asked."""
    name = request.path_params["name"]
    context.engine.check_known(name)
    return answer({"name": name, "ready": context.ready}, 200 if context.ready else 503)


async def infer(context: Context, request: Request) -> Response:
    """Find the entities of texts; each output is a list of entities as JSON."""
    name = request.path_params["name"]
    asked = await read_json(request, InferRequest, context.settings.max_body)
    if len(asked.inputs) != 1 or asked.inputs[0].datatype != "BYTES":
        raise ProblemError(422, "invalid", "expected one input of datatype BYTES", path="$.inputs")
    (tensor,) = asked.inputs
    if math.prod(tensor.shape) != len(tensor.data):
        raise ProblemError(422, "invalid", "shape and data differ in size", path="$.inputs[0].shape")
    answers = await work.find(context, request, tensor.data, [name] * len(tensor.data), work.Ask())
    data = [msgspec.json.encode([one._asdict() for one in entities]).decode() for entities in answers]
    output: dict[str, Any] = {"name": "entities", "shape": tensor.shape, "datatype": "BYTES", "data": data}
    reply = {"model_name": name, "model_version": context.engine.version(name), "outputs": [output]}
    return answer(reply if asked.id is None else {**reply, "id": asked.id})


_MODEL = "/v2/models/{name}"
ENDPOINTS = [
    Endpoint("GET", "/v2", server, "open", result=dict),
    Endpoint("GET", "/v2/health/live", live, "open", result=dict),
    Endpoint("GET", "/v2/health/ready", ready, "open", result=dict, errors=(503,)),
    Endpoint("GET", _MODEL, model, result=dict, errors=(404,)),
    Endpoint("GET", f"{_MODEL}/ready", model_ready, result=dict, errors=(404, 503)),
    Endpoint("POST", f"{_MODEL}/infer", infer, body=InferRequest, result=dict, errors=(404, 413, 422, 429, 503, 504)),
]
