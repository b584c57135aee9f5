"""GET /v1/models and POST /v1/embeddings: what is served, and texts as vectors.

Does not know answers. An embedding is the mean over a text's tokens of the output of the model's
last block, unsteered, at unit length; the token at the start that says nothing is left out.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from edgesteer.errors import EngineError
from edgesteer.server.answers import unless_gone
from edgesteer.server.asked import HARMLESS
from edgesteer.server.errors import RequestError
from edgesteer.server.fields import Fields
from edgesteer.server.http import read_json, served_of

if TYPE_CHECKING:
    from edgesteer.model import Model
    from edgesteer.server.state import Served

FloatArray = npt.NDArray[np.float32]
_TOGETHER = 8  # texts that are read at once, before looking whether the client is still there

__all__ = ["embeddings", "model_facts", "models"]


async def models(request: Request) -> Response:
    """The served model, and one more name for each recipe that goes with it."""
    served = served_of(request)
    names = await served.in_thread(_names, served)
    rows = [_row(name, served) for name in names]
    return JSONResponse({"object": "list", "data": rows})


async def model_facts(request: Request) -> Response:
    """One of those names."""
    served = served_of(request)
    name = request.path_params["name"]
    if name not in await served.in_thread(_names, served):
        raise RequestError(
            404, f"the model {name[:100]!r} is not served here", "GET /v1/models lists all",
            param="model", code="model_not_found",
        )  # fmt: skip
    return JSONResponse(_row(name, served))


def _names(served: Served) -> list[str]:
    name = served.model.name
    return [name, *(f"{name}+{recipe}" for recipe in served.recipe_names())]


def _row(name: str, served: Served) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": int(served.started), "owned_by": "edgesteer"}


@dataclass(frozen=True)
class EmbeddingRequest:
    """Texts, and whether their embeddings come as base64 of float32."""

    model: str
    texts: tuple[str, ...]
    base64: bool
    ignored: tuple[str, ...]


def read_embedding(fields: Fields, served: Served) -> EmbeddingRequest:
    """A request's body as a value. Raises FieldError."""
    fields.need("input")
    texts = fields.texts("input", served.limits.inputs) or ()
    if not all(texts) or not texts:
        raise fields.wrong("input", "has an empty text" if texts else "is an empty list")
    n_embd = served.model.n_embd
    size = fields.whole("dimensions", 1, 2**20)
    if size is not None and size != n_embd:
        raise fields.wrong("dimensions", f"can only be {n_embd}, the model's width")
    if fields.value("steering") not in (None, ""):
        raise fields.wrong("steering", "does not act on embeddings: they are read unsteered")
    form = fields.choice("encoding_format", "float", "base64")
    model = fields.text("model", 1024) or ""
    return EmbeddingRequest(model, texts, form == "base64", fields.close(HARMLESS))


async def embeddings(request: Request) -> Response:
    """The endpoint."""
    served = served_of(request)
    asked = read_embedding(await read_json(request), served)
    served.check_length(asked.texts)
    await served.in_thread(served.applied, asked.model, None)
    rows: list[dict[str, Any]] = []
    n_tokens, end = 0, time.monotonic() + served.limits.seconds
    for start in range(0, len(asked.texts), _TOGETHER):
        if time.monotonic() > end:
            raise RequestError(
                503, "the time for this request is up", code="timeout", retry_after=5
            )
        some = asked.texts[start : start + _TOGETHER]
        work = served.in_thread(embed, served.model, some, waits=True)
        found, count = await unless_gone(request.receive, work)
        n_tokens += count
        for row in found:
            packed = base64.b64encode(row.astype("<f4").tobytes()).decode()
            value = packed if asked.base64 else row.tolist()
            rows.append({"object": "embedding", "index": len(rows), "embedding": value})
    body: dict[str, Any] = {
        "object": "list",
        "data": rows,
        "model": asked.model or served.model.name,
        "usage": {"prompt_tokens": n_tokens, "total_tokens": n_tokens},
    }
    return JSONResponse(body | ({"ignored": list(asked.ignored)} if asked.ignored else {}))


def embed(model: Model, texts: Sequence[str]) -> tuple[FloatArray, int]:
    """The embeddings of texts, float32 [n, n_embd] at unit length, and how many tokens they have.

    Raises RequestError (422) when this model's residual stream can not be read.
    """
    tokens = [model.tokenize(text) for text in texts]
    bare = [model.tokenize(text, special=False) for text in texts]
    spans = [
        max(min(len(whole) - len(part), len(whole) - 1), 0)
        for whole, part in zip(tokens, bare, strict=True)
    ]
    try:
        rows = model.capture(
            tokens, layers=[model.n_layer - 1], positions="mean", spans=spans
        ).rows[:, 0]
    except EngineError as error:
        if type(error) is not EngineError:
            raise
        raise RequestError(
            422, f"this model gives no embeddings: {error.message}", error.hint,
            code="embeddings_not_supported",
        ) from error  # fmt: skip
    if not np.isfinite(rows).all():
        raise RequestError(
            422, "the model's numbers overflowed on one of these texts", "shorten it",
            code="embeddings_not_supported",
        )  # fmt: skip
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    return (rows / np.where(lengths > 0, lengths, 1)).astype(np.float32), sum(map(len, tokens))
