"""What every request passes: host and origin, bounds, keys; and what every answer gets: an id, headers, a count."""

from __future__ import annotations

import base64
import binascii
import hmac
import logging
import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cpner.serve.metrics import Metrics
from cpner.serve.problems import ProblemError, overloaded
from cpner.serve.settings import ServeSettings
from cpner.serve.wire import problem_answer

_access = logging.getLogger("cpner.serve.access")
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
ALWAYS = ("/livez", "/readyz", "/health", "/metrics")  # paths that answer under any load
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@dataclass
class Gate:
    """What may come in.

    Attributes:
        in_flight: requests in work.
        draining: the server stops; new requests are refused.
    """

    in_flight: int = 0
    draining: bool = False


class Guard:
    """The outermost layer of the application."""

    def __init__(self, app: ASGIApp, settings: ServeSettings, metrics: Metrics, gate: Gate) -> None:
        self.app = app
        self.settings = settings
        self.metrics = metrics
        self.gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _ID.fullmatch(given) else uuid.uuid4().hex
        started = time.monotonic()
        status = 500

        async def reply(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                out = MutableHeaders(scope=message)
                out["X-Request-ID"] = request_id
                for name, value in _HEADERS.items():
                    out.setdefault(name, value)
                out.setdefault("Cache-Control", "no-store")
            await send(message)

        self.gate.in_flight += 1
        self.metrics.in_flight.inc()
        try:
            if problem := self._refusal(scope["path"], headers):
                await problem_answer(problem)(scope, receive, reply)
            else:
                await self.app(scope, receive, reply)
        finally:
            self.gate.in_flight -= 1
            self.metrics.in_flight.dec()
            seconds = time.monotonic() - started
            route = scope.get("cpner.route", "other")
            self.metrics.requests.labels(route, str(status)).inc()
            self.metrics.duration.labels(route).observe(seconds)
            _access.info("%s %s %d %.1f ms %s", scope["method"][:16], route, status, 1000 * seconds, request_id)

    def _refusal(self, path: str, headers: Mapping[str, str]) -> ProblemError | None:
        """Why a request is not even looked at; None if it is."""
        asked = headers.get("host", "")
        hosts = self.settings.hosts
        if hosts is not None and host_name(asked) not in hosts:
            return ProblemError(421, "unknown_host", "this server has another name; see --allowed-hosts")
        origin = headers.get("origin")
        if origin is not None and urlsplit_netloc(origin) != asked.lower():
            return ProblemError(403, "forbidden", "requests from pages of other servers are refused")
        if path in ALWAYS:
            return None
        if self.gate.draining:
            return ProblemError(503, "draining", "the server stops; ask another", headers={"Retry-After": "1"})
        if self.gate.in_flight > self.settings.max_concurrent_requests:
            self.metrics.rejected.labels("concurrency").inc()
            return overloaded(f"{self.gate.in_flight} requests are in work already; come again later", 1)
        return None


def host_name(host: str) -> str:
    """The name in a Host header, without the port."""
    name = host.strip().lower()
    head, colon, port = name.rpartition(":")
    return head if colon and (port.isdigit() or not port) and not head.endswith(":") else name


def urlsplit_netloc(origin: str) -> str:
    """Host and port of an Origin header; empty if it has none."""
    try:
        return urlsplit(origin.strip().lower()).netloc
    except ValueError:
        return ""


def check_key(settings: ServeSettings, headers: Mapping[str, str], access: str) -> None:
    """Check the key of a request.

    Args:
        settings: hold the keys.
        headers: `Authorization: Bearer KEY`, or Basic with the key as password.
        access: "open", "read" or "admin".

    Raises:
        ProblemError: 401 without a key that fits, 403 with one that may only read.
    """
    read = settings.read_key
    admin = settings.admin_key
    if access == "open" or (read is None and admin is None):
        return
    given = _given_key(headers.get("authorization", ""))
    is_admin = _same(given, admin)
    is_reader = _same(given, read)
    if is_admin or (access == "read" and (is_reader or (read is None and not given and settings.local))):
        return
    if is_reader:
        raise ProblemError(403, "forbidden", "this key may read only")
    raise ProblemError(
        401, "unauthorized", "send the key as Authorization: Bearer", headers={"WWW-Authenticate": "Bearer"}
    )


def _given_key(header: str) -> str:
    scheme, _, value = header.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value.strip(), validate=True).decode().partition(":")[2]
        except (binascii.Error, ValueError):
            return ""
    return ""


def _same(given: str, key: str | None) -> bool:
    """Whether a key is the right one, in a time that tells nothing of it."""
    return key is not None and hmac.compare_digest(given.encode("utf-8", "replace"), key.encode())
