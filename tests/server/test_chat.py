"""Chat completions: every field does what OpenAI says it does, whole and streamed alike."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .running import ENDS, Answer, Running


def chunks_of(answer: Answer) -> list[dict[str, Any]]:
    events = answer.events()
    assert events[-1] == ("", "[DONE]")
    return [data for _, data in events[:-1]]


def streamed(answer: Answer, index: int = 0) -> str:
    choices = [c for chunk in chunks_of(answer) for c in chunk["choices"] if c["index"] == index]
    return "".join(choice["delta"].get("content", "") for choice in choices)


def test_an_answer_has_openais_shape(server: Running) -> None:
    answer = server.chat()
    assert answer.headers["content-type"] == "application/json"
    body = answer.json
    assert (body["object"], body["model"]) == ("chat.completion", "tiny")
    choice = body["choices"][0]
    assert choice["message"]["role"] == "assistant"
    assert len(choice["message"]["content"]) == 8  # one character a token
    assert (choice["finish_reason"], choice["logprobs"]) == ("length", None)
    usage = body["usage"]
    assert usage["completion_tokens"] == 8
    assert usage["total_tokens"] == usage["prompt_tokens"] + 8


def test_a_stream_says_the_same_as_the_whole(server: Running) -> None:
    whole = server.say(seed=1, temperature=1)
    answer = server.chat(seed=1, temperature=1, stream=True)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert streamed(answer) == whole
    chunks = chunks_of(answer)
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks[-2:]] == [None, "length"]
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert all("usage" not in chunk for chunk in chunks)


def test_a_stream_ends_with_its_figures_when_asked(server: Running) -> None:
    chunks = chunks_of(server.chat(stream=True, stream_options={"include_usage": True}, user="me"))
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["completion_tokens"] == 8
    assert chunks[-1]["ignored"] == ["user"]
    assert all(chunk["usage"] is None for chunk in chunks[:-1])


def test_seeds_repeat_answers_and_n_counts_them_up(server: Running) -> None:
    both = server.chat(seed=3, n=2, temperature=1).json["choices"]
    assert [choice["seed"] for choice in both] == [3, 4]
    texts = [choice["message"]["content"] for choice in both]
    assert texts[0] != texts[1]
    assert texts == [server.say(seed=seed, temperature=1) for seed in (3, 4)]
    answer = server.chat(seed=3, n=2, temperature=1, stream=True)
    assert [streamed(answer, index) for index in (0, 1)] == texts


def test_a_seed_may_be_any_whole_number(server: Running) -> None:
    assert server.say(seed=-1, temperature=1) == server.say(seed=2**32 - 1, temperature=1)


def test_stop_ends_before_its_text(server: Running) -> None:
    whole = server.say(max_tokens=12)
    cut = whole[5]
    answer = server.chat(max_tokens=12, stop=[cut, "never said"]).json["choices"][0]
    assert answer["message"]["content"] == whole.partition(cut)[0]
    assert answer["finish_reason"] == "stop"


def test_max_completion_tokens_wins(server: Running) -> None:
    assert len(server.say(max_completion_tokens=3)) == 3


def test_logprobs(server: Running) -> None:
    choice = server.chat(logprobs=True, top_logprobs=2).json["choices"][0]
    tokens = choice["logprobs"]["content"]
    assert "".join(token["token"] for token in tokens) == choice["message"]["content"]
    for token in tokens:
        assert bytes(token["bytes"]).decode() == token["token"]
        assert token["logprob"] <= 0
        assert [top["logprob"] for top in token["top_logprobs"]] == sorted(
            (top["logprob"] for top in token["top_logprobs"]), reverse=True
        )
    chunks = chunks_of(server.chat(logprobs=True, top_logprobs=2, stream=True))
    parts = [chunk["choices"][0]["logprobs"] for chunk in chunks]
    assert [token for part in parts if part for token in part["content"]] == tokens


def test_logprobs_leave_out_the_token_that_ends(server: Running) -> None:
    only = {str(token): 100 if token == 6 else 0 for token in (2, 6)}
    choice = server.chat(logit_bias=only, logprobs=True).json["choices"][0]
    assert choice["message"]["content"] == ""
    assert choice["finish_reason"] == "stop"
    assert choice["logprobs"]["content"] == []


def test_logit_bias_forces_and_forbids(server: Running) -> None:
    first = server.chat(logprobs=True, top_logprobs=0, max_tokens=1).json["choices"][0]
    said = first["message"]["content"]
    number = 263 + " \nabcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ".index("q")
    assert server.say(logit_bias={**ENDS, str(number): 100}) == "q" * 8
    assert server.say(logit_bias={**ENDS, str(number): -100}, max_tokens=1) == said


def test_penalties_make_answers_repeat_less(server: Running) -> None:
    plain = server.say(max_tokens=40)
    damped = server.say(max_tokens=40, frequency_penalty=2, presence_penalty=2)
    assert len(set(damped)) > len(set(plain))


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"]},
        {"enum": ["yes", "no"]},
        {"type": "array", "items": {"enum": [1, 2]}, "minItems": 2, "maxItems": 2},
    ],
)
def test_a_schema_is_kept(server: Running, schema: dict[str, Any]) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    said = json.loads(server.say(response_format=wanted, max_tokens=40, logit_bias=None))
    if "enum" in schema:
        assert said in schema["enum"]
    elif schema["type"] == "array":
        assert len(said) == 2
        assert set(said) <= {1, 2}
    else:
        assert set(said) == {"a"}
        assert isinstance(said["a"], bool)


def test_json_object_and_text(server: Running) -> None:
    said = server.say(response_format={"type": "json_object"}, max_tokens=60)
    assert said.startswith("{")
    assert server.say(response_format={"type": "text"}) == server.say()


def test_parts_of_text_and_every_role(server: Running) -> None:
    parts = [{"type": "text", "text": "H"}, {"type": "text", "text": "i"}]
    assert server.say(messages=[{"role": "user", "content": parts}]) == server.say("Hi")
    conversation = [
        {"role": "developer", "content": "Be kind."},
        {"role": "user", "content": "Hi", "name": "me"},
        {"role": "assistant", "content": "Ho", "refusal": None, "annotations": []},
        {"role": "user", "content": "Hi"},
    ]
    same = [{**message} for message in conversation]
    same[0]["role"] = "system"
    assert server.say(messages=conversation) == server.say(messages=same)


def test_tools_are_refused_where_the_template_has_no_place_for_them(server: Running) -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
    answer = server.chat(tools=[tool])
    assert answer.status == 422
    assert answer.error["param"] == "tools"
    assert answer.error["code"] == "tools_not_supported"
    assert server.chat(tools=[], tool_choice="none").status == 200


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": None}, "messages"),
        ({"messages": "Hi"}, "messages"),
        ({"messages": ["Hi"]}, "messages[0]"),
        ({"messages": [{"role": "king", "content": "Hi"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": 3}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
         "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": "x", "colour": "red"}]}, "messages[0].colour"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"temperature": -1}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"n": 17}, "n"),
        ({"n": 0}, "n"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"stop": [1]}, "stop"),
        ({"stop": ["x"] * 17}, "stop"),
        ({"stop": "x" * 257}, "stop"),
        ({"seed": "x"}, "seed"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"logit_bias": {"x": 1}}, "logit_bias"),
        ({"logit_bias": {"999999": 1}}, "logit_bias"),
        ({"logit_bias": {"5": "x"}}, "logit_bias.5"),
        ({"logit_bias": {"5": 101}}, "logit_bias.5"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"steering": 3}, "steering"),
        ({"steerring": "calm=1"}, "steerring"),
        ({"model": 3}, "model"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named(server: Running, fields: dict[str, Any], param: str) -> None:
    answer = server.chat(**fields)
    assert answer.status == 422, answer.data
    assert answer.error["param"] == param
    assert answer.error["type"] == "invalid_request_error"


def test_a_misspelt_field_is_pointed_at(server: Running) -> None:
    assert server.chat(steerring="calm=1").error["hint"] == "Did you mean steering?"


def test_harmless_fields_are_taken_and_listed(server: Running) -> None:
    sent = {"user": "me", "metadata": {"a": "b"}, "store": False, "parallel_tool_calls": True}
    body = server.chat(**sent, service_tier=None).json
    assert sorted(body["ignored"]) == sorted(sent)
    assert "ignored" not in server.chat().json


def test_other_peoples_models_are_not_served(server: Running) -> None:
    answer = server.chat(model="gpt-4o")
    assert (answer.status, answer.error["code"]) == (404, "model_not_found")
    assert "'tiny'" in answer.error["hint"]
    assert server.chat(model="").status == server.chat(model="tiny").status == 200
