"""The domains of the store: list, card, archive, upload, copy, delete, score."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from cpner.corpus import Sentence
from cpner.errors import CpnerError, PrefixMismatchError, StoreError
from cpner.evaluation import evaluate
from cpner.serve import work
from cpner.serve.context import Context, Endpoint
from cpner.serve.problems import ProblemError, problem_of
from cpner.serve.schema import CopyRequest, DomainAnswer, DomainList, DomainRow, EvaluateRequest, Labelled, Mark
from cpner.serve.wire import answer, check_media_type, read_body, read_json
from cpner.store import DomainCard, check_name

_ZIP = ("application/zip", "application/octet-stream")
_PAGE = 1000  # domains of a list at most


async def list_domains(context: Context, request: Request) -> Response:
    """List the domains by name, some at a time: `limit` of them, those `after` a name."""
    limit = request.query_params.get("limit", str(_PAGE))
    after = request.query_params.get("after", "")
    if not (limit.isascii() and limit.isdigit() and 1 <= int(limit[:9]) <= _PAGE):
        raise ProblemError(422, "invalid", f"limit must be a number from 1 to {_PAGE}")
    rows = await asyncio.to_thread(_rows, context, after, int(limit))
    more = rows[-1].name if len(rows) == int(limit) and rows else None
    return answer(DomainList(rows, more))


def _rows(context: Context, after: str, limit: int) -> list[DomainRow]:
    names = (name for name in context.engine.names() if name > after)
    return [_row(context, name) for name in itertools.islice(names, limit)]


def _row(context: Context, name: str) -> DomainRow:
    try:
        card = context.engine.card(name)
        f1 = card.metrics.get("dev_f1")
        version = context.engine.version(name)
        return DomainRow(name, card.types, card.strategy, f1 if isinstance(f1, float) else None, card.created, version)
    except CpnerError as error:
        return DomainRow(name, error=str(error))


async def show_domain(context: Context, request: Request) -> Response:
    """Show the card of a domain."""
    name = request.path_params["name"]
    version = await asyncio.to_thread(context.engine.version, name)
    headers = {"ETag": f'"{version}"', "Cache-Control": "no-cache"}
    if _matches(request.headers.get("if-none-match", ""), version):
        return Response(status_code=304, headers=headers)
    return answer(await asyncio.to_thread(_card, context, name, version), headers=headers)


def _card(context: Context, name: str, version: str) -> DomainAnswer:
    card = dataclasses.asdict(context.engine.card(name))
    size = context.engine.store.size_bytes(name)
    return DomainAnswer(name, version, size, context.engine.loaded(name), card)


async def fetch_archive(context: Context, request: Request) -> Response:
    """Fetch a domain as the archive that `cpner domains export` writes."""
    name = request.path_params["name"]
    version = await asyncio.to_thread(context.engine.version, name)
    data = await asyncio.to_thread(context.engine.archive, name)
    headers = {"ETag": f'"{version}"', "Content-Disposition": f'attachment; filename="{name}.zip"'}
    return Response(data, headers=headers, media_type=_ZIP[0])


async def upload(context: Context, request: Request) -> Response:
    """Store a domain from an archive; `If-None-Match: *` keeps one that is there."""
    name = request.path_params["name"]
    check_media_type(request, *_ZIP)
    _check_name(name)
    data = await read_body(request, context.settings.max_archive)
    async with context.writing:
        known = _check_preconditions(context, request, name)
        check_room(context, name)
        limit = context.settings.max_unpacked
        try:
            card = await asyncio.to_thread(context.engine.upload, name, data, max_bytes=limit)
        except (StoreError, PrefixMismatchError) as error:
            raise problem_of(error, status=422) from error
        version = await changed(context, name, "replaced" if known else "added")
    return _stored(context, card, version, known)


async def copy(context: Context, request: Request) -> Response:
    """Store a domain under another name too, as to install a draft."""
    name = request.path_params["name"]
    asked = await read_json(request, CopyRequest, context.settings.max_body)
    _check_name(asked.to)
    async with context.writing:
        context.engine.check_known(name)
        known = asked.to in context.engine.store
        if known and not asked.overwrite:
            raise ProblemError(409, "conflict", f"domain {asked.to!r} is there already; say overwrite")
        check_room(context, asked.to)
        card = await asyncio.to_thread(context.engine.copy, name, asked.to)
        version = await changed(context, asked.to, "replaced" if known else "added")
    return _stored(context, card, version, known)


async def delete(context: Context, request: Request) -> Response:
    """Delete a domain once the texts that came before are answered."""
    name = request.path_params["name"]
    async with context.writing:
        context.engine.check_known(name)
        _check_preconditions(context, request, name)

        def remove() -> None:
            context.engine.remove(name)
            context.engine.forget(name)

        await context.batcher.call(remove)
        context.metrics.changes.labels("deleted").inc()
    return Response(status_code=204)


async def score(context: Context, request: Request) -> Response:
    """Score a domain on labelled sentences: strict and loose F1, by type, with errors."""
    name = request.path_params["name"]
    asked = await read_json(request, EvaluateRequest, context.settings.max_bulk)
    gold = sentences_of(asked.sentences)
    types = context.engine.card(name).types
    predictions = await work.find_bulk(context, request, gold, name)
    result = await asyncio.to_thread(evaluate, gold, predictions, types)
    return answer({"domain": name, **result.to_json()})


def sentences_of(labelled: Sequence[Labelled]) -> list[Sentence]:
    """Sentences with their entities.

    Raises:
        ProblemError: 422, an entity overlaps another, is empty, or lies outside its text.
    """
    sentences = []
    for i, one in enumerate(labelled):
        end = 0
        for mark in sorted(one.entities, key=lambda mark: mark.start):
            if not end <= mark.start < mark.end <= len(one.text) or not one.text[mark.start : mark.end].strip():
                message = f"entity ({mark.start}, {mark.end}) overlaps another, is empty, or lies outside its text"
                raise ProblemError(422, "invalid", message, path=f"$.sentences[{i}]")
            end = mark.end
        sentences.append(Sentence.from_text(one.text, [_trimmed(mark, one.text) for mark in one.entities]))
    return sentences


def _trimmed(mark: Mark, text: str) -> tuple[int, int, str]:
    """An entity without white space at its edges."""
    inside = text[mark.start : mark.end]
    start = mark.start + len(inside) - len(inside.lstrip())
    return start, start + len(inside.strip()), mark.type


async def changed(context: Context, name: str, change: str) -> str:
    """Let a domain be read anew, and return its version."""
    await context.batcher.call(lambda: context.engine.forget(name))
    context.metrics.changes.labels(change).inc()
    return context.engine.version(name)


def check_room(context: Context, name: str) -> None:
    """Check that there is room for a domain.

    Raises:
        ProblemError: 409 something is in its way, 413 the store has as many as it may.
    """
    try:
        context.engine.store.check_place(name)
    except StoreError as error:
        raise problem_of(error, status=409) from error
    limit = context.settings.max_domains
    if name not in context.engine.store and len(context.engine.store) >= limit:
        raise ProblemError(413, "too_large", f"the store has {limit} domains, as many as it may")


def _stored(context: Context, card: DomainCard, version: str, known: bool) -> Response:
    body = DomainAnswer(card.name, version, context.engine.store.size_bytes(card.name), False, dataclasses.asdict(card))
    headers = {"ETag": f'"{version}"', "Location": f"/v1/domains/{card.name}"}
    return answer(body, 200 if known else 201, headers)


def _check_name(name: str) -> None:
    try:
        check_name(name)
    except StoreError as error:
        raise problem_of(error, status=422) from error


def _check_preconditions(context: Context, request: Request, name: str) -> bool:
    """Whether a domain is known; refuses what the request's conditions rule out."""
    known = name in context.engine.store
    check_conditions(request, f"domain {name!r}", context.engine.version(name) if known else None)
    return known


def check_conditions(request: Request, what: str, version: str | None) -> None:
    """Check `If-Match` and `If-None-Match` of a request that writes.

    Args:
        request: with the headers.
        what: is to be written, for people.
        version: that is there; None for none.

    Raises:
        ProblemError: 412, a condition does not hold.
    """
    unless = request.headers.get("if-none-match")
    only = request.headers.get("if-match")
    if unless is not None and version is not None and _matches(unless, version):
        raise ProblemError(412, "precondition_failed", f"{what} is there already")
    if only is not None and (version is None or not _matches(only, version)):
        raise ProblemError(412, "precondition_failed", f"{what} has another version", version=version)


def _matches(header: str, version: str | None) -> bool:
    tags = [tag.strip().removeprefix("W/") for tag in header.split(",")]
    return "*" in tags or f'"{version}"' in tags


_PATH = "/v1/domains/{name}"
_MATCH = ("If-Match", "If-None-Match")
ENDPOINTS = [
    Endpoint(
        "GET", "/v1/domains", list_domains, result=DomainList, errors=(422,),
        query={"limit": f"how many, at most {_PAGE}", "after": "the last name of the page before"},
    ),
    Endpoint("GET", _PATH, show_domain, result=DomainAnswer, errors=(304, 404), headers=("If-None-Match",)),
    Endpoint("GET", f"{_PATH}/archive", fetch_archive, result=_ZIP[0], errors=(404,)),
    Endpoint(
        "PUT", _PATH, upload, "admin", body=_ZIP[1], result=DomainAnswer, status=201,
        errors=(200, 409, 412, 413, 415, 422), headers=_MATCH,
    ),
    Endpoint("DELETE", _PATH, delete, "admin", status=204, errors=(404, 412), headers=_MATCH),
    Endpoint(
        "POST", f"{_PATH}/copy", copy, "admin", body=CopyRequest, result=DomainAnswer, status=201,
        errors=(200, 404, 409, 413, 422),
    ),
    Endpoint("POST", f"{_PATH}/evaluate", score, body=EvaluateRequest, result=dict, errors=(404, 413, 422, 429)),
]  # fmt: skip
