"""The two captures agree on a real model: the same layer, the same token, the same basis.

An index that is off by one gives a cosine of about 0.95 in the middle layers: no eye sees it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from convert.activations import Activations
from convert.capture.hf_identity import hf_identity
from convert.capture.llama import LlamaCapture
from convert.capture.torch import TorchCapture
from convert.extract import make_vector
from convert.pairs import ContrastPairs
from convert.reading import Reading, read_pairs

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
def polite() -> ContrastPairs:
    """A hundred pairs: polite and rude answers to one prompt."""
    return ContrastPairs.load(Path(__file__).with_name("polite.jsonl"))


@pytest.fixture(scope="module")
def readings(
    llama: LlamaCapture, torch_capture: TorchCapture, polite: ContrastPairs
) -> tuple[Reading, Reading]:
    """The last tokens of a hundred pairs, by llama.cpp and by torch."""
    return read_pairs(polite, llama), read_pairs(polite, torch_capture)


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
    assert max(before.mean(axis=0).max(), after.mean(axis=0).max()) < 0.995
    lengths = np.linalg.norm(ours.rows, axis=2) / np.linalg.norm(theirs.rows, axis=2)
    assert lengths == pytest.approx(1.0, abs=0.05)


def test_captures_agree_at_the_same_layer_only(readings: tuple[Reading, Reading]) -> None:
    check_agreement(readings[0].train, readings[1].train)


def test_captures_agree_at_every_position(
    llama: LlamaCapture, torch_capture: TorchCapture, pairs: ContrastPairs
) -> None:
    few = pairs.limited(4)
    places = "last,answer,prompt,prompt-3,-4,5"
    ours, theirs = (read_pairs(few, c, positions=places) for c in (llama, torch_capture))
    for i in range(len(ours.places)):
        check_agreement(ours.at(i).train, theirs.at(i).train)


def test_the_templates_own_tokens_are_the_same(
    llama: LlamaCapture, torch_capture: TorchCapture, pairs: ContrastPairs
) -> None:
    found = [read_pairs(pairs.limited(2), c, positions="template") for c in (llama, torch_capture)]
    assert found[0].places == found[1].places
    assert found[0].places[-2:] == ("prompt-1", "prompt")
    behind = llama._model.tokenize("<|im_end|>\n<|im_start|>assistant\n")
    assert len(found[0].places) == len(behind)


def test_all_tokens_agree(llama: LlamaCapture, torch_capture: TorchCapture) -> None:
    texts = ["The library opens at nine.", "To change a bicycle tyre, let out the air."]
    ours, theirs = (c.capture(texts, [8, 15, 22], "all") for c in (llama, torch_capture))
    assert ours.owners.tolist() == theirs.owners.tolist()
    kept = ours.owners == np.roll(ours.owners, 1)  # a text's first token is an outlier
    assert cosines(ours.rows[kept], theirs.rows[kept]).min() > 0.995


def test_a_vector_of_a_hundred_pairs_is_the_same_by_torch(
    readings: tuple[Reading, Reading], polite: ContrastPairs
) -> None:
    ours, theirs = (make_vector(polite, reading) for reading in readings)
    assert ours.meta["quality"]["verdict"].startswith("good")
    assert ours.recommended == theirs.recommended
    assert ours.recommended is not None
    agreed = ours.cosine(theirs)
    used = ours.recommended.resolve(readings[0].rows.model.n_layer)
    assert min(agreed[layer] for layer in used) > 0.99
