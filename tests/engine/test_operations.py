"""Operations, positions and schedules: what stands in the residual stream, against plain numpy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from edgesteer import ControlVector, Model, SteeringError

from .tools import (
    activations,
    direction,
    in_callback,
    logits_by,
    plan_of,
    steering,
    vector,
)

OpenTiny = Callable[..., Model]
Floats = NDArray[np.float32]
N_PROMPT, N = 12, 20
LAYER = 2
V, W = vector(LAYER), vector(LAYER, seed=1, name="w")
R = V.directions[LAYER].astype(np.float64) / 4
W64 = W.directions[LAYER].astype(np.float64)


@pytest.fixture(scope="module")
def tokens(tiny_model: Model) -> list[int]:
    return tiny_model.tokenize("abc def ghi jkl mno")[:N]


@pytest.fixture(scope="module")
def plain(tiny_model: Model, tokens: list[int]) -> Floats:
    return activations(tiny_model, tokens, None, N_PROMPT)


def steered(model: Model, tokens: list[int], text: str, chunk: int = 64) -> Floats:
    return activations(model, tokens, steering(text, v=V, w=W), N_PROMPT, chunk)


def turn(h: NDArray[np.float64], degrees: float) -> NDArray[np.float64]:
    second = W64 - (W64 @ R) * R
    second /= np.linalg.norm(second)
    a, b = h @ R, h @ second
    angle = np.deg2rad(degrees)
    na, nb = a * np.cos(angle) - b * np.sin(angle), a * np.sin(angle) + b * np.cos(angle)
    return h + np.outer(na - a, R) + np.outer(nb - b, second)


def keep(h: NDArray[np.float64], strength: float) -> NDArray[np.float64]:
    moved = h + strength * 4 * R
    return (
        moved
        * np.linalg.norm(h, axis=1, keepdims=True)
        / np.linalg.norm(moved, axis=1, keepdims=True)
    )


REFERENCE: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "v=1.5": lambda h: h + 1.5 * 4 * R,
    "v=-2": lambda h: h - 2 * 4 * R,
    "ablate:v=1": lambda h: h - np.outer(h @ R, R),
    "ablate:v=0.25": lambda h: h - 0.25 * np.outer(h @ R, R),
    "clamp:v=2": lambda h: h + np.outer(2 * 4 - h @ R, R),
    "clamp:v=0": lambda h: h - np.outer(h @ R, R),
    "clamp:v=-1": lambda h: h + np.outer(-4 - h @ R, R),
    "rotate:v=30?toward=w": lambda h: turn(h, 30),
    "rotate:v=-120?toward=w": lambda h: turn(h, -120),
    "keepnorm:v=1": lambda h: keep(h, 1),
    "keepnorm:v=-3": lambda h: keep(h, -3),
}


@pytest.mark.parametrize("text", REFERENCE)
def test_operation_does_what_it_says(
    tiny_model: Model, tokens: list[int], plain: Floats, text: str
) -> None:
    rows = steered(tiny_model, tokens, text)
    assert (rows[:LAYER] == plain[:LAYER]).all()
    expected = REFERENCE[text](plain[LAYER].astype(np.float64))
    np.testing.assert_allclose(rows[LAYER], expected, atol=2e-5)
    assert np.abs(rows[LAYER + 1] - plain[LAYER + 1]).max() > 1e-3


def test_ablation_leaves_no_projection(tiny_model: Model, tokens: list[int], plain: Floats) -> None:
    rows = steered(tiny_model, tokens, "ablate:v=1")[LAYER]
    assert np.abs(plain[LAYER] @ R).mean() > 0.3
    assert np.abs(rows @ R).max() < 1e-5


@pytest.mark.parametrize("text", ["rotate:v=77?toward=w", "keepnorm:v=2.5"])
def test_norm_is_kept(tiny_model: Model, tokens: list[int], plain: Floats, text: str) -> None:
    rows = steered(tiny_model, tokens, text)[LAYER]
    before, after = (np.linalg.norm(x, axis=1) for x in (plain[LAYER], rows))
    np.testing.assert_allclose(after, before, rtol=1e-5)


def test_a_full_turn_changes_nothing_much(
    tiny_model: Model, tokens: list[int], plain: Floats
) -> None:
    rows = steered(tiny_model, tokens, "rotate:v=360?toward=w")
    np.testing.assert_allclose(rows, plain, atol=1e-3)


def test_rotation_in_no_plane_is_refused(tiny_model: Model) -> None:
    same = ControlVector({LAYER: V.directions[LAYER] * -2}, name="w")
    with pytest.raises(SteeringError, match="parallel"):
        tiny_model.ask("hi", steer=steering("rotate:v=30?toward=w", v=V, w=same), max_tokens=1)


def test_terms_act_in_their_order(tiny_model: Model, tokens: list[int], plain: Floats) -> None:
    """Ablate, then add: the projection is what was added."""
    rows = steered(tiny_model, tokens, "ablate:v=1 v=0.5?on=0-99")[LAYER]
    np.testing.assert_allclose(rows @ R, 2.0, atol=1e-5)


ALL, NONE = set(range(N)), set[int]()
PROMPT, ANSWER = set(range(N_PROMPT)), set(range(N_PROMPT, N))


@pytest.mark.parametrize(
    ("options", "acts_on"),
    [
        ("", ALL),
        ("?on=prompt", PROMPT),
        ("?on=generated", ANSWER),
        ("?on=last:1", ANSWER | {11}),
        ("?on=last:4", ANSWER | {8, 9, 10, 11}),
        ("?on=last:100", ALL),
        ("?on=3-5", {3, 4, 5}),
        ("?on=10-14", {10, 11, 12, 13, 14}),
        ("?on=40-50", NONE),
        ("?after=3", {15, 16, 17, 18, 19}),
        ("?on=13-16&after=3", {15, 16}),
        ("?on=prompt&after=3", NONE),
    ],
)
@pytest.mark.parametrize("operation", ["", "ablate:", "clamp:", "keepnorm:"])
@pytest.mark.parametrize("chunk", [64, 5])
def test_positions_choose_the_tokens(
    tiny_model: Model,
    tokens: list[int],
    operation: str,
    options: str,
    acts_on: set[int],
    chunk: int,
) -> None:
    plain = activations(tiny_model, tokens, None, N_PROMPT, chunk)[LAYER]
    rows = steered(tiny_model, tokens, f"{operation}v=1{options}", chunk)[LAYER]
    moved = np.abs(rows - plain).max(axis=1) > 1e-4
    assert set(np.flatnonzero(moved)) == acts_on


def test_decay_falls_linearly_over_the_answer(
    tiny_model: Model, tokens: list[int], plain: Floats
) -> None:
    moved = steered(tiny_model, tokens, "v=1?decay=4")[LAYER] - plain[LAYER]
    share = moved @ R / 4
    expected = [1.0] * N_PROMPT + [1, 0.75, 0.5, 0.25, 0, 0, 0, 0]
    np.testing.assert_allclose(share, expected, atol=1e-5)
    assert not moved[-1].any()


def test_decay_begins_after_the_delay(tiny_model: Model, tokens: list[int], plain: Floats) -> None:
    moved = steered(tiny_model, tokens, "v=1?after=2&decay=2")[LAYER] - plain[LAYER]
    expected = [0.0] * (N_PROMPT + 2) + [1, 0.5, 0, 0, 0, 0]
    np.testing.assert_allclose(moved @ R / 4, expected, atol=1e-5)


@pytest.mark.parametrize("text", ["ablate:v=1", "clamp:v=1", "keepnorm:v=1", "v=1?on=0-3"])
def test_chunks_make_no_difference(tiny_model: Model, tokens: list[int], text: str) -> None:
    whole, parts = (steered(tiny_model, tokens, text, chunk) for chunk in (64, 3))
    np.testing.assert_allclose(parts, whole, atol=2e-4)


@pytest.mark.parametrize("flash", [True, False])
def test_prompts_of_several_thousand_tokens(open_tiny: OpenTiny, flash: bool) -> None:
    """Many decode calls, the steering in each of them; with and without flash attention."""
    model = open_tiny(n_ctx=4096, flash_attention=flash, kv_type="f16")
    tokens = model.tokenize("the quick brown fox " * 180)
    assert len(tokens) == 3601  # eight decode calls
    plain = logits_by(model, tokens, plan_of(model, None), hooked=False)
    for text in ("v=1", "v=1@3?if=g>-99@1"):
        plan = plan_of(model, steering(text, g=vector(1)))
        one = logits_by(model, tokens, plan, hooked=not plan.native)
        other = logits_by(model, tokens, in_callback(plan), hooked=True, chunk=300)
        np.testing.assert_allclose(one, other, atol=0.2)
        assert np.abs(one - plain).max() > 0.5


def test_last_layer_is_edited_only_where_logits_are_wanted(tiny_model: Model) -> None:
    """Most architectures compute the last block for those rows alone; the others keep pace."""
    tokens = tiny_model.tokenize("abc def")
    at_last = ControlVector({3: direction(3, scale=4.0)}, name="v")
    whole = tiny_model.logits(tokens, steering("ablate:v=1", v=at_last))
    last = tiny_model.logits(tokens, steering("ablate:v=1", v=at_last), first=len(tokens) - 1)
    np.testing.assert_allclose(last[0], whole[-1], atol=1e-4)
    window = steering("clamp:v=3?on=2-4", v=at_last)
    plain = tiny_model.logits(tokens)
    moved = np.abs(tiny_model.logits(tokens, window) - plain).max(axis=1) > 1e-4
    assert list(np.flatnonzero(moved)) == [2, 3, 4]
