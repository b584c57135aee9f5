"""What handlers share of HTTP: bodies in, errors and event streams out.

Does not know any endpoint.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

from sse_starlette import EventSourceResponse
from sse_starlette.sse import SendTimeoutError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from edgesteer.server.answers import Answers, ClientGone, unless_gone
from edgesteer.server.errors import RequestError, failure_of
from edgesteer.server.fields import Fields, parse_json

if TYPE_CHECKING:
    from edgesteer.server.state import Served

__all__ = ["GONE", "event_stream", "on_error", "read_json", "served_of"]

GONE = 499  # nginx's number for a client that has hung up; nobody reads it
log = logging.getLogger("edgesteer.server")
_PING_SECONDS, _STUCK_SECONDS = 15, 60


def served_of(request: Request) -> Served:
    """What the application serves."""
    served: Served = request.app.state.served
    return served


async def read_json(request: Request) -> Fields:
    """The JSON object in a request's body.

    Raises RequestError: 415 for another media type, 413 for a body that is too long, 408 for one
    that does not arrive, 400 and 422 for what is no JSON object.
    """
    limits = served_of(request).limits
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise RequestError(
            415, f"the body must be application/json, not {kind[:80] or 'of no stated type'!r}",
            "send the header 'Content-Type: application/json'", code="bad_media_type",
        )  # fmt: skip
    stated = request.headers.get("content-length", "")
    if stated.isdecimal() and int(stated[:20]) > limits.body:
        raise _too_long(limits.body)
    raw = bytearray()
    try:
        async with asyncio.timeout(limits.body_seconds):
            async for part in request.stream():
                raw += part
                if len(raw) > limits.body:
                    raise _too_long(limits.body)
    except TimeoutError:
        raise RequestError(408, "the body did not arrive in time", "send it again") from None
    except ClientDisconnect:
        raise ClientGone from None
    return parse_json(bytes(raw))


def _too_long(most: int) -> RequestError:
    return RequestError(
        413, f"the body is longer than {most} bytes", "send less at once", code="body_too_long"
    )


async def event_stream(
    request: Request, served: Served, answers: Answers, events: AsyncIterator[bytes]
) -> Response:
    """The response that streams running answers.

    It waits for the first piece, so that what fails at once has a status of its own. Who hangs up
    has the answers cancelled.
    """
    try:
        await unless_gone(request.receive, answers.begun())
    except BaseException:
        served.finish(answers)
        raise
    return _Events(events, lambda: served.finish(answers))


class _Events(EventSourceResponse):  # type: ignore[misc]
    """An event stream that cleans up however it ends, also when it never began."""

    def __init__(self, events: AsyncIterator[bytes], end: Callable[[], None]) -> None:
        super().__init__(events, ping=_PING_SECONDS, sep="\n", send_timeout=_STUCK_SECONDS)
        self._end = end

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send all events, until the client hangs up or has not read for a minute."""
        try:
            await super().__call__(scope, receive, send)
        except SendTimeoutError:
            log.info("a client has stopped reading its answer")
        finally:
            self._end()


async def on_error(request: Request, error: Exception) -> Response:
    """Any exception as an answer in OpenAI's shape."""
    if isinstance(error, ClientGone):
        return Response(status_code=GONE)
    if isinstance(error, HTTPException):
        found = RequestError(error.status_code, str(error.detail), code=_code(error.status_code))
        failure = failure_of(found)
        return JSONResponse(
            failure.body(), failure.status, {**(error.headers or {}), **failure.headers()}
        )
    failure = served_of(request).failure(error)
    return JSONResponse(failure.body(), failure.status, failure.headers())


def _code(status: int) -> str:
    return {404: "no_such_route", 405: "wrong_method"}.get(status, "")
