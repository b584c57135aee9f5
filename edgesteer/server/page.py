"""The page: the files of static/, served with their types, from a list made at the start.

Does not know the API. Only files that were there at the start can be asked for, by their own names.
"""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from edgesteer.server.errors import RequestError

__all__ = ["FOLDER", "favicon", "index", "static"]

FOLDER = Path(__file__).parent / "static"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
}
_FILES = {
    path.relative_to(FOLDER).as_posix(): path
    for path in FOLDER.rglob("*")
    if path.suffix in _TYPES and path.is_file()
}


async def index(_request: Request) -> Response:
    """The page itself."""
    return _file("index.html")


async def static(request: Request) -> Response:
    """One of its files."""
    return _file(request.path_params["name"])


async def favicon(_request: Request) -> Response:
    """The icon that browsers ask for unasked."""
    if "favicon.svg" in _FILES:
        return _file("favicon.svg")
    return Response(status_code=204)


def _file(name: str) -> Response:
    path = _FILES.get(name)
    if path is None:
        raise RequestError(404, f"there is no file {name[:100]!r}", code="no_such_file")
    return FileResponse(path, media_type=_TYPES[path.suffix], headers={"Cache-Control": "no-cache"})
