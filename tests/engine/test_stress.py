"""Many random answers at once: each is what the same request gives alone."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from edgesteer import Job, Model, Steering
from edgesteer.engine.batch import Scheduler

from .tools import Latch, fresh_logits, steering, vector

OpenTiny = Callable[..., Model]

# How far the logits of a token may lie apart, in a batch and alone, and the greedy choice be called
# a tie. Measured differences are near 1e-5 on logits up to 20.
TOLERANCE = 1e-3
TEMPLATES = (
    "v={s}",
    "v={s}@2-3",
    "v={s} w={t}",
    "v={s}?on=generated",
    "v={s}?on=prompt",
    "v={s}?on=last:{n}",
    "v={s}?on={n}-{m}",
    "v={s}?decay={n}",
    "v={s}?after={n}",
    "ablate:v={u}",
    "ablate:v={u}?on=generated",
    "clamp:v={s}",
    "keepnorm:v={s}",
    "rotate:v={a}?toward=w",
    "v={s}@2-3?if=g>0",
    "v={s}@2-3?if=g<0&scope=mean",
    "v={s}@2-3?if=g>0&scope=token",
    "ablate:v={u}@3?if=g>0 w={t}",
)


def random_steering(rng: np.random.Generator) -> Steering | None:
    if rng.random() < 0.1:
        return None
    s, t = rng.uniform(-2, 2, 2)
    n = int(rng.integers(1, 12))
    text = TEMPLATES[rng.integers(len(TEMPLATES))].format(
        s=f"{s:.3f}", t=f"{t:.3f}", n=n, m=n + 9, u=f"{rng.random():.3f}", a=int(rng.integers(180))
    )
    seed = int(rng.integers(1000))
    given = {"v": vector(seed=seed), "w": vector(seed=seed + 1, name="w"), "g": vector(1, seed=3)}
    return steering(text, **given)


@dataclass
class Case:
    """A request, when it is cancelled, and which others begin at which of its tokens."""

    prompt: str
    steer: Steering | None
    max_tokens: int
    cancel_at: int | None
    begins: dict[int, list[int]] = field(default_factory=dict)
    job: Job | None = None
    n_pieces: int = 0

    @property
    def n_expected(self) -> int:
        return min(self.max_tokens, self.cancel_at or self.max_tokens)


def random_cases(seed: int, n: int = 32) -> list[Case]:
    rng = np.random.default_rng(seed)
    shared = ["The sea is wide. ", "Once upon a time there was ", ""]
    cases = []
    for i in range(n):
        letters = "".join(rng.choice(list("abcdefghij klm"), int(rng.integers(1, 50))))
        longest = int(rng.integers(3, 40))
        cancel_at = int(rng.integers(1, longest + 1)) if rng.random() < 0.25 else None
        prompt = shared[rng.integers(3)] + letters
        cases.append(Case(prompt, random_steering(rng), longest, cancel_at))
        if i >= 12:  # joins when an earlier one has written so much
            host = cases[int(rng.integers(max(0, i - 12), i))]
            host.begins.setdefault(int(rng.integers(1, host.n_expected + 1)), []).append(i)
    return cases


def run_together(model: Model, cases: list[Case]) -> None:
    begun = threading.Semaphore(0)

    def start(i: int) -> None:
        case = cases[i]

        def on_piece(_piece: str) -> None:
            case.n_pieces += 1
            for other in case.begins.get(case.n_pieces, ()):
                start(other)
            if case.n_pieces == case.cancel_at and case.job is not None:
                case.job.cancel()

        case.job = model.start(
            case.prompt,
            steer=case.steer,
            temperature=0,
            max_tokens=case.max_tokens,
            ignore_eos=True,
            on_piece=on_piece,
        )
        begun.release()

    model._scheduler.call(lambda _: [start(i) for i in range(12)])
    for _ in cases:
        assert begun.acquire(timeout=120)
    for case in cases:
        assert case.job is not None
        case.job.result(120)


def check_alike(model: Model, case: Case, text: str, alone: str) -> int:
    """Equal, or apart from a choice on that was a tie by the tolerance; returns 1 for a tie."""
    if text == alone:
        return 0
    at = next(i for i in range(len(alone)) if text[i : i + 1] != alone[i])
    head = model.tokenize(model.render([{"role": "user", "content": case.prompt}]))
    tokens = head + model.tokenize(alone[:at], special=False)
    logits = fresh_logits(model, tokens, case.steer, n_prompt=len(head))
    rivals = [model.tokenize(x[at], special=False)[-1] for x in (text, alone)]
    gap = abs(float(logits[rivals[0]] - logits[rivals[1]]))
    assert gap < TOLERANCE, f"{case.prompt!r} {case.steer}: {text!r} is not {alone!r}"
    return 1


@pytest.mark.parametrize("n_seq", [8, 32])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_answers_side_by_side_equal_each_alone(
    open_tiny: OpenTiny, n_seq: int, seed: int
) -> None:
    """32 steerings of every kind, joins and cancellations, eight or all of them at once."""
    cases = random_cases(seed)
    run_together(open_tiny(n_seq=n_seq, n_ctx=4096), cases)
    alone = open_tiny(n_seq=1)
    ties = 0
    for case in cases:
        assert case.job is not None
        reply = case.job.result()
        assert len(reply.text) == case.n_expected
        whole = case.cancel_at is None or case.cancel_at == case.max_tokens
        assert reply.finish == ("length" if whole else "cancelled")
        options: dict[str, Any] = {"temperature": 0, "max_tokens": case.n_expected}
        expected = alone.ask(case.prompt, steer=case.steer, ignore_eos=True, **options).text
        ties += check_alike(alone, case, reply.text, expected)
    assert ties <= 2


def test_the_schedule_is_what_it_claims(open_tiny: OpenTiny) -> None:
    """Many really run at once, plain ones among them."""
    cases = random_cases(1)
    model = open_tiny(n_seq=32, n_ctx=4096)
    widths: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        write = Scheduler._write

        def counted(self: Scheduler, lane: Any, sequences: Any) -> None:
            widths.append(len(sequences))
            write(self, lane, sequences)

        patch.setattr(Scheduler, "_write", counted)
        run_together(model, cases)
    assert max(widths) >= 8
    carriers = {case.job.result().carrier for case in cases if case.job}
    assert carriers >= {"none", "callback"}


@pytest.mark.parametrize("seed", [1, 2])
def test_answers_that_crowd_the_cache(open_tiny: OpenTiny, seed: int) -> None:
    """Prompts that do not fit side by side wait for each other; none is lost or cut."""
    rng = np.random.default_rng(seed)
    model = open_tiny(n_seq=8, n_ctx=512)
    prompts = [
        "".join(rng.choice(list("abcdefghij"), int(rng.integers(100, 400)))) for _ in range(8)
    ]
    steers = [random_steering(rng) for _ in prompts]
    jobs = [
        model.start(p, steer=s, raw=True, temperature=0, max_tokens=4, ignore_eos=True)
        for p, s in zip(prompts, steers, strict=True)
    ]
    replies = [job.result(120) for job in jobs]
    alone = open_tiny(n_seq=1)
    for prompt, steer, reply in zip(prompts, steers, replies, strict=True):
        options: dict[str, Any] = {"raw": True, "temperature": 0, "max_tokens": 4}
        expected = alone.ask(prompt, steer=steer, ignore_eos=True, **options).text
        assert (reply.finish, reply.text) == ("length", expected)


def test_a_reading_that_does_not_fit_beside_answers_waits_for_them(open_tiny: OpenTiny) -> None:
    model = open_tiny(n_ctx=512)
    latch = Latch(2)
    job = model.start("a" * 200, raw=True, temperature=0, max_tokens=60, on_piece=latch)
    latch.wait()
    rows: list[Any] = []
    reader = threading.Thread(target=lambda: rows.append(model.logits([1] + [300] * 450)))
    reader.start()
    later = model.start("b" * 20, raw=True, temperature=0, max_tokens=3)
    latch.go()
    reader.join(60)
    assert rows[0].shape == (451, model.n_vocab)
    assert [job.result().finish, later.result().finish] == ["length", "length"]
