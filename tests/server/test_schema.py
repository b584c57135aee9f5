"""Schemas of requests: ordinary ones are taken, those that could hold the engine up are refused."""

from __future__ import annotations

import time
from typing import Any

import pytest

from edgesteer.constraints import read_constraints
from edgesteer.server.errors import FieldError
from edgesteer.server.schema import check_schema
from edgesteer.server.settings import Limits

from .running import Running

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}


def defined(name: str, **defs: Schema) -> Schema:
    return {"$ref": f"#/$defs/{name}", "$defs": defs}


def thing(*required: str, **properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required)}


def either(*schemas: Schema) -> Schema:
    return {"anyOf": list(schemas)}


def ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def nested(depth: int, width: int) -> Schema:
    """`width` alternatives that begin alike, each holding the next level: width ** depth ways."""
    levels = {
        f"a{d}": either(
            *({"type": "array", "items": ref(f"a{d + 1}"), "minItems": i + 1} for i in range(width))
        )
        for d in range(depth)
    }
    return defined("a0", **levels, **{f"a{depth}": TEXT})


def mixed(**words: Any) -> Schema:
    """Words beside each other, in which ref("a0") has too many ways to go on."""
    return words | {"$defs": nested(12, 2)["$defs"]}


A0, NULL = ref("a0"), {"type": "null"}
OBJECT: Schema = {"type": "object", "properties": {"a": A0}, "required": ["a"]}
MIXED = {
    "properties, prefixItems": mixed(**OBJECT, prefixItems=[NULL]),
    "properties, allOf": mixed(**OBJECT, allOf=[{"description": "x"}]),
    "properties, anyOf of nothing": mixed(**OBJECT, anyOf={}),
    "oneOf, anyOf": mixed(oneOf=[A0], anyOf=[NULL]),
    "anyOf, oneOf": mixed(oneOf=[], anyOf=[A0]),
    "items, prefixItems": mixed(type="array", items=A0, prefixItems=[NULL]),
    "prefixItems, items": mixed(type="array", items=[], prefixItems=[A0]),
    "additionalProperties, prefixItems": mixed(additionalProperties=A0, prefixItems=[NULL]),
    "type, properties": mixed(**OBJECT, enum="x"),
    "one allOf that adds free names": defined(
        "e", e={**thing("a", a=ref("e")), "allOf": [{"additionalProperties": ref("e")}]}
    ),
    "required names that are not there": thing(
        *(f"no{i}" for i in range(300)), **{f"field{i}": TEXT for i in range(300)}
    ),
}
ORDINARY = {
    "person": thing("name", "age", name=TEXT, age={"type": "integer"}),
    "optional": thing(**{f"field{i}": either(TEXT, {"type": "null"}) for i in range(40)}),
    "list": defined("node", node=thing("next", next=either(ref("node"), {"type": "null"}))),
    "tree": defined("node", node=thing(children={"type": "array", "items": ref("node")})),
    "union": {"type": "array", "items": either(thing(a=TEXT), thing(b=TEXT), TEXT)},
    "countries": {"enum": [f"country {i}" for i in range(200)]},
    "one allOf": thing(a={"allOf": [ref("x")]}) | {"$defs": {"x": thing("b", b=TEXT)}},
    "named like words": thing(pattern=TEXT, minItems=TEXT, allOf=TEXT),
    "any": {},
    "few nested": nested(3, 2),
    "words beside each other": {
        "type": ["object", "null"],
        "properties": {"a": either(TEXT, {"type": "null"}), "b": {"enum": ["x"], "type": "string"}},
        "required": ["a"],
        "additionalProperties": False,
        "anyOf": [thing("a", a=TEXT), {"type": "null"}],
    },
}
HOSTILE = {
    "nested": nested(12, 2),
    "wide and nested": nested(4, 6),
    "expression": defined(
        "e", e=either(thing(left=ref("e")), thing(right=ref("e")), {"type": "number"})
    ),
    "free names": defined("e", e={**thing(a=ref("e")), "additionalProperties": ref("e")}),
    "many words": {"enum": ["a" * 30 + str(i) for i in range(400)]},
    "many names": thing(**{f"field{i}": TEXT for i in range(300)}),
    "pattern": {"type": "string", "pattern": "^(a?){30}$"},
    "items": {"type": "array", "items": TEXT, "minItems": 100_000},
    "items of items": {
        "type": "array", "minItems": 900,
        "items": {"type": "array", "minItems": 900, "items": {"type": "array", "minItems": 900}},
    },
    "length": {"type": "string", "maxLength": 10**9},
    "negative": {"type": "string", "minLength": -1},
    "parts": {"type": "object", "properties": {f"p{i}": thing(x=TEXT) for i in range(400)}},
    "long": {"enum": ["x" * 70_000]},
    "long name": thing(**{"x" * 300: TEXT}),
    "elsewhere": {"$ref": "https://example.org/schema.json"},
    "a file": {"$ref": "file:///schema.json"},
    "elsewhere, unused": {"$defs": {"x": {"$ref": "https://example.org/x.json"}}},
    "nowhere": {"$ref": "#/$defs/none"},
    "allOf": {"allOf": [thing(a=TEXT), thing(a=TEXT)]},
    **MIXED,
}  # fmt: skip


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_schemas_are_taken_and_become_grammars(name: str) -> None:
    check_schema(ORDINARY[name], "schema", Limits())
    assert read_constraints(lambda text: [0], 1, json_schema=ORDINARY[name]).grammar


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_schemas_are_refused_at_once(name: str) -> None:
    start = time.monotonic()
    with pytest.raises(FieldError) as caught:
        check_schema(HOSTILE[name], "schema", Limits())
    assert caught.value.code == "schema_refused"
    assert time.monotonic() - start < 5


def test_a_hostile_schema_is_a_422_over_http(server: Running) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": HOSTILE["nested"]}}
    answer = server.chat(response_format=wanted)
    assert answer.status == 422
    assert answer.error["param"] == "response_format.json_schema.schema"
    assert answer.error["code"] == "schema_refused"


def test_a_schema_that_no_grammar_can_say_is_a_422(server: Running) -> None:
    for schema in ({"type": "soup"}, {"enum": 5}, defined("a", a=ref("a")), {"not": TEXT}):
        wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
        answer = server.chat(response_format=wanted, logit_bias=None)
        assert answer.status == 422, (schema, answer.data)
        assert answer.error["hint"]
