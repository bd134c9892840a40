"""A client for `cpner serve`, waiting and asking again where the server says so; needs the extra `server`.

Example:
    >>> client = Client("http://127.0.0.1:8000", key="...")  # doctest: +SKIP
    >>> client.predict("Ada Lovelace lived in London.", domain="news")  # doctest: +SKIP
"""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import Mapping, Sequence
from typing import Any, Self

import httpx

from cpner.corpus.sentence import Entity
from cpner.errors import CpnerError

_AGAIN = (429, 503)  # statuses after which it is worth to ask again
_LONGEST_PAUSE = 60.0  # seconds
_BATCH = 64  # texts of a request
_PREDICT = "/v1/predict"
_MODELS = "/v1/models"


class ServerError(CpnerError, RuntimeError):
    """The server refused a request, or can't be reached.

    Attributes:
        status: of the answer over HTTP; 0 if there was none.
        details: the body of the answer.
    """

    def __init__(self, message: str, status: int, details: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.status = status
        self.details = details


class _Settings:
    """What both clients know: how to ask, how to read answers, when to ask again."""

    def __init__(self, url: str, key: str | None, timeout: float, retries: int) -> None:
        self.retries = retries
        self.options: dict[str, Any] = {
            "base_url": url,
            "timeout": timeout,
            "headers": {} if key is None else {"Authorization": f"Bearer {key}"},
        }

    def judge(self, reply: httpx.Response | httpx.HTTPError, attempt: int) -> tuple[float | None, Any]:
        """Seconds until the request is sent again, or None and the JSON of a good answer.

        Args:
            reply: the answer, or why there is none.
            attempt: how often the request was sent before.

        Raises:
            ServerError: the server refused, or can't be reached.
        """
        if isinstance(reply, httpx.HTTPError):
            if attempt == self.retries or not isinstance(reply, httpx.ConnectError):
                raise ServerError(f"the server can't be reached: {reply or type(reply).__name__}", 0, {}) from reply
            wish = ""
        elif attempt == self.retries or reply.status_code not in _AGAIN:
            return None, _read(reply)
        else:
            wish = reply.headers.get("Retry-After", "")
        seconds = float(wish) if wish.isdigit() else 0.25 * 2**attempt
        return min(seconds, _LONGEST_PAUSE) + random.uniform(0, 0.1), None  # so that not all come again at once


def _bodies(texts: Sequence[str], domain: str | None, options: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The requests for texts, some texts in each."""
    inputs = [{"text": text} for text in texts]
    return [
        {"inputs": inputs[start : start + _BATCH], "domain": domain, **options}
        for start in range(0, len(inputs), _BATCH)
    ]


def _entities(replies: Sequence[Any]) -> list[list[Entity]]:
    return [
        [Entity(one["start"], one["end"], one["type"], one["text"], one["score"]) for one in result["entities"]]
        for reply in replies
        for result in reply["results"]
    ]


def _read(reply: httpx.Response) -> Any:
    """The JSON of a good answer.

    Raises:
        ServerError: it is no good one.
    """
    try:
        value = reply.json() if reply.content else None
    except ValueError:
        value = {"error": f"the server answered {reply.status_code} without JSON"}
    if reply.is_success:
        return value
    details = value if isinstance(value, dict) else {}
    raise ServerError(str(details.get("error", reply.reason_phrase)), reply.status_code, details)


class Client:
    """Asks a server.

    Args:
        url: of the server.
        key: None if it needs none.
        timeout: seconds until an answer must have come.
        retries: times that a request is sent again which the server can't take now.
    """

    def __init__(self, url: str, key: str | None = None, *, timeout: float = 60.0, retries: int = 5) -> None:
        self._settings = _Settings(url, key, timeout, retries)
        self._http = httpx.Client(**self._settings.options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def request(self, method: str, path: str, **options: Any) -> Any:
        """The JSON that a route answers.

        Args:
            method: of HTTP.
            path: of the route.
            options: as `httpx.Client.request` takes them.

        Raises:
            ServerError: the server refused, or can't be reached.
        """
        for attempt in itertools.count():
            reply: httpx.Response | httpx.HTTPError
            try:
                reply = self._http.request(method, path, **options)
            except httpx.HTTPError as error:
                reply = error
            seconds, value = self._settings.judge(reply, attempt)
            if seconds is None:
                return value
            time.sleep(seconds)

    def predict(self, text: str | Sequence[str], domain: str | None = None, **options: Any) -> Any:
        """The entities of a text, or a list of them for each text.

        Args:
            text: one text, or several.
            domain: to use; None needs `types`.
            options: `types`, `threshold`, `thresholds`, `beams`, as in the route `/v1/predict`.

        Raises:
            ServerError: the server refused, or can't be reached.
        """
        texts = [text] if isinstance(text, str) else text
        answers = _entities([self.request("POST", _PREDICT, json=body) for body in _bodies(texts, domain, options)])
        return answers[0] if isinstance(text, str) else answers

    def domains(self) -> list[str]:
        """Names of all domains.

        Raises:
            ServerError: the server refused, or can't be reached.
        """
        return [row["id"] for row in self.request("GET", _MODELS)["data"][1:]]  # the first is the backbone


class AsyncClient:
    """Asks a server, without blocking the event loop.

    Args:
        url: of the server.
        key: None if it needs none.
        timeout: seconds until an answer must have come.
        retries: times that a request is sent again which the server can't take now.
    """

    def __init__(self, url: str, key: str | None = None, *, timeout: float = 60.0, retries: int = 5) -> None:
        self._settings = _Settings(url, key, timeout, retries)
        self._http = httpx.AsyncClient(**self._settings.options)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def request(self, method: str, path: str, **options: Any) -> Any:
        """The JSON that a route answers.

        Args:
            method: of HTTP.
            path: of the route.
            options: as `httpx.AsyncClient.request` takes them.

        Raises:
            ServerError: the server refused, or can't be reached.
        """
        for attempt in itertools.count():
            reply: httpx.Response | httpx.HTTPError
            try:
                reply = await self._http.request(method, path, **options)
            except httpx.HTTPError as error:
                reply = error
            seconds, value = self._settings.judge(reply, attempt)
            if seconds is None:
                return value
            await asyncio.sleep(seconds)

    async def predict(self, text: str | Sequence[str], domain: str | None = None, **options: Any) -> Any:
        """The entities of a text, or a list of them for each text; long lists are sent in parts at the same time.

        Args:
            text: one text, or several.
            domain: to use; None needs `types`.
            options: `types`, `threshold`, `thresholds`, `beams`, as in the route `/v1/predict`.

        Raises:
            ServerError: the server refused, or can't be reached.
        """
        texts = [text] if isinstance(text, str) else text
        parts = [self.request("POST", _PREDICT, json=body) for body in _bodies(texts, domain, options)]
        answers = _entities(await asyncio.gather(*parts))
        return answers[0] if isinstance(text, str) else answers

    async def domains(self) -> list[str]:
        """Names of all domains.

        Raises:
            ServerError: the server refused, or can't be reached.
        """
        return [row["id"] for row in (await self.request("GET", _MODELS))["data"][1:]]
