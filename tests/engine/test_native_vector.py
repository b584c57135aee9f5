"""The native control vector on a bare context: planted, found back, replaced, refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from edgesteer.engine.context import Context
from edgesteer.engine.llama import Weights
from edgesteer.errors import EngineError

from .tools import direction

Floats = NDArray[np.float32]
TOKENS = list(range(270, 290))


@pytest.fixture
def make(weights: Weights) -> Iterator[Callable[..., Context]]:
    made: list[Context] = []

    def make_context(**options: object) -> Context:
        given = {"n_ctx": 256, "n_seq": 2, "n_outputs": 64, "threads": 1, **options}
        made.append(Context(weights, **given))  # type: ignore[arg-type]
        return made[-1]

    yield make_context
    for context in made:
        context.close()


def run(context: Context, layers: frozenset[int] = frozenset()) -> tuple[Floats, dict[int, Floats]]:
    """Decode TOKENS from an empty cache: all logits, and the rows of some layers."""
    context.clear()
    n = len(TOKENS)
    context.tokens[:n], context.positions[:n] = TOKENS, np.arange(n)
    context.sequences[:n], context.outputs[:n] = 0, 1
    rows: dict[int, Floats] = {}
    if context.hook is not None:
        context.hook.arm(captures=layers)
    assert context.decode(n) == 0
    if context.hook is not None:
        rows = context.hook.end()
    return np.stack([context.logits(i) for i in range(n)]), rows


def buffer(*layers: int, seed: int = 0) -> Floats:
    out = np.zeros((3, 64), np.float32)
    for layer in layers:
        out[layer - 1] = direction(seed + layer, scale=4.0)
    return out


@pytest.mark.parametrize("layer", [1, 2, 3])
def test_a_planted_direction_is_found_back(make: Callable[..., Context], layer: int) -> None:
    """It stands in the output of its own layer, and nothing of it stands below."""
    context = make(hooked=True)
    every = frozenset(range(4))
    _, plain = run(context, every)
    planted = buffer(layer)
    context.set_vector(planted)
    _, steered = run(context, every)
    for below in range(layer):
        assert (steered[below] == plain[below]).all()
    found = (steered[layer] - plain[layer]).mean(0)
    np.testing.assert_allclose(found, planted[layer - 1], atol=1e-5)
    cosine = found @ planted[layer - 1] / np.linalg.norm(found) / 4
    assert cosine > 0.9999


@pytest.mark.parametrize(
    ("before", "after"), [((2, 3), (1,)), ((1, 2, 3), (2,)), ((3,), (1, 2)), ((1,), ())]
)
def test_nothing_of_the_vector_before_stays(
    make: Callable[..., Context], before: tuple[int, ...], after: tuple[int, ...]
) -> None:
    used, fresh = make(), make()
    used.set_vector(buffer(*before, seed=10))
    run(used)
    target = buffer(*after) if after else None
    used.set_vector(target)
    fresh.set_vector(target)
    assert (run(used)[0] == run(fresh)[0]).all()


def test_no_vector_after_one_is_plain(make: Callable[..., Context]) -> None:
    context = make()
    plain, _ = run(context)
    context.set_vector(buffer(1, 2, 3))
    assert np.abs(run(context)[0] - plain).max() > 0.1
    context.set_vector(None)
    assert (run(context)[0] == plain).all()


@pytest.mark.parametrize(
    "bad",
    [
        np.zeros((2, 64), np.float32),
        np.zeros((4, 64), np.float32),
        np.zeros((3, 63), np.float32),
        np.zeros((3, 65), np.float32),
        np.zeros(3 * 64, np.float32),
        np.zeros((3, 64), np.float64),
        np.zeros((0, 64), np.float32),
    ],
    ids=["short", "long", "narrow", "wide", "flat", "float64", "empty"],
)
def test_only_a_full_buffer_goes_to_llama_cpp(make: Callable[..., Context], bad: Floats) -> None:
    context = make()
    good = buffer(2)
    context.set_vector(good)
    steered, _ = run(context)
    with pytest.raises(EngineError, match="control vector"):
        context.set_vector(bad)
    assert (run(context)[0] == steered).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_buffer_with_values_that_are_not_finite_is_refused(
    make: Callable[..., Context], value: float
) -> None:
    context = make()
    bad = buffer(1)
    bad[2, 5] = value
    with pytest.raises(EngineError, match="finite"):
        context.set_vector(bad)


def test_an_equal_buffer_is_not_applied_again(
    make: Callable[..., Context], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each application costs llama.cpp a new plan of its graph."""
    context = make()
    context.set_vector(buffer(1))
    monkeypatch.setattr(context, "_apply", lambda *_: pytest.fail("applied again"))
    context.set_vector(buffer(1))


def test_a_strided_buffer_is_applied_as_it_reads(make: Callable[..., Context]) -> None:
    context, other = make(), make()
    wide = np.zeros((3, 128), np.float32)
    wide[:, ::2] = buffer(1, 3)
    context.set_vector(wide[:, ::2])
    other.set_vector(buffer(1, 3))
    assert (run(context)[0] == run(other)[0]).all()


def test_a_refusal_of_llama_cpp_is_an_error(
    make: Callable[..., Context], monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgesteer.engine import context as module

    context = make()
    monkeypatch.setattr(module.C, "llama_set_adapter_cvec", lambda *_: -1)
    with pytest.raises(EngineError, match="refused"):
        context.set_vector(buffer(1))
    monkeypatch.undo()
    context.set_vector(buffer(1))
    fresh = make()
    fresh.set_vector(buffer(1))
    assert (run(context)[0] == run(fresh)[0]).all()


def test_a_row_without_logits_is_an_error(make: Callable[..., Context]) -> None:
    context = make()
    run(context)
    with pytest.raises(EngineError, match="no logits"):
        context.logits(99)


def test_contexts_of_one_model_are_steered_apart(make: Callable[..., Context]) -> None:
    steered, plain, fresh = make(), make(), make()
    steered.set_vector(buffer(1, 2, 3))
    run(steered)
    assert (run(plain)[0] == run(fresh)[0]).all()
