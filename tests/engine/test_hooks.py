"""The eval callback: it knows nodes by their addresses, and a wrong memory does no harm."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from edgesteer.engine.context import Context
from edgesteer.engine.hooks import Hook, _Output
from edgesteer.engine.llama import Weights
from edgesteer.errors import ArchitectureError

from .tools import direction

Floats = NDArray[np.float32]
TOKENS = list(range(270, 286))


@pytest.fixture
def context(weights: Weights) -> Iterator[Context]:
    opened = Context(weights, n_ctx=256, n_seq=2, n_outputs=64, threads=1, hooked=True)
    yield opened
    opened.close()


def hook_of(context: Context) -> Hook:
    assert context.hook is not None
    return context.hook


def push(rows: Floats, _first: int) -> bool:
    rows += direction(3, scale=5.0)
    return True


def read(context: Context, tokens: list[int], start: int = 0) -> Floats:
    """Decode tokens of sequence 0 with one layer pushed: all logits."""
    n = len(tokens)
    context.tokens[:n], context.positions[:n] = tokens, np.arange(start, start + n)
    context.sequences[:n], context.outputs[:n] = 0, 1
    hook_of(context).arm({2: push})
    assert context.decode(n) == 0
    hook_of(context).end()
    return np.stack([context.logits(i) for i in range(n)])


def write(context: Context) -> Floats:
    """A prompt of half the tokens, the others one by one: the graph is then used again."""
    context.clear()
    read(context, TOKENS[:8])
    return np.concatenate([read(context, [TOKENS[i]], i) for i in range(8, 16)])


def test_known_nodes_are_not_looked_at_again(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []
    tensor = Hook.tensor

    def count(self: Hook, address: int) -> object:
        looked.append(address)
        return tensor(self, address)

    monkeypatch.setattr(Hook, "tensor", count)
    context.clear()
    read(context, TOKENS[:8])
    read(context, TOKENS[8:9], 8)
    assert len(looked) > 100
    looked.clear()
    for i in range(9, 16):
        read(context, [TOKENS[i]], i)
    assert looked == []


def test_stale_addresses_do_no_harm(context: Context) -> None:
    """As if other graphs had stood where these stand now."""
    expected = write(context)
    hook = hook_of(context)
    outputs = list(hook._nodes.outputs)
    assert [node.layer for node in outputs] == [0, 1, 2, 3]
    context.clear()
    read(context, TOKENS[:8])
    found = [read(context, [TOKENS[8]], 8)]
    for address, node in list(hook._nodes.items()):  # every output forgotten
        if node in hook._nodes.outputs:
            hook._nodes[address] = False
    found.append(read(context, [TOKENS[9]], 9))
    found.append(read(context, [TOKENS[10]], 10))
    others = [a for a, node in hook._nodes.items() if node is False]
    for address in others[:50]:  # and strange nodes taken for outputs
        hook._nodes[address] = _Output(hook, address, hook.tensor(address), b"l_out-2")
    found += [read(context, [TOKENS[i]], i) for i in range(11, 16)]
    np.testing.assert_array_equal(np.concatenate(found), expected)


def test_a_changed_vector_or_shape_is_seen(context: Context) -> None:
    expected = write(context)
    vector = np.zeros((3, 64), np.float32)
    vector[0] = direction(5)
    context.set_vector(vector)
    other = write(context)
    assert np.abs(other - expected).max() > 1e-3
    context.set_vector(None)
    np.testing.assert_array_equal(write(context), expected)


def test_a_layer_that_is_not_there_is_said(context: Context) -> None:
    context.clear()
    read(context, TOKENS[:8])
    hook_of(context).arm({9: push})
    context.tokens[:1], context.positions[:1], context.outputs[:1] = 300, 8, 1
    for _ in range(2):
        assert context.decode(1) == 0
        with pytest.raises(ArchitectureError, match="layer 9"):
            hook_of(context).end()
        context.drop(0, 8)
