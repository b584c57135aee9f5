"""The two captures agree on a real model: the same layer, the same token, the same basis.

An index that is off by one gives a cosine of about 0.95 in the middle layers: no eye sees it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from convert.activations import Activations
from convert.capture.hf_identity import hf_identity
from convert.capture.llama import LlamaCapture
from convert.capture.torch import TorchCapture
from convert.directions import Contrast
from convert.directions.mean_difference import mean_difference
from convert.layers_choice import default_window
from convert.pairs import ContrastPairs
from convert.reading import read_pairs

from .pair_texts import cosines

pytestmark = [pytest.mark.model, pytest.mark.torch, pytest.mark.slow]

ODD_TEXTS = [
    "Hello  world\n\n\tfoo 12345 naïve 日本語 🙂",
    " a",
    "I've   don't it's 3.14159\r\nx",
    "<|im_start|>user\nhi<|im_end|>\n",
]


@pytest.fixture(scope="module")
def llama() -> Iterator[LlamaCapture]:
    from edgesteer.model import Model

    with Model.open("smollm2", threads=2) as model:
        yield LlamaCapture(model)


@pytest.fixture(scope="module")
def torch_capture(llama: LlamaCapture) -> TorchCapture:
    return TorchCapture.open(llama._model.path, device="cpu")


@pytest.fixture(scope="module")
def pairs() -> ContrastPairs:
    return replace(ContrastPairs.load("happy").limited(26), heldout=())


@pytest.fixture(scope="module")
def readings(
    llama: LlamaCapture, torch_capture: TorchCapture, pairs: ContrastPairs
) -> tuple[Activations, Activations]:
    """The last tokens of all pairs, by llama.cpp and by torch."""
    return read_pairs(pairs, llama).train, read_pairs(pairs, torch_capture).train


def test_both_read_the_same_texts_and_tokens(
    llama: LlamaCapture, torch_capture: TorchCapture, pairs: ContrastPairs
) -> None:
    rendered = pairs.render(llama.render)
    assert rendered.style == "chat"
    assert rendered == pairs.render(torch_capture.render)
    for text in [*ODD_TEXTS, *(passage.text for passage in rendered.passages)]:
        assert llama._model.tokenize(text) == torch_capture.tokens.encode(text)


def test_both_know_the_same_model(llama: LlamaCapture, torch_capture: TorchCapture) -> None:
    assert torch_capture.identity == llama.identity
    found = hf_identity(torch_capture.opened.model, llama.identity.name)
    assert found == llama.identity
    assert found.weights_id


def check_agreement(ours: Activations, theirs: Activations) -> None:
    assert ours.layers == theirs.layers == tuple(range(1, ours.model.n_layer))
    assert ours.n_tokens.tolist() == theirs.n_tokens.tolist()
    same = cosines(ours.rows, theirs.rows)  # of every text at every layer: none may stray
    assert same[:, :-1].min() > 0.999
    assert same[:, -1].min() > 0.998
    before = cosines(ours.rows[:, 1:], theirs.rows[:, :-1])
    after = cosines(ours.rows[:, :-1], theirs.rows[:, 1:])
    assert (same[:, 1:] > before).all()
    assert (same[:, :-1] > after).all()
    assert max(before.mean(axis=0).max(), after.mean(axis=0).max()) < 0.99
    lengths = np.linalg.norm(ours.rows, axis=2) / np.linalg.norm(theirs.rows, axis=2)
    assert lengths == pytest.approx(1.0, abs=0.05)


def test_captures_agree_at_the_same_layer_only(readings: tuple[Activations, Activations]) -> None:
    check_agreement(*readings)


def test_means_over_the_answer_agree_too(
    llama: LlamaCapture, torch_capture: TorchCapture, pairs: ContrastPairs
) -> None:
    few = pairs.limited(4)
    both = [
        read_pairs(few, capture, positions="answer").train for capture in (llama, torch_capture)
    ]
    check_agreement(*both)


def test_directions_agree_where_they_steer(readings: tuple[Activations, Activations]) -> None:
    ours, theirs = (mean_difference(Contrast(r.positive, r.negative)).directions for r in readings)
    steered = [layer - 1 for layer in default_window(readings[0].model.n_layer)]
    agreed = cosines(ours, theirs)[steered]
    assert agreed.min() > 0.97
    assert agreed.mean() > 0.985
