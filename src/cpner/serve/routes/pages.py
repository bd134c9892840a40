"""Pages for people, which need nothing from elsewhere: the start page, the documentation, and their static files.

Static files have a digest of all of them in their address, so that browsers may keep them for good and modules may
import each other by relative paths.
"""

from __future__ import annotations

import functools
import hashlib
import mimetypes
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from starlette.requests import Request
from starlette.responses import Response

from cpner import __version__
from cpner.serve.context import Context, Endpoint
from cpner.serve.problems import ProblemError
from cpner.serve.wire import answer

_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".html": "text/html"}


@functools.cache
def static_files() -> dict[str, bytes]:
    """The static files by name."""
    folder = resources.files("cpner.serve") / "static"
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


@functools.cache
def static_root() -> str:
    """The address below which the static files are, without a slash at the end."""
    total = hashlib.sha256()
    for name, data in sorted(static_files().items()):
        total.update(f"{name} {len(data)} ".encode() + data)
    return f"/static/{total.hexdigest()[:16]}"


@functools.cache
def _templates() -> Environment:
    loader = PackageLoader("cpner.serve", "templates")
    return Environment(loader=loader, autoescape=select_autoescape(default=True), undefined=StrictUndefined)


def render(template: str, **values: Any) -> Response:
    """A page made of a template; what it is given is escaped."""
    text = _templates().get_template(template).render(static=static_root(), version=__version__, **values)
    return Response(text, media_type="text/html", headers={"Cache-Control": "no-cache"})


async def start_page(context: Context, request: Request) -> Response:
    """Show the start page."""
    keyed = context.settings.read_key is not None or context.settings.admin_key is not None
    return render("index.html.j2", keyed=keyed)


async def docs_page(context: Context, request: Request) -> Response:
    """Show the documentation of all routes."""
    return render("docs.html.j2", api=request.app.state.openapi)


async def openapi(context: Context, request: Request) -> Response:
    """Describe all routes as OpenAPI 3.1."""
    return answer(request.app.state.openapi)


async def static_file(context: Context, request: Request) -> Response:
    """Give a static file."""
    name = request.path_params["file"]
    data = static_files().get(name)
    if data is None or request.url.path != f"{static_root()}/{name}":
        raise ProblemError(404, "not_found", "no such file")
    suffix = name[name.rfind(".") :]
    kind = _TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    return Response(data, media_type=kind, headers={"Cache-Control": "public, max-age=31536000, immutable"})


ENDPOINTS = [
    Endpoint("GET", "/", start_page, "open", result="text/html"),
    Endpoint("GET", "/docs", docs_page, "open", result="text/html"),
    Endpoint("GET", "/openapi.json", openapi, "open", result=dict),
    Endpoint("GET", "/static/{digest}/{file}", static_file, "open", result="application/octet-stream", errors=(404,)),
]
