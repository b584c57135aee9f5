"""Completions: texts continued, many at once, whole and streamed alike."""

from __future__ import annotations

from typing import Any

import pytest

from .running import ENDS, Answer, Running


def complete(server: Running, prompt: Any = "Hi", **fields: Any) -> Answer:
    body = {"prompt": prompt, "temperature": 0, "max_tokens": 8, "logit_bias": ENDS, **fields}
    return server.post("/v1/completions", body)


def texts(answer: Answer) -> list[str]:
    return [choice["text"] for choice in answer.json["choices"]]


def test_a_text_is_continued_without_a_chat_template(server: Running) -> None:
    body = complete(server).json
    assert body["object"] == "text_completion"
    assert body["usage"]["prompt_tokens"] == 3  # the start, H and i
    assert body["usage"]["completion_tokens"] == len(body["choices"][0]["text"]) == 8
    assert complete(server, max_tokens=None).json["usage"]["completion_tokens"] == 16


def test_many_prompts_each_n_times(server: Running) -> None:
    answer = complete(server, ["Hi", "Ho"], n=2, temperature=1, seed=3)
    choices = answer.json["choices"]
    assert [choice["index"] for choice in choices] == [0, 1, 2, 3]
    assert [choice["seed"] for choice in choices] == [3, 4, 3, 4]
    alone = [
        texts(complete(server, p, temperature=1, seed=s))[0] for p in ("Hi", "Ho") for s in (3, 4)
    ]
    assert texts(answer) == alone
    assert answer.json["usage"]["prompt_tokens"] == 6


def test_a_stream_says_the_same(server: Running) -> None:
    whole = texts(complete(server, ["Hi", "Ho"]))
    events = complete(
        server, ["Hi", "Ho"], stream=True, stream_options={"include_usage": True}
    ).events()
    assert events[-1] == ("", "[DONE]")
    choices = [c for _, data in events[:-1] for c in data["choices"]]
    for index in (0, 1):
        assert "".join(c["text"] for c in choices if c["index"] == index) == whole[index]
    assert events[-2][1]["usage"]["completion_tokens"] == 16


def test_echo_repeats_the_prompt(server: Running) -> None:
    [said] = texts(complete(server))
    assert texts(complete(server, echo=True)) == ["Hi" + said]
    events = complete(server, echo=True, stream=True).events()[:-1]
    assert "".join(data["choices"][0]["text"] for _, data in events) == "Hi" + said


def test_logprobs_in_the_old_shape(server: Running) -> None:
    choice = complete(server, logprobs=2).json["choices"][0]
    figures = choice["logprobs"]
    assert "".join(figures["tokens"]) == choice["text"]
    assert figures["text_offset"] == list(range(8))
    assert all(len(top) == 2 for top in figures["top_logprobs"])
    chosen = zip(figures["tokens"], figures["token_logprobs"], figures["top_logprobs"], strict=True)
    assert all(top[token] == logprob for token, logprob, top in chosen)  # greedy
    parts = [data["choices"][0]["logprobs"] for _, data in
             complete(server, logprobs=2, stream=True).events()[:-1]]  # fmt: skip
    assert [token for part in parts for token in part["tokens"]] == figures["tokens"]
    assert [at for part in parts for at in part["text_offset"]] == figures["text_offset"]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": None}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": [1, 2]}, "prompt"),
        ({"prompt": ["x"] * 17}, "prompt"),
        ({"prompt": ["x"] * 5, "n": 4}, "n"),
        ({"suffix": "x"}, "suffix"),
        ({"best_of": 3}, "best_of"),
        ({"echo": True, "logprobs": 1}, "echo"),
        ({"logprobs": True}, "logprobs"),
        ({"logprobs": 21}, "logprobs"),
        ({"messages": []}, "messages"),
        ({"response_format": {"type": "text"}}, "response_format"),
    ],
)
def test_a_wrong_field_is_named(server: Running, fields: dict[str, Any], param: str) -> None:
    answer = complete(server, **{"prompt": "Hi", **fields})
    assert (answer.status, answer.error["param"]) == (422, param)


def test_an_empty_prompt_starts_from_nothing(server: Running) -> None:
    assert complete(server, "").status == 200  # the token that begins a text is there
