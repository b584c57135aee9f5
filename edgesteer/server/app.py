"""The ASGI application: which path leads to which handler.

Does not know what handlers do. `create_app` is for programs that serve a model of their own; the
command line runs it by run.py.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from edgesteer.server import api, chat, compare, completions, models, page, recipes
from edgesteer.server.guard import Guard
from edgesteer.server.http import on_error, served_of
from edgesteer.server.openapi import describe
from edgesteer.server.settings import Settings
from edgesteer.server.state import Served

if TYPE_CHECKING:
    from edgesteer.model import Model

__all__ = ["create_app"]

_OPEN = 256  # requests with a body, at once: each may hold a few megabytes
Handler = Callable[[Request], Awaitable[Response]]

_ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("POST", "/v1/chat/completions", chat.chat_completions),
    ("POST", "/v1/completions", completions.completions),
    ("POST", "/v1/embeddings", models.embeddings),
    ("GET", "/v1/models", models.models),
    ("GET", "/v1/models/{name:path}", models.model_facts),
    ("GET", "/api/status", api.status),
    ("GET", "/api/steering", api.get_steering),
    ("PUT", "/api/steering", api.put_steering),
    ("GET", "/api/vectors", api.vectors),
    ("GET", "/api/recipes", recipes.list_recipes),
    ("GET", "/api/recipes/{name}", recipes.get_recipe),
    ("PUT", "/api/recipes/{name}", recipes.put_recipe),
    ("DELETE", "/api/recipes/{name}", recipes.delete_recipe),
    ("POST", "/api/compare", compare.compare),
    ("GET", "/metrics", api.metrics),
)
_PAGE: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/", page.index),
    ("GET", "/favicon.ico", page.favicon),
    ("GET", "/static/{name:path}", page.static),
)


def create_app(
    model: Model,
    settings: Settings | None = None,
    *,
    steer: Any = None,
    system: str | None = None,
    sampling: Mapping[str, Any] | None = None,
) -> Starlette:
    """An ASGI application that serves an opened model, which stays the caller's to close.

    Args:
        model: what is served; its slots and its queue are the server's.
        settings: who may ask, and what a request may cost.
        steer: the live default steering, whatever `Model.ask` takes.
        system, sampling: what acts on requests that state none of their own.

    Raises:
        EdgesteerError: the steering does not fit the model.
    """
    settings = settings or Settings()
    served = Served(model, settings, steer=steer, system=system, sampling=sampling)
    routes = [_route(served, *row) for row in _ROUTES]
    if settings.page:
        routes += [_route(served, *row) for row in _PAGE]
    routes.append(_route(served, "GET", "/openapi.json", _openapi))
    most = max(_OPEN, 2 * (model.n_seq + model.queue))
    middleware = [Middleware(Guard, settings=settings, most_open=most)]
    if settings.cors:
        middleware.insert(0, Middleware(CORSMiddleware, **_cors(settings)))
    app = Starlette(
        routes=routes, middleware=middleware, exception_handlers={HTTPException: on_error}
    )
    app.state.served = served
    return app


def _cors(settings: Settings) -> dict[str, Any]:
    return {
        "allow_origins": list(settings.cors),
        "allow_methods": ["GET", "POST", "PUT", "DELETE"],
        "allow_headers": ["*"],  # clients send headers of their own: OpenAI's has x-stainless-*
    }


def _route(served: Served, method: str, path: str, handler: Handler) -> Route:
    """A route whose requests are counted, by its pattern and not by what was asked for."""

    async def counted(request: Request) -> Response:
        try:
            response = await handler(request)
        except Exception as error:  # noqa: BLE001, the client gets a 500, the log the traceback
            response = await on_error(request, error)
        served.metrics.request(path, response.status_code)
        return response

    return Route(path, counted, methods=[method])


async def _openapi(request: Request) -> Response:
    served = served_of(request)
    return JSONResponse(describe(served))
