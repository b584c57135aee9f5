"""Activation patching: what must be recovered is, what can not be is not, bad pairs are told."""

from __future__ import annotations

import numpy as np
import pytest

from edgesteer import ControlVector, Model
from edgesteer.errors import InputError
from edgesteer.measure.patching import patch_map

PAIRS = [("abcdefgh: and so", "stuvwxyz: and so")]


def test_the_last_layer_at_the_last_token_recovers_one_token_answers_whole(
    tiny_model: Model,
) -> None:
    found = patch_map(tiny_model, PAIRS, n_answer=1, least_contrast=0.0)
    assert found.layers == (1, 2, 3)
    assert found.full.shape == (3, len(found.tokens))
    assert found.full[-1, -1] == pytest.approx(1, abs=1e-3)
    # tokens before it are not read any more behind the last block
    assert found.full[-1, :-1] == pytest.approx(0, abs=1e-3)


def test_every_token_of_a_layer_recovers_as_the_parts_say(tiny_model: Model) -> None:
    found = patch_map(tiny_model, PAIRS, layers="3", n_answer=1, least_contrast=0.0)
    assert found.whole[0] == pytest.approx(found.full[0, -1], abs=1e-3)


def test_a_vector_along_the_difference_recovers_as_much_and_one_across_nothing(
    tiny_model: Model,
) -> None:
    rows = [tiny_model.capture([text], "3", "last").rows[0, 0] for text in PAIRS[0]]
    along = ControlVector({3: rows[0] - rows[1]}, tiny_model.identity, name="along")
    across = np.random.default_rng(0).standard_normal(64)
    across -= (
        across
        @ along.directions[3]
        / (along.directions[3] @ along.directions[3])
        * (along.directions[3])
    )
    other = ControlVector({3: across}, tiny_model.identity, name="across")
    options = {"layers": "3", "n_answer": 1, "least_contrast": 0.0}
    one = patch_map(tiny_model, PAIRS, vector=along, **options)
    none = patch_map(tiny_model, PAIRS, vector=other, **options)
    assert one.along is not None
    assert none.along is not None
    assert one.along[0, -1] == pytest.approx(one.full[0, -1], abs=1e-3)
    assert none.along[0, -1] == pytest.approx(0, abs=1e-3)


def test_a_layer_that_the_vector_does_not_carry_recovers_nothing_along_it(
    tiny_model: Model,
) -> None:
    vector = ControlVector({1: np.ones(64)}, tiny_model.identity, name="first")
    found = patch_map(
        tiny_model, PAIRS, layers="2-3", vector=vector, n_answer=1, least_contrast=0.0
    )
    assert found.along is not None
    assert not found.along.any()


def test_candidates_are_the_layers_that_recover_half_of_the_most(tiny_model: Model) -> None:
    found = patch_map(tiny_model, PAIRS, n_answer=2, least_contrast=0.0)
    best = found.whole.max()
    chosen = found.candidates.resolve(tiny_model.n_layer)
    assert {x for x, w in zip(found.layers, found.whole, strict=True) if w >= best / 2} == set(
        chosen
    )


def test_sides_that_end_differently_are_refused(tiny_model: Model) -> None:
    with pytest.raises(InputError, match="do not end in the same tokens"):
        patch_map(tiny_model, [("one a", "two b")])


def test_sides_that_are_answered_alike_leave_nothing_to_recover(tiny_model: Model) -> None:
    with pytest.raises(InputError, match="nothing to recover"):
        patch_map(tiny_model, PAIRS, least_contrast=1e9)
    with pytest.raises(InputError, match="no pair"):
        patch_map(tiny_model, [])
