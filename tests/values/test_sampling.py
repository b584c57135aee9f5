"""Sampling: numbers that make no sense are refused before the engine sees them."""

from __future__ import annotations

from typing import Any

import pytest

from edgesteer.errors import InputError
from edgesteer.sampling import Sampling


def test_what_is_usual() -> None:
    usual = Sampling()
    assert (usual.temperature, usual.top_k, usual.top_p, usual.min_p) == (0.8, 40, 0.95, 0.05)
    assert (usual.repeat_penalty, usual.repeat_last_n, usual.seed) == (1.0, 64, None)
    assert (usual.frequency_penalty, usual.presence_penalty) == (0.0, 0.0)
    assert not usual.greedy
    assert Sampling(temperature=0, seed=2**32 - 1, repeat_last_n=-1, top_k=0).greedy


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": -0.1},
        {"temperature": 10**400},
        {"top_k": 10**5000},
        {"temperature": float("nan")},
        {"temperature": float("inf")},
        {"temperature": "0.8"},
        {"temperature": True},
        {"top_k": -1},
        {"top_k": 1.5},
        {"top_k": 2**31},
        {"top_p": 1.1},
        {"top_p": -0.1},
        {"min_p": 2},
        {"repeat_penalty": 0},
        {"repeat_last_n": -2},
        {"frequency_penalty": "much"},
        {"presence_penalty": float("nan")},
        {"seed": -1},
        {"seed": 2**32},
        {"seed": 1.0},
        {"seed": True},
    ],
)
def test_nonsense_is_refused_with_a_cure(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))) as caught:
        Sampling(**wrong)
    assert caught.value.hint
