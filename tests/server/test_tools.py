"""Tools, with a template that has a place for them: offered, forced, read out of answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from edgesteer.server.errors import FieldError
from edgesteer.server.fields import Fields
from edgesteer.server.settings import Limits
from edgesteer.server.tools import CallReader, read_tools

from ..tiny import TEMPLATE, write_model
from .running import Running

WITH_TOOLS = (
    "{% if tools %}<|system|>{% for t in tools %}{{ t | tojson }}{% endfor %}"
    "write <tool_call> and </tool_call><|end|>{% endif %}"
    "{% for m in messages %}<|{{ m.role if m.role != 'tool' else 'user' }}|>{{ m.content }}"
    "{% for c in m.tool_calls or [] %}{{ c.function.arguments | tojson }}{% endfor %}"
    "<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "paint",
        "description": "Paints it.",
        "parameters": {
            "type": "object",
            "properties": {"colour": {"enum": ["red", "blue"]}},
            "required": ["colour"],
        },
    },
}
OTHER: dict[str, Any] = {"type": "function", "function": {"name": "wait"}}


@pytest.fixture(scope="module")
def painter(shelf: Path) -> Iterator[Running]:
    """A server of a model whose template takes tools."""
    path = write_model(shelf / "painter.gguf", template=WITH_TOOLS)
    running = Running(shelf, str(path), "--ctx", "2048")
    yield running
    code, said = running.stop()
    assert code == 0, said


def test_a_forced_call_is_one_of_the_tool(painter: Running) -> None:
    wanted = {"type": "function", "function": {"name": "paint"}}
    for choice in ("required", wanted):
        fields = {"tools": [TOOL], "tool_choice": choice, "max_tokens": 200, "logit_bias": None}
        found = painter.chat(**fields).json["choices"][0]
        assert found["finish_reason"] == "tool_calls"
        assert found["message"]["content"] is None
        [call] = found["message"]["tool_calls"]
        assert (call["type"], call["function"]["name"]) == ("function", "paint")
        assert json.loads(call["function"]["arguments"])["colour"] in ("red", "blue")


def test_one_of_several_is_called(painter: Running) -> None:
    fields = {
        "tools": [TOOL, OTHER],
        "tool_choice": "required",
        "max_tokens": 300,
        "logit_bias": None,
    }
    names = set()
    for seed in range(6):
        found = painter.chat(**fields, seed=seed, temperature=2).json["choices"][0]
        if found["finish_reason"] == "tool_calls":  # it may run on inside the free object of `wait`
            names.add(found["message"]["tool_calls"][0]["function"]["name"])
    assert names
    assert names <= {"paint", "wait"}


def test_a_streamed_call_comes_as_a_call(painter: Running) -> None:
    with openai.OpenAI(base_url=f"{painter.url}v1", api_key="none") as client:
        stream = client.chat.completions.create(
            model="painter",
            messages=[{"role": "user", "content": "Hi"}],
            tools=[TOOL],  # type: ignore[list-item]
            tool_choice="required",
            stream=True,
        )
        choices = [choice for chunk in stream for choice in chunk.choices]
    calls = [call for choice in choices for call in choice.delta.tool_calls or []]
    assert [call.index for call in calls] == [0]
    assert calls[0].function is not None
    assert calls[0].function.name == "paint"
    assert "".join(choice.delta.content or "" for choice in choices) == ""
    assert choices[-1].finish_reason == "tool_calls"


def test_offered_tools_are_told_to_the_model_and_answers_go_back(painter: Running) -> None:
    plain = painter.chat().json
    offered = painter.chat(tools=[TOOL]).json
    assert offered["usage"]["prompt_tokens"] > plain["usage"]["prompt_tokens"] + 100
    unused = painter.chat(tools=[TOOL], tool_choice="none").json
    assert unused["usage"]["prompt_tokens"] == plain["usage"]["prompt_tokens"]
    arguments = {"name": "paint", "arguments": '{"colour": "red"}'}
    called = [{"id": "call_1", "type": "function", "function": arguments}]
    conversation = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": None, "tool_calls": called},
        {"role": "tool", "tool_call_id": "call_1", "content": "done"},
    ]
    answer = painter.chat(messages=conversation, tools=[TOOL])
    assert answer.status == 200
    assert answer.json["choices"][0]["finish_reason"] == "length"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
        ({"tools": [{"type": "function", "function": {"name": "no spaces"}}]},
         "tools[0].function.name"),
        ({"tools": [{"type": "retrieval"}]}, "tools[0].type"),
        ({"tools": [OTHER, OTHER]}, "tools"),
        ({"tools": [TOOL], "tool_choice": "wait"}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "wait"}}},
         "tool_choice"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"tools": [{"type": "function", "function": {"name": "f", "parameters": {
            "type": "object", "properties": {"x": {"type": "string", "pattern": "^a$"}}}}}],
          "tool_choice": "required"}, "tools: f.parameters"),
    ],
)  # fmt: skip
def test_wrong_tools(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(FieldError) as caught:
        read_tools(Fields(fields), Limits(), allowed=True)
    assert caught.value.param == param


def test_a_template_without_tools_is_left_alone() -> None:
    assert "tools" not in TEMPLATE
    with pytest.raises(FieldError, match="no place for tools"):
        read_tools(Fields({"tools": [TOOL]}), Limits(), allowed=False)


CALL = '<tool_call>\n{"name": "f", "arguments": {"x": 1}}\n</tool_call>'


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_calls_are_read_however_the_text_was_cut(size: int) -> None:
    text = f"Let me see.\n{CALL}\n{CALL}"
    reader = CallReader()
    shown = "".join(reader.feed(text[i : i + size]) for i in range(0, len(text), size))
    rest, calls = reader.finish()
    assert (shown + rest).strip() == "Let me see."
    assert [json.loads(call["function"]["arguments"]) for call in calls] == [{"x": 1}] * 2
    assert calls[0]["id"] != calls[1]["id"]


@pytest.mark.parametrize(
    "text",
    ["no call", "a < b <tool", "<tool_call>nonsense</tool_call>", "<tool_call>{", "<tool_call>[]"],
)
def test_what_is_no_call_stays_text(text: str) -> None:
    reader = CallReader()
    shown = "".join(reader.feed(letter) for letter in text)
    rest, calls = reader.finish()
    assert (shown + rest, calls) == (text, [])


def test_a_base_model_can_not_converse(shelf: Path) -> None:
    path = write_model(shelf / "base.gguf", template=None)
    running = Running(shelf, str(path), "--ctx", "512")
    try:
        answer = running.chat()
        assert (answer.status, answer.error["code"]) == (422, "no_chat_template")
        body = {"prompt": "Hi", "max_tokens": 3}
        assert running.post("/v1/completions", body).status == 200
        assert running.post("/api/compare", {"prompt": "Hi"}).status == 422
        raw = {"prompt": "Hi", "raw": True, "max_tokens": 3}
        assert running.post("/api/compare", raw).status == 200
    finally:
        assert running.stop()[0] == 0


def _forced_by(*parameters: dict[str, Any]) -> str:
    rows = [
        {"type": "function", "function": {"name": f"tool{n}", "parameters": one}}
        for n, one in enumerate(parameters)
    ]
    tools = read_tools(Fields({"tools": rows, "tool_choice": "required"}), Limits(), allowed=True)
    assert tools is not None
    return tools.grammar


@pytest.mark.parametrize("defs", [5, "ab", [1], None])
def test_defs_that_are_no_object_are_refused(defs: Any) -> None:
    with pytest.raises(FieldError, match=r"\$defs"):
        _forced_by({"type": "object", "$defs": defs})


def test_tools_may_share_defs_but_not_mean_two_things_by_one_name() -> None:
    def tool(kind: str) -> dict[str, Any]:
        found = {"type": "object", "properties": {"x": {"$ref": "#/$defs/a"}}}
        return found | {"$defs": {"a": {"type": kind}}}

    assert "tool1" in _forced_by(tool("string"), tool("string"))
    with pytest.raises(FieldError, match="two different"):
        _forced_by(tool("string"), tool("integer"))
