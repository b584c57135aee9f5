"""/api/status, /api/steering and /api/vectors: what is on, and the live dial.

Does not know answers or recipes.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from edgesteer import __version__
from edgesteer.server.http import read_json, served_of

if TYPE_CHECKING:
    from edgesteer.server.state import Served

__all__ = ["get_steering", "metrics", "put_steering", "status", "vectors"]


async def status(request: Request) -> Response:
    """The model, the live default, the slots and the limits."""
    served = served_of(request)
    model, limits = served.model, served.limits
    busy, waiting = served.load()
    return JSONResponse(
        {
            "version": __version__,
            "model": {
                "name": model.name,
                "description": model.description,
                "architecture": model.architecture,
                "n_layer": model.n_layer,
                "n_embd": model.n_embd,
                "n_ctx": model.n_ctx,
                "device": model.device,
                "threads": model.threads,
                "has_chat_template": model.has_chat_template,
            },
            "steering": steering_body(served),
            "slots": {
                "total": model.n_seq,
                "busy": busy,
                "waiting": waiting,
                "queue": served.queue,
            },
            "limits": {
                "body_bytes": limits.body,
                "choices": limits.choices,
                "seconds": limits.seconds,
                "terms": limits.terms,
                "max_tokens": limits.tokens,
            },
            "defaults": {"system": served.system, "sampling": served.sampling},
            "uptime_s": round(time.time() - served.started, 1),
        }
    )


def steering_body(served: Served) -> dict[str, Any]:
    """The live default as JSON values."""
    live = served.live
    return {
        "text": str(live.steering),
        "terms": live.steering.to_dict()["terms"],
        "warnings": served.binder.warnings(live.steering),
        "version": live.version,
    }


async def get_steering(request: Request) -> Response:
    """The live default."""
    return JSONResponse(steering_body(served_of(request)))


async def put_steering(request: Request) -> Response:
    """Another live default: it acts from the next token on, in running answers that follow it."""
    served = served_of(request)
    fields = await read_json(request)
    value = fields.steering("steering")
    fields.close()
    async with served.turning:  # one after another, so that the last one asked for stays
        steering = await served.in_thread(served.binder.read, value)
        following = await served.in_thread(served.live.put, steering)
    return JSONResponse(steering_body(served) | {"following": following})


async def vectors(request: Request) -> Response:
    """The vectors that a steering can name, those that fit the model first."""
    served = served_of(request)
    rows = await served.in_thread(served.vectors.listing)
    return JSONResponse({"vectors": rows})


async def metrics(request: Request) -> Response:
    """Figures in Prometheus' text format."""
    text = served_of(request).metrics.text()
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")
