"""Requests into objects, and objects into answers: bodies with limits, JSON checked against its kind, gzip."""

from __future__ import annotations

import asyncio
import functools
import re
import zlib
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from cpner.serve.problems import ProblemError

JSON = "application/json"
NDJSON = "application/x-ndjson"
_READ_SECONDS = 120.0  # that a client may take to send a body
_GZIP = 31  # zlib's number for gzip with its header
_PATH = re.compile(r"(.*?)(?: - at `(.*)`)?", re.DOTALL)
Kind = TypeVar("Kind")


def media_type(request: Request) -> str:
    """What a request's body says it is, without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def check_media_type(request: Request, *allowed: str) -> None:
    """Refuse a body of another kind; a form of a foreign page can't send these.

    Raises:
        ProblemError: 415.
    """
    if (kind := media_type(request)) not in allowed:
        raise ProblemError(
            415, "unsupported_media_type", f"Content-Type is {kind[:80]!r}; expected {' or '.join(allowed)}"
        )


async def read_body(request: Request, limit: int) -> bytes:
    """The body of a request, unpacked if it is gzip.

    Args:
        request: to read.
        limit: bytes, as sent and unpacked.

    Raises:
        ProblemError: 408 too slow, 413 too large, 415 another encoding than gzip, 400 damaged.
    """
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip"):
        raise ProblemError(415, "unsupported_media_type", "Content-Encoding may be gzip or identity")
    length = request.headers.get("content-length", "")
    if length.isdigit() and len(length) < 20 and int(length) > limit:
        raise too_large(limit)
    unpacker = zlib.decompressobj(_GZIP) if encoding == "gzip" else None
    body = bytearray()
    try:
        async with asyncio.timeout(_READ_SECONDS):
            async for chunk in request.stream():
                body += unpacker.decompress(chunk, limit + 1 - len(body)) if unpacker else chunk
                if len(body) > limit or (unpacker and unpacker.unconsumed_tail):
                    raise too_large(limit)
    except TimeoutError as error:
        raise ProblemError(408, "timeout", "the body came too slowly", headers={"Connection": "close"}) from error
    except zlib.error as error:
        raise ProblemError(400, "malformed", "the body is no gzip, though Content-Encoding says so") from error
    except ClientDisconnect as error:
        raise ProblemError(400, "malformed", "the client left in the middle of its request") from error
    if unpacker and not unpacker.eof:
        raise ProblemError(400, "malformed", "the gzip of the body ends too early")
    return bytes(body)


def too_large(limit: int) -> ProblemError:
    """The refusal (413) of a body of more than `limit` bytes."""
    return ProblemError(413, "too_large", f"the body has more than {limit:,} bytes", limit=limit)


async def read_json(request: Request, kind: type[Kind], limit: int) -> Kind:
    """The body of a request, as JSON of this kind.

    Raises:
        ProblemError: 400 no JSON, 422 JSON of another kind, with the path of the field; and see `read_body`.
    """
    check_media_type(request, JSON)
    return parse(await read_body(request, limit), kind)


def parse(data: bytes, kind: type[Kind]) -> Kind:
    """JSON of this kind.

    Raises:
        ProblemError: 400 no JSON, 422 JSON of another kind, with the path of the field.
    """
    hashable: Any = kind
    try:
        value: Kind = _decoder(hashable).decode(data)
    except msgspec.ValidationError as error:
        match = _PATH.fullmatch(str(error))
        assert match is not None
        raise ProblemError(422, "invalid", match[1], path=match[2] or "$") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProblemError(400, "malformed", f"the body is no JSON: {str(error)[:200]}") from error
    return value


@functools.cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A value as JSON."""
    return Response(msgspec.json.encode(value), status, headers, JSON)


def problem_answer(problem: ProblemError) -> Response:
    """An error as JSON."""
    return answer(problem.to_json(), problem.status, problem.headers)
