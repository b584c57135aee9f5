"""Clients of the ecosystem, as they are: OpenAI's, sync and async, and the `llm` command line."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import openai
import pytest

from .running import ENDS, Running

MESSAGES: Any = [{"role": "user", "content": "Hi"}]
BIAS: Any = ENDS


@pytest.fixture
def client(server: Running) -> Any:
    with openai.OpenAI(base_url=f"{server.url}v1", api_key="none", max_retries=0) as found:
        yield found


def test_chat_with_steering_by_one_line(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(
        model="tiny",
        messages=MESSAGES,
        temperature=0,
        max_tokens=8,
        n=2,
        logprobs=True,
        top_logprobs=2,
        logit_bias=BIAS,
        extra_body={"steering": "calm=1.2"},
    )
    assert reply.choices[1].message.content
    assert reply.choices[0].logprobs is not None
    assert reply.choices[0].logprobs.content is not None
    assert len(reply.choices[0].logprobs.content) == 8
    assert reply.usage is not None
    assert reply.usage.completion_tokens == 16
    assert reply.model_extra is not None
    assert reply.model_extra["steering"]["text"] == "calm=1.2"


def test_chat_streamed(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model="tiny",
        messages=MESSAGES,
        temperature=0,
        max_tokens=8,
        logit_bias=BIAS,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    text = "".join(c.delta.content or "" for chunk in chunks for c in chunk.choices)
    assert len(text) == 8
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 8


def test_structured_answers_by_a_class(client: openai.OpenAI) -> None:
    from pydantic import BaseModel

    class Answer(BaseModel):
        yes: bool

    reply = client.chat.completions.parse(model="tiny", messages=MESSAGES, response_format=Answer)
    assert reply.choices[0].message.parsed is not None
    assert isinstance(reply.choices[0].message.parsed.yes, bool)


def test_completions_models_and_embeddings(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["tiny"]
    assert client.models.retrieve("tiny").owned_by == "edgesteer"
    reply = client.completions.create(model="tiny", prompt="Hi", max_tokens=4, logit_bias=BIAS)
    assert len(reply.choices[0].text) == 4
    rows = client.embeddings.create(model="tiny", input=["Hi", "Ho"])  # asks for base64
    assert len(rows.data[1].embedding) == 64


def test_errors_are_the_clients_own(client: openai.OpenAI) -> None:
    with pytest.raises(openai.UnprocessableEntityError, match="Did you mean calm") as caught:
        client.chat.completions.create(
            model="tiny", messages=MESSAGES, extra_body={"steering": "clam=1"}
        )
    assert caught.value.param == "steering"
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="gpt-4o", messages=MESSAGES)


def test_the_async_client_with_many_at_once(server: Running) -> None:
    async def run() -> list[str]:
        async with openai.AsyncOpenAI(base_url=f"{server.url}v1", api_key="none") as client:

            async def one(strength: float) -> str:
                stream = await client.chat.completions.create(
                    model="tiny",
                    messages=MESSAGES,
                    temperature=0,
                    max_tokens=8,
                    logit_bias=BIAS,
                    stream=True,
                    extra_body={"steering": f"calm={strength}"},
                )
                return "".join([c.choices[0].delta.content or "" async for c in stream])

            return list(await asyncio.gather(*(one(i - 2) for i in range(5))))

    texts = asyncio.run(run())
    assert all(len(text) == 8 for text in texts)
    assert texts[2] == server.say()
    assert len(set(texts)) > 1


def test_leaving_the_async_clients_stream_cancels(server: Running) -> None:
    async def run() -> None:
        async with openai.AsyncOpenAI(base_url=f"{server.url}v1", api_key="none") as client:
            stream = await client.chat.completions.create(
                model="tiny", messages=MESSAGES, max_tokens=10**6, logit_bias=BIAS, stream=True
            )
            async for _ in stream:
                break
            await stream.close()
            while server.get("/api/status").json["slots"]["busy"]:
                await asyncio.sleep(0.02)

    asyncio.run(asyncio.wait_for(run(), 20))


@pytest.fixture
def llm(server: Running, tmp_path: Path) -> Any:
    """Runs the `llm` command line with two models of this server."""
    server.put("/api/recipes/nurse", {"steering": "calm=1", "sampling": {"temperature": 0}})
    models = [("plain", "tiny"), ("nurse", "tiny+nurse")]
    (tmp_path / "extra-openai-models.yaml").write_text(
        "".join(
            f"- model_id: {name}\n  model_name: {model}\n  api_base: {server.url}v1\n"
            for name, model in models
        )
    )

    def run(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", "llm", *words],
            env={**os.environ, "LLM_USER_PATH": str(tmp_path), "OPENAI_API_KEY": "none"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    yield run
    server.ask("DELETE", "/api/recipes/nurse")


@pytest.mark.slow
def test_the_llm_command_line(server: Running, llm: Any) -> None:
    """It streams, and takes a recipe by its model's name."""
    plain = llm("-m", "plain", "Hi", "-o", "temperature", "0", "-o", "max_tokens", "8")
    assert plain.strip() == server.say(logit_bias=None).strip()
    steered = llm("-m", "nurse", "Hi", "--no-stream", "-o", "max_tokens", "8")
    assert steered.strip() == server.say(model="tiny+nurse", logit_bias=None).strip()
    assert steered != plain
