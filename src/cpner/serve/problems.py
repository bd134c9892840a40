"""Errors as answers over HTTP: one shape of JSON for all, and the status that each kind of error has."""

from __future__ import annotations

from typing import Any

from cpner.errors import CpnerError, status_of


class ProblemError(Exception):
    """A request that can't be answered as it was asked for.

    Args:
        status: of the answer over HTTP.
        kind: of the error, for programs, as "overloaded".
        message: for people; holds no text of a user's.
        headers: further headers of the answer.
        details: further fields of the answer.
    """

    def __init__(
        self, status: int, kind: str, message: str, *, headers: dict[str, str] | None = None, **details: Any
    ) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.headers = headers or {}
        self.details = details

    def without(self, path: str) -> ProblemError:
        """The same without a path that concerns nobody outside."""
        message = str(self).replace(path, "")
        return ProblemError(self.status, self.kind, message, headers=self.headers, **self.details)

    def to_json(self) -> dict[str, Any]:
        """The body of the answer."""
        return {"error": str(self), "error_type": self.kind, **self.details}


_KINDS = {
    400: "malformed",
    404: "not_found",
    409: "conflict",
    413: "too_large",
    415: "unsupported_media_type",
    422: "invalid",
    424: "backend",
    500: "internal",
    501: "missing_extra",
    503: "unavailable",
}


def overloaded(message: str, seconds: int, **details: Any) -> ProblemError:
    """A refusal (429) that tells when to come again.

    Args:
        message: what is full.
        seconds: until there should be room, at least 1.
        details: further fields of the answer.
    """
    return ProblemError(429, "overloaded", message, headers={"Retry-After": str(max(1, seconds))}, **details)


def problem_of(error: Exception, *, status: int | None = None) -> ProblemError:
    """An error of the library as an answer; what nobody foresaw is told without its message.

    Args:
        error: what was raised.
        status: of the answer; None for that of the error's class.
    """
    if isinstance(error, ProblemError):
        return error
    if isinstance(error, CpnerError):
        code = status or status_of(error).http
        return ProblemError(code, _KINDS.get(code, "error"), str(error))
    return ProblemError(500, "internal", "the server failed; its log says more")
