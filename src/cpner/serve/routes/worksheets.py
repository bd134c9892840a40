"""Unfinished work of the page, saved as it goes: `STORE/.worksheets/ID.json`."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from cpner.files import replacing
from cpner.serve.context import Context, Endpoint
from cpner.serve.problems import ProblemError
from cpner.serve.routes.domains import check_conditions
from cpner.serve.schema import Worksheet, WorksheetList, WorksheetRow
from cpner.serve.wire import answer, read_json

FOLDER = ".worksheets"
_ID = re.compile(r"[A-Za-z0-9]{8,40}")
_log = logging.getLogger("cpner.serve")


async def list_worksheets(context: Context, request: Request) -> Response:
    """List the worksheets, the newest first."""
    return answer(await asyncio.to_thread(_list, context))


def _list(context: Context) -> WorksheetList:
    rows = []
    for path in _folder(context).glob("*.json"):
        try:
            data = path.read_bytes()
            worksheet = msgspec.json.decode(data, type=Worksheet)
            saved = datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="seconds")
        except (OSError, msgspec.MsgspecError) as error:
            _log.warning("worksheet %s can't be read: %s", path.name, type(error).__name__)
            continue
        done = sum(sentence.done for sentence in worksheet.sentences)
        rows.append(
            WorksheetRow(
                path.stem, _version(data), saved, worksheet.domain, [one.name for one in worksheet.types], done
            )
        )
    return WorksheetList(sorted(rows, key=lambda row: row.saved, reverse=True))


async def show_worksheet(context: Context, request: Request) -> Response:
    """Show a worksheet."""
    data = await asyncio.to_thread(_read, _path(context, request))
    if data is None:
        raise ProblemError(404, "not_found", "no worksheet of this id")
    return Response(data, headers=_tag(data), media_type="application/json")


async def save_worksheet(context: Context, request: Request) -> Response:
    """Save a worksheet; `If-Match` and `If-None-Match: *` keep what another browser has saved meanwhile."""
    path = _path(context, request)
    worksheet = await read_json(request, Worksheet, context.settings.max_bulk)
    async with context.writing:
        known = await asyncio.to_thread(_read, path)
        check_conditions(request, "the worksheet", None if known is None else _version(known))
        if known is None and sum(1 for _ in path.parent.glob("*.json")) >= context.settings.max_worksheets:
            most = context.settings.max_worksheets
            raise ProblemError(413, "too_large", f"the server keeps at most {most} worksheets; delete one", limit=most)
        data = msgspec.json.encode(worksheet)
        await asyncio.to_thread(_write, path, data)
    return Response(status_code=204, headers=_tag(data))


async def delete_worksheet(context: Context, request: Request) -> Response:
    """Delete a worksheet."""
    path = _path(context, request)
    async with context.writing:
        if await asyncio.to_thread(_read, path) is None:
            raise ProblemError(404, "not_found", "no worksheet of this id")
        await asyncio.to_thread(path.unlink)
    return Response(status_code=204)


def _folder(context: Context) -> Path:
    return context.engine.store.path / FOLDER


def _path(context: Context, request: Request) -> Path:
    name = request.path_params["id"]
    if not _ID.fullmatch(name):
        raise ProblemError(422, "invalid", "the id of a worksheet has 8 to 40 letters and digits")
    return _folder(context) / f"{name}.json"


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def _write(path: Path, data: bytes) -> None:
    with replacing(path, sync=True) as file:
        file.write(data)


def _version(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def _tag(data: bytes) -> dict[str, str]:
    return {"ETag": f'"{_version(data)}"'}


_PATH = "/v1/worksheets/{id}"
ENDPOINTS = [
    Endpoint("GET", "/v1/worksheets", list_worksheets, "admin", result=WorksheetList),
    Endpoint("GET", _PATH, show_worksheet, "admin", result=Worksheet, errors=(404, 422)),
    Endpoint(
        "PUT", _PATH, save_worksheet, "admin", body=Worksheet, status=204, errors=(412, 413),
        headers=("If-Match", "If-None-Match"),
    ),
    Endpoint("DELETE", _PATH, delete_worksheet, "admin", status=204, errors=(404, 422)),
]  # fmt: skip
