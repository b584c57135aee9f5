"""Runs the server until it is told to stop: bind, serve, drain.

Does not know requests. At the first SIGTERM or Ctrl-C nothing new is taken and what runs is written
to its end, for at most the drain time; a second one ends at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn
from sse_starlette.sse import AppStatus

from edgesteer.errors import InputError
from edgesteer.server.settings import Settings

__all__ = ["bind", "run"]

DRAIN_SECONDS = 30
_BACKLOG = 256


def bind(settings: Settings) -> socket.socket:
    """The listening socket, taken before the model is opened, which takes a while.

    Raises InputError for a port that is taken, and for an address that is not this machine's.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # Without the protocol's number asyncio leaves Nagle's algorithm on: 40 ms to the first token.
    found = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # elsewhere it would let two servers share a port
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((settings.host.strip("[]"), settings.port))
        found.listen(_BACKLOG)
    except OSError as error:
        found.close()
        where = f"{settings.host}:{settings.port}"
        if error.errno == errno.EADDRINUSE:
            raise InputError(
                f"{where} is taken by another program",
                "give another --port; --port 0 takes any that is free",
            ) from error
        raise InputError(
            f"{where} can not be listened on: {error.strerror or error}", "--host 127.0.0.1"
        ) from error
    return found


def run(app: Any, listening: socket.socket, *, drain: float = DRAIN_SECONDS) -> None:
    """Serve until SIGTERM or SIGINT, then let running answers end, for `drain` seconds at most."""
    # Without this the first signal would cut every stream short.
    AppStatus.disable_automatic_graceful_drain()
    _log_failures()
    config = uvicorn.Config(
        app,
        access_log=False,
        log_config=None,
        server_header=False,
        lifespan="off",
        ws="none",
        proxy_headers=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=int(drain),
        h11_max_incomplete_event_size=1 << 16,
    )
    _Server(config).run(sockets=[listening])


def _log_failures() -> None:
    """Let what goes wrong in the server be seen on stderr, also without -v."""
    ours, theirs = logging.getLogger("edgesteer.server"), logging.getLogger("uvicorn.error")
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    handler.setLevel(logging.ERROR)
    # Requests that are cut off when the drain is over, or by a second signal, are no failures.
    theirs.addFilter(lambda record: not _is_cancelled(record))
    for log in (ours, theirs):
        log.addHandler(handler)
        log.propagate = False


def _is_cancelled(record: logging.LogRecord) -> bool:
    return bool(record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


class _Server(uvicorn.Server):  # type: ignore[misc]
    """uvicorn's server, which ends in peace when it was asked to end."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn's, but the signal is not raised once more after the drain."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        wanted = [signal.SIGINT, signal.SIGTERM]
        before: list[tuple[signal.Signals, Callable[..., Any] | int | None]] = [
            (number, signal.signal(number, self.handle_exit)) for number in wanted
        ]
        try:
            yield
        finally:
            for number, handler in before:
                signal.signal(number, handler)
