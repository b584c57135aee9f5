"""Errors on their way out: any exception -> an HTTP status and a body in OpenAI's shape.

Does not know requests. What a client gets is a message, a hint and the field to blame, never a
traceback or a path of this machine.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from edgesteer.errors import (
    ArchitectureError,
    Busy,
    Cancelled,
    ContextFullError,
    EdgesteerError,
    EngineError,
    FileWriteError,
    InputError,
    MissingExtraError,
    ModelError,
    NotFoundError,
    VectorFileError,
    VectorMismatchError,
)

__all__ = ["Failure", "FieldError", "RequestError", "failure_of"]

log = logging.getLogger("edgesteer.server")


class RequestError(EdgesteerError):
    """A request that is refused with an HTTP status of its own.

    `param` names the field to blame, `code` is for programs; both may be empty. `retry_after` is in
    seconds, 0 for never.
    """

    def __init__(
        self,
        status: int,
        message: str,
        hint: str = "",
        *,
        param: str = "",
        code: str = "",
        retry_after: int = 0,
    ) -> None:
        super().__init__(message, hint)
        self.status, self.param, self.code = status, param, code
        self.retry_after = retry_after


class FieldError(RequestError):
    """A field of a request that has the wrong type or value: 422, with the field named."""

    def __init__(self, param: str, message: str, hint: str = "", *, code: str = "") -> None:
        super().__init__(422, message, hint, param=param, code=code or "invalid_value")


@dataclass(frozen=True)
class Failure:
    """What the client is told."""

    status: int
    message: str
    hint: str = ""
    param: str = ""
    code: str = ""
    retry_after: int = 0

    def body(self) -> dict[str, Any]:
        """The JSON body, in OpenAI's shape with a hint beside the message."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        kind = {401: "authentication_error", 403: "permission_error"}.get(self.status, kind)
        message = f"{self.message}. {self.hint}" if self.hint else self.message
        return {
            "error": {
                "message": message,
                "type": kind,
                "param": self.param or None,
                "code": self.code or HTTPStatus(self.status).phrase.lower().replace(" ", "_"),
                "hint": self.hint or None,
            }
        }

    def headers(self) -> dict[str, str]:
        """Headers that belong to it."""
        found = {"WWW-Authenticate": "Bearer"} if self.status == 401 else {}
        return found | ({"Retry-After": str(self.retry_after)} if self.retry_after else {})


_STATUS: tuple[tuple[type[EdgesteerError], int, str], ...] = (
    (ContextFullError, 422, "context_length_exceeded"),
    (Busy, 503, "queue_full"),
    (ArchitectureError, 422, "not_steerable"),
    (InputError, 422, "invalid_value"),
    (NotFoundError, 404, "not_found"),
    (VectorMismatchError, 422, "vector_mismatch"),
    (VectorFileError, 422, "vector_damaged"),
    (FileWriteError, 507, "not_written"),
    (MissingExtraError, 501, "not_installed"),
    (Cancelled, 503, "cancelled"),
    (ModelError, 503, "model_closed"),
    (EngineError, 500, "engine_failed"),
)


def failure_of(error: BaseException, *, hide: str = "") -> Failure:
    """What a client is told of an exception; `hide` is a folder whose path stays here.

    Only what is no EdgesteerError is unexpected: it is logged with its traceback.
    """
    if isinstance(error, RequestError):
        return Failure(
            error.status, error.message, error.hint, error.param, error.code, error.retry_after
        )
    for kind, status, code in _STATUS:
        if isinstance(error, kind):
            message, hint = error.message, error.hint
            if hide:
                message, hint = (text.replace(hide, "the library") for text in (message, hint))
            return Failure(status, message, hint, code=code, retry_after=int(status == 503))
    log.error("a request failed unexpectedly", exc_info=error)
    return Failure(500, "something went wrong here; the server's log has the details")
