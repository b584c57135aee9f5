"""The OpenAPI description of what is served: GET /openapi.json.

Does not read requests; the readers do. What it says of a request is what they take.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from edgesteer import __version__
from edgesteer.server.asked import HARMLESS

if TYPE_CHECKING:
    from edgesteer.server.state import Served

__all__ = ["describe"]

Schema = dict[str, Any]


def _text(**more: Any) -> Schema:
    return {"type": "string", **more}


def _number(low: float, high: float) -> Schema:
    return {"type": "number", "minimum": low, "maximum": high}


def _whole(low: int, high: int) -> Schema:
    return {"type": "integer", "minimum": low, "maximum": high}


def _list(items: Schema, **more: Any) -> Schema:
    return {"type": "array", "items": items, **more}


def _object(fields: dict[str, Schema], *required: str, **more: Any) -> Schema:
    shape = {"type": "object", "properties": fields, "additionalProperties": False, **more}
    return shape | ({"required": list(required)} if required else {})


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


FLAG: Schema = {"type": "boolean"}
ANY: Schema = {"type": "object"}
TOKENS = _whole(1, 2**31 - 1)
STEERING: Schema = {
    "description": "What steers: text of the steering grammar (calm=1.2@8-16), or an object "
    '({"calm": 1.2}, or {"terms": [...]}); "" for nothing.',
    "anyOf": [_text(), ANY],
}


def _common(served: Served) -> dict[str, Schema]:
    limits = served.limits
    stop = _text(maxLength=limits.stop_length)
    return {
        "model": _text(maxLength=1024),
        "steering": STEERING,
        "n": _whole(1, limits.choices),
        "stream": FLAG,
        "stream_options": _object({"include_usage": FLAG, "include_obfuscation": FLAG}),
        "temperature": _number(0, 100),
        "top_p": _number(0, 1),
        "top_k": _whole(0, 2**31 - 1),
        "min_p": _number(0, 1),
        "repeat_penalty": _number(1e-3, 100),
        "frequency_penalty": _number(-2, 2),
        "presence_penalty": _number(-2, 2),
        "seed": _whole(-(2**63), 2**63),
        "stop": {"anyOf": [stop, _list(stop, maxItems=limits.stops)]},
        "logit_bias": {
            "type": "object",
            "maxProperties": limits.biases,
            "propertyNames": {"pattern": "^[0-9]{1,9}$"},
            "additionalProperties": _number(-100, 100),
        },
        "max_tokens": TOKENS,
    }


def _tool() -> Schema:
    fields = {
        "name": _text(pattern="^[A-Za-z0-9_-]{1,64}$"),
        "description": _text(),
        "parameters": ANY,
        "strict": FLAG,
    }
    function = _object(fields, "name")
    return _object({"type": _text(enum=["function"]), "function": function}, "type", "function")


def _harmless() -> dict[str, Schema]:
    return {name: {"description": "Taken, without effect."} for name in HARMLESS}


def _requests(served: Served) -> dict[str, Schema]:
    limits, common = served.limits, _common(served)
    part = _object({"type": _text(enum=["text", "input_text"]), "text": _text()}, "type", "text")
    content = {"anyOf": [_text(), _list(part, minItems=1, maxItems=1024)]}
    roles = ["system", "developer", "user", "assistant", "tool"]
    message = _object({"role": _text(enum=roles), "content": content}, "role", "content")
    messages = _list(message, minItems=1, maxItems=limits.messages)
    formats = [
        _object({"type": _text(enum=["text", "json_object"])}, "type"),
        _object(
            {
                "type": _text(enum=["json_schema"]),
                "json_schema": _object(
                    {"name": _text(maxLength=128), "schema": ANY, "strict": FLAG}, "schema"
                ),
            },
            "type",
            "json_schema",
        ),
    ]
    chat = {
        **common,
        "messages": messages,
        "max_completion_tokens": TOKENS,
        "logprobs": FLAG,
        "top_logprobs": _whole(0, 20),
        "response_format": {"anyOf": formats},
        "tools": _list(_tool(), maxItems=limits.tools),
        "tool_choice": {"anyOf": [_text(enum=["none", "auto", "required"]), ANY]},
        **_harmless(),
    }
    prompt = {"anyOf": [_text(), _list(_text(), minItems=1, maxItems=limits.choices)]}
    completion = {
        **common,
        "prompt": prompt,
        "echo": FLAG,
        "logprobs": _whole(0, 20),
        **_harmless(),
    }
    compare = {
        **{
            key: value
            for key, value in common.items()
            if key not in ("n", "stream", "stream_options")
        },
        "prompt": _text(minLength=1),
        "messages": messages,
        "system": _text(),
        "raw": FLAG,
        "watch": {"anyOf": [_text(), _list(_text(), maxItems=limits.terms)]},
    }
    text = _text(minLength=1)
    embedding = {
        "model": _text(maxLength=1024),
        "input": {"anyOf": [text, _list(text, minItems=1, maxItems=limits.inputs)]},
        "encoding_format": _text(enum=["float", "base64"]),
        "dimensions": _whole(served.model.n_embd, served.model.n_embd),
        **_harmless(),
    }
    sampling = {
        key: common[key]
        for key in ("temperature", "top_k", "top_p", "min_p", "repeat_penalty", "max_tokens")
    } | {"seed": _whole(0, 2**32 - 1)}
    recipe = {
        "steering": STEERING,
        "system": _text(maxLength=1 << 16),
        "sampling": _object(sampling),
        "replace": FLAG,
    }
    return {
        "ChatRequest": _object(chat, "messages"),
        "CompletionRequest": _object(completion, "prompt"),
        "CompareRequest": _object(
            compare, anyOf=[{"required": ["prompt"]}, {"required": ["messages"]}]
        ),
        "EmbeddingRequest": _object(embedding, "input"),
        "SteeringRequest": _object({"steering": STEERING}),
        "RecipeRequest": _object(recipe),
    }


def _answers() -> dict[str, Schema]:
    open_object = {"type": "object"}
    error = {
        "message": _text(),
        "type": _text(),
        "param": {"type": ["string", "null"]},
        "code": _text(),
        "hint": {"type": ["string", "null"]},
    }
    steering = {
        "text": _text(),
        "terms": _list(open_object),
        "warnings": _list(_text()),
        "version": {"type": "integer"},
        "following": {"type": "integer"},
    }
    listed = {"object": _text(), "data": _list(open_object)}
    return {
        "Error": _object({"error": _object(error, *error)}, "error"),
        "Answer": {"type": "object", "required": ["id", "object", "choices", "usage", "steering"]},
        "Embeddings": {"type": "object", "required": ["object", "data", "model", "usage"]},
        "Models": _object(listed, *listed),
        "Model": {"type": "object", "required": ["id", "object", "created", "owned_by"]},
        "Status": {"type": "object", "required": ["version", "model", "steering", "slots"]},
        "Steering": _object(steering, "text", "terms", "warnings", "version"),
        "Vectors": _object({"vectors": _list(open_object)}, "vectors"),
        "Recipes": _object({"recipes": _list(open_object)}, "recipes"),
        "Recipe": {"type": "object", "required": ["name", "fits", "problem"]},
        "Description": open_object,
        "Deleted": _object({"deleted": _text()}, "deleted"),
    }


_JSON = "application/json"
_EVENTS = "text/event-stream"
#: What any request may get, and what one with a body or an answer may.
_ALWAYS = (401, 403)
_BODY = (400, 408, 413, 415, 422)
_WORK = (404, 500, 503)


def _operation(
    summary: str,
    answer: str,
    *,
    body: str = "",
    kinds: Sequence[str] = (_JSON,),
    codes: Sequence[int] = (),
    good: Sequence[int] = (200,),
    name: bool = False,
) -> dict[str, Any]:
    schema = _ref(answer) if answer else _text()
    shapes = {_JSON: schema, _EVENTS: {"type": "object", "properties": {"data": _text()}}}
    contents = {kind: {"schema": shapes.get(kind, _text())} for kind in kinds}
    responses: dict[str, Any] = {
        str(code): {"description": "It went well.", "content": contents} for code in good
    }
    failed = {"description": "What went wrong.", "content": {_JSON: {"schema": _ref("Error")}}}
    responses |= {str(code): failed for code in (*_ALWAYS, *codes)}
    found: dict[str, Any] = {"summary": summary, "responses": responses}
    if body:
        content = {_JSON: {"schema": _ref(body)}}
        found["requestBody"] = {"required": True, "content": content}
    if name:
        place = {"name": "name", "in": "path", "required": True, "schema": _text(minLength=1)}
        found["parameters"] = [place]
    return found


def _paths() -> dict[str, Any]:
    work, both = (*_BODY, *_WORK), (_JSON, _EVENTS)
    missing = (404, 422, 500)
    return {
        "/v1/chat/completions": {
            "post": _operation(
                "Answer a conversation", "Answer", body="ChatRequest", kinds=both, codes=work
            )
        },
        "/v1/completions": {
            "post": _operation(
                "Continue texts", "Answer", body="CompletionRequest", kinds=both, codes=work
            )
        },
        "/v1/embeddings": {
            "post": _operation(
                "Texts as vectors", "Embeddings", body="EmbeddingRequest", codes=work
            )
        },
        "/v1/models": {"get": _operation("What is served", "Models")},
        "/v1/models/{name}": {
            "get": _operation("One served name", "Model", name=True, codes=(404,))
        },
        "/api/status": {"get": _operation("The state of the server", "Status")},
        "/api/steering": {
            "get": _operation("The live default steering", "Steering"),
            "put": _operation(
                "Steer by something else from the next token on",
                "Steering",
                body="SteeringRequest",
                codes=(*_BODY, 500),
            ),
        },
        "/api/vectors": {"get": _operation("What a steering can name", "Vectors")},
        "/api/recipes": {"get": _operation("All recipes", "Recipes")},
        "/api/recipes/{name}": {
            "get": _operation("One recipe", "Recipe", name=True, codes=missing),
            "put": _operation(
                "Save a recipe",
                "Recipe",
                body="RecipeRequest",
                good=(200, 201),
                name=True,
                codes=(*_BODY, 404, 409, 500, 507),
            ),
            "delete": _operation("Delete a recipe", "Deleted", name=True, codes=missing),
        },
        "/api/compare": {
            "post": _operation(
                "One prompt, plain and steered",
                "",
                body="CompareRequest",
                kinds=(_EVENTS,),
                codes=work,
            )
        },
        "/metrics": {"get": _operation("Figures for Prometheus", "", kinds=("text/plain",))},
        "/openapi.json": {"get": _operation("This description", "Description")},
    }


def describe(served: Served) -> dict[str, Any]:
    """The whole description, with the limits of this server."""
    found: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "edgesteer",
            "version": __version__,
            "description": "An OpenAI-compatible API with steering in each request.",
        },
        "servers": [{"url": served.settings.url.rstrip("/")}],
        "paths": _paths(),
        "components": {"schemas": _requests(served) | _answers()},
    }
    if served.settings.api_key:
        found["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        found["security"] = [{"key": []}]
    return found
