"""asyncio: a thin bridge over the same engine; cancelling a task cancels its answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from edgesteer import InputError, Model

from .tools import PROMPT, Latch, greedy_text, vector

OpenTiny = Callable[..., Model]
V = vector()
OPTIONS: dict[str, Any] = {"temperature": 0, "max_tokens": 12}


def idle(model: Model) -> bool:
    """Wait until nothing runs any more."""
    for _ in range(1000):
        if not model._scheduler.call(lambda s: s._active or s._waiting):
            return True
        time.sleep(0.01)
    return False


def test_aask_gives_what_ask_gives(tiny_model: Model) -> None:
    reply = asyncio.run(tiny_model.aask(PROMPT, steer=V, **OPTIONS))
    assert reply.text == greedy_text(tiny_model, PROMPT, 12, V)


def test_astream_gives_the_pieces(tiny_model: Model) -> None:
    async def read() -> list[str]:
        return [piece async for piece in tiny_model.astream(PROMPT, steer=V, **OPTIONS)]

    pieces = asyncio.run(read())
    assert len(pieces) == 12
    assert "".join(pieces) == greedy_text(tiny_model, PROMPT, 12, V)


def test_many_tasks_at_once(tiny_model: Model) -> None:
    steers = [None, V, V * -1, V * 0.5, vector(1), vector(2)]

    async def all_of_them() -> list[str]:
        asked = [tiny_model.aask(PROMPT, steer=s, **OPTIONS) for s in steers]
        return [reply.text for reply in await asyncio.gather(*asked)]

    texts = asyncio.run(all_of_them())
    assert texts == [greedy_text(tiny_model, PROMPT, 12, s) for s in steers]


def test_the_loop_stays_free_while_an_answer_is_written(tiny_model: Model) -> None:
    async def run() -> int:
        ticks = 0
        task = asyncio.create_task(
            tiny_model.aask(PROMPT, temperature=0, max_tokens=300, ignore_eos=True)
        )
        while not task.done():
            ticks += 1
            await asyncio.sleep(0)
        assert (await task).usage.completion_tokens == 300
        return ticks

    assert asyncio.run(run()) > 10


def test_cancelling_the_task_cancels_the_answer(tiny_model: Model) -> None:
    async def run() -> None:
        task = asyncio.create_task(tiny_model.aask(PROMPT, temperature=0, max_tokens=1900))
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert idle(tiny_model)


def test_leaving_an_astream_cancels_the_answer(tiny_model: Model) -> None:
    async def run() -> None:
        stream = tiny_model.astream(PROMPT, temperature=0, max_tokens=1900)
        async for piece in stream:
            assert piece
            break
        await stream.aclose()  # type: ignore[attr-defined]

    asyncio.run(run())
    assert idle(tiny_model)


def test_errors_come_out_of_the_await(open_tiny: OpenTiny) -> None:
    model = open_tiny()

    async def refused() -> None:
        with pytest.raises(InputError):
            await model.aask(PROMPT, max_tokens=0)
        with pytest.raises(InputError):
            async for _ in model.astream(PROMPT, top_p=7):
                pass

    async def failing() -> list[str]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(model._weights, "piece", lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                await model.aask(PROMPT, **OPTIONS)
            with pytest.raises(ZeroDivisionError):
                async for _ in model.astream(PROMPT, **OPTIONS):
                    pass
        return [piece async for piece in model.astream(PROMPT, **OPTIONS)]

    asyncio.run(refused())
    assert "".join(asyncio.run(failing())) == greedy_text(model, PROMPT, 12)


def test_a_loop_that_has_ended_does_not_stop_the_engine(tiny_model: Model) -> None:
    """Its answer goes nowhere; those of others go on."""
    latch = Latch(2)

    async def leave() -> None:
        asyncio.get_running_loop().create_task(
            tiny_model.aask(PROMPT, temperature=0, max_tokens=400)
        )
        await asyncio.sleep(0.01)

    other = tiny_model.start(PROMPT, on_piece=latch, **OPTIONS)
    latch.wait()
    asyncio.run(leave())
    latch.go()
    assert other.result().text == greedy_text(tiny_model, PROMPT, 12)
    assert idle(tiny_model)
