"""The guard before every handler: who may ask (Host, Origin, key), and headers on every answer.

Does not know what is asked. A page of another site can make a browser send requests here: by a name
of its own that leads to this machine (DNS rebinding, seen by the Host header) or by a cross-site
request (seen by the Origin and Sec-Fetch-Site headers). Neither gets past this file.
"""

from __future__ import annotations

import hmac
import ipaddress
import socket
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse

from edgesteer.server.errors import RequestError, failure_of
from edgesteer.server.settings import Settings, is_loopback

__all__ = ["CSP", "Guard"]

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_OPEN = ("/static/", "/favicon.ico")  # needed before a page can ask for the key
_SAFE = ("GET", "HEAD", "OPTIONS")


class Guard:
    """An ASGI application around another one."""

    def __init__(self, app: Any, settings: Settings, most_open: int) -> None:
        """`most_open` bounds the requests with a body that are being read or answered."""
        self._app, self._settings = app, settings
        self._open, self._most_open = 0, most_open
        self._key = settings.api_key.encode()
        self._names = {"localhost", _bare(settings.host)}
        if not settings.loopback:
            self._names |= {socket.gethostname().lower(), socket.getfqdn().lower()}

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    if name != "Cross-Origin-Resource-Policy" or not self._settings.cors:
                        headers.setdefault(name, value)
            await send(message)

        try:
            self._check(scope["method"], scope["path"], Headers(scope=scope))
        except RequestError as error:
            failure = failure_of(error)
            answer = JSONResponse(failure.body(), failure.status, failure.headers())
            await answer(scope, receive, send_with_headers)
            return
        changing = scope["method"] not in _SAFE
        self._open += changing
        try:
            await self._app(scope, receive, send_with_headers)
        finally:
            self._open -= changing

    def _check(self, method: str, path: str, headers: Headers) -> None:
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._known(hosts[0]):
            raise RequestError(
                403,
                f"this server does not answer to the name {', '.join(hosts)[:100]!r}",
                "ask it by its address, such as http://127.0.0.1:8808",
                code="wrong_host",
            )
        self._check_origin(method, headers, hosts[0])
        self._check_key(method, path, headers)
        if method not in _SAFE and self._open >= self._most_open:
            raise RequestError(
                503,
                f"{self._open} requests are open, which is the most",
                "ask again when some are answered",
                code="too_many_requests",
                retry_after=1,
            )

    def _check_key(self, method: str, path: str, headers: Headers) -> None:
        if method == "OPTIONS" or path == "/" or path.startswith(_OPEN):
            return
        if self._key and not self._has_key(headers):
            raise RequestError(
                401,
                "this server asks for an API key",
                "send 'Authorization: Bearer KEY' with the key that it was started with",
                code="invalid_api_key",
            )

    def _check_origin(self, method: str, headers: Headers, host: str) -> None:
        origin = headers.get("origin")
        cors = self._settings.cors
        if origin is not None:
            same = origin.lower() in (f"http://{host.lower()}", f"https://{host.lower()}")
            allowed = same or origin in cors or "*" in cors
        else:
            site = headers.get("sec-fetch-site", "none")
            allowed = site in ("none", "same-origin") or method in _SAFE
        if not allowed:
            raise RequestError(
                403,
                f"pages of {(origin or 'another site')[:100]} may not ask this server",
                "start it with --cors ORIGIN to let them",
                code="wrong_origin",
            )

    def _known(self, host: str) -> bool:
        """Whether a Host header names this server and can not be somebody else's name for it."""
        name = _bare(host)
        if name in self._names:
            return True
        if self._settings.loopback:
            return is_loopback(name)
        try:  # an address is nobody's name: it can not be made to lead elsewhere
            return bool(ipaddress.ip_address(name))
        except ValueError:
            return False

    def _has_key(self, headers: Headers) -> bool:
        scheme, _, key = headers.get("authorization", "").partition(" ")
        given = key.strip().encode("latin-1", "replace") if scheme.lower() == "bearer" else b""
        return hmac.compare_digest(given, self._key)


def _bare(host: str) -> str:
    """A host without its port, brackets and closing dot, in lower case; '' for nonsense."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""
