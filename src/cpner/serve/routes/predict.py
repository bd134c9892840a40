"""Prediction: texts in one request, or as JSON lines."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import AsyncIterator, Iterable

import msgspec
from msgspec import UNSET
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from cpner.corpus import Entity
from cpner.corpus.sentence import utf16
from cpner.serve import work
from cpner.serve.batcher import Item
from cpner.serve.context import Context, Endpoint
from cpner.serve.problems import ProblemError, problem_of
from cpner.serve.schema import (
    CompareAnswer,
    CompareRequest,
    Comparison,
    FoundEntity,
    Input,
    PredictAnswer,
    PredictRequest,
    PredictResult,
)
from cpner.serve.wire import JSON, NDJSON, answer, check_media_type, media_type, parse, read_body, read_json

_QUERY = ("domain", "types", "threshold", "beams", "offsets")


async def predict(context: Context, request: Request) -> Response:
    """Find the entities of texts; domains may differ. JSON lines in or out where the headers ask for them."""
    check_media_type(request, JSON, NDJSON)
    lines_out = NDJSON in request.headers.get("accept", "")
    if media_type(request) == NDJSON:
        return await _predict_lines(context, request)
    started = time.monotonic()
    asked = await read_json(request, PredictRequest, context.settings.max_body)
    inputs = _inputs(asked)
    ask = _ask(asked)
    domains = [one.domain or asked.domain for one in inputs]
    answers = await work.find_scored(context, request, [one.text for one in inputs], domains, ask)
    results = [
        _result(one, domain, entities, score, asked.offsets)
        for one, domain, (entities, score) in zip(inputs, domains, answers, strict=True)
    ]
    if lines_out:
        return Response(b"".join(msgspec.json.encode(result) + b"\n" for result in results), media_type=NDJSON)
    took = round(1000 * (time.monotonic() - started), 2)
    return answer(PredictAnswer(context.engine.fingerprint, results, took))


async def compare(context: Context, request: Request) -> Response:
    """Show what two domains find differently in the same texts."""
    asked = await read_json(request, CompareRequest, context.settings.max_body)
    ask = work.Ask(threshold=asked.threshold)
    texts = [text for text in asked.texts for _ in asked.domains]
    answers = await work.find(context, request, texts, asked.domains * len(asked.texts), ask)
    results = [_compare(answers[i], answers[i + 1]) for i in range(0, len(answers), 2)]
    return answer(CompareAnswer(asked.domains, results))


def _compare(first: list[Entity], second: list[Entity]) -> Comparison:
    here = {entity[:3] for entity in first}
    there = {entity[:3] for entity in second}
    return Comparison(
        both=_shown(entity for entity in first if entity[:3] in there),
        first=_shown(entity for entity in first if entity[:3] not in there),
        second=_shown(entity for entity in second if entity[:3] not in here),
    )


def _inputs(asked: PredictRequest) -> list[Input]:
    if (asked.text is UNSET) == (asked.inputs is UNSET):
        raise ProblemError(422, "invalid", "give either text or inputs", path="$")
    return [Input(asked.text)] if isinstance(asked.text, str) else list(asked.inputs or ())


def _ask(asked: PredictRequest) -> work.Ask:
    types = None if asked.types is None else tuple(asked.types)
    return work.Ask(types, asked.beams, asked.threshold, asked.thresholds)


def _shown(entities: Iterable[Entity]) -> list[FoundEntity]:
    return [FoundEntity(one.start, one.end, one.text, one.type, one.score or 0.0) for one in entities]


def _result(one: Input, domain: str | None, entities: list[Entity], score: float, offsets: str) -> PredictResult:
    shown = utf16(one.text, entities) if offsets == "utf16" else entities
    return PredictResult(one.id, domain, _shown(shown), score)


async def _predict_lines(context: Context, request: Request) -> Response:
    """Answer JSON lines, each as soon as it and those before it are done; an error of a line is told in its place."""
    settings = context.settings
    query = {name: value for name, value in request.query_params.items() if name in _QUERY}
    types = [name.strip() for name in query["types"].split(",") if name.strip()] if "types" in query else None
    try:
        asked = msgspec.convert(
            {**query, "text": "", "types": types} if types else {**query, "text": ""}, PredictRequest, strict=False
        )
    except msgspec.ValidationError as error:
        raise ProblemError(422, "invalid", f"query: {error}") from error
    ask = _ask(asked)
    work.check_ask(context, ask)
    lines = [line for line in (await read_body(request, settings.max_bulk)).splitlines() if line.strip()]
    if len(lines) > settings.max_lines:
        raise ProblemError(413, "too_large", f"{len(lines):,} lines; at most {settings.max_lines:,}")
    return StreamingResponse(_answers(context, lines, asked, ask), media_type=NDJSON)


async def _answers(context: Context, lines: list[bytes], asked: PredictRequest, ask: work.Ask) -> AsyncIterator[bytes]:
    """The results of lines in their order; a few batches of them are in the queue at a time."""
    ahead: deque[tuple[Input, Item] | ProblemError] = deque()
    rest = iter(lines)
    room = 2 * context.settings.batch_size
    try:
        while True:
            while len(ahead) < room and (line := next(rest, None)) is not None:
                ahead.append(await _enter(context, line, asked, ask))
            if not ahead:
                return
            yield await _line(ahead.popleft(), asked, ask) + b"\n"
    finally:  # the client may have left
        for entry in ahead:
            if not isinstance(entry, ProblemError):
                entry[1].future.cancel()


async def _enter(
    context: Context, line: bytes, asked: PredictRequest, ask: work.Ask
) -> tuple[Input, Item] | ProblemError:
    """Put a line into the queue as soon as there is room."""
    try:
        one = parse(line, Input)
        item = work.make_item(context, one.text, one.domain or asked.domain, ask)
    except Exception as error:
        return problem_of(error)
    await work.enter(context, item)
    return one, item


async def _line(entry: tuple[Input, Item] | ProblemError, asked: PredictRequest, ask: work.Ask) -> bytes:
    if isinstance(entry, ProblemError):
        return msgspec.json.encode(entry.to_json())
    one, item = entry
    try:
        whole = await item.future
    except Exception as error:
        return msgspec.json.encode({"id": one.id, **problem_of(error).to_json()})
    entities = work.entities_of(item, whole, ask)
    return msgspec.json.encode(_result(one, item.domain, entities, whole.score or 0.0, asked.offsets))


ENDPOINTS = [
    Endpoint(
        "POST",
        "/v1/predict",
        predict,
        body=PredictRequest,
        result=PredictAnswer,
        errors=(404, 413, 422, 429, 503, 504),
        query={name: f"{name} of JSON lines that do not tell their own" for name in _QUERY},
    ),
    Endpoint(
        "POST",
        "/v1/compare",
        compare,
        body=CompareRequest,
        result=CompareAnswer,
        errors=(404, 413, 422, 429, 503, 504),
    ),
]
