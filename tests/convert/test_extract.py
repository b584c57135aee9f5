"""The pipeline on a made-up model: a planted direction comes out as a complete vector."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import convert
from convert.activations import Activations
from convert.capture import Positions, Progress, as_positions, token_span
from convert.extract import extract, read_pairs
from convert.pairs import ContrastPairs
from convert.pairs_toml import parse as parse_toml
from convert.rendering import Passage
from edgesteer.errors import InputError, LayerError, PairsError
from edgesteer.identity import ModelIdentity
from edgesteer.layers import LayerRange
from edgesteer.vector import ControlVector

from .pair_texts import TRAIT, Array, cosines

WIDTH, N_LAYER = 48, 12


class PlantedCapture:
    """A model whose activations are noise by the text's hash, plus a direction where it is calm."""

    name = "planted"
    identity = ModelIdentity("llama", N_LAYER, WIDTH, "planted", "ab")
    has_chat_template = True
    direction = np.random.default_rng(1).normal(size=(N_LAYER, WIDTH)).astype(np.float32)

    def __init__(self) -> None:
        self.texts: list[str] = []

    def render(self, messages: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        return "".join(f"<{m['role']}>{m['content']}" for m in messages) + "<assistant>"

    def capture(
        self,
        texts: Sequence[str | Passage],
        layers: Sequence[int] | None = None,
        positions: Positions = "last",
        progress: Progress | None = None,
    ) -> Activations:
        chosen = tuple(range(1, N_LAYER)) if layers is None else tuple(layers)
        words = [text if isinstance(text, str) else text.text for text in texts]
        self.texts += words
        rows = np.stack([self.row(text)[list(chosen)] for text in words])
        if progress is not None:
            progress(len(words), len(words), "texts")
        lengths = [len(text.split()) for text in words]
        return Activations.of(
            rows,
            chosen,
            self.identity,
            positions=str(positions),
            capture="planted",
            n_tokens=lengths,
        )

    def row(self, text: str) -> Array:
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
        noise = np.random.default_rng(seed).normal(size=(N_LAYER, WIDTH))
        calm = "calm" in text or "at ease" in text
        return (0.3 * noise + self.direction * (2.0 if calm else 0.0)).astype(np.float32)


def test_the_planted_direction_comes_out_with_its_length() -> None:
    vector = extract(parse_toml(TRAIT), PlantedCapture())
    assert vector.layers == tuple(range(1, N_LAYER))
    for layer, row in vector.directions.items():
        assert cosines(row, PlantedCapture.direction[layer]) > 0.98
        length = np.linalg.norm(row) / np.linalg.norm(PlantedCapture.direction[layer])
        assert length == pytest.approx(2.0, abs=0.3)


def test_the_vector_says_how_it_was_made() -> None:
    pairs = parse_toml(TRAIT)
    vector = extract(pairs, PlantedCapture(), method="pca")
    assert (vector.name, vector.model) == ("calm", PlantedCapture.identity)
    assert vector.recommended == LayerRange.of(range(4, 10))
    meta = vector.meta
    assert (meta["method"], meta["token_position"], meta["capture"]) == ("pca", "last", "planted")
    assert (meta["pairs_sha256"], meta["n_pairs"], meta["n_heldout"]) == (pairs.digest, 6, 1)
    assert (meta["positive"], meta["negative"], meta["rendering"]) == ("calm", "furious", "chat")
    assert len(meta["residual_norms"]) == len(vector.layers)
    assert meta["quality"]["judged_on"] == "held-out pairs"
    assert meta["quality"]["verdict"]


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        extract(parse_toml(TRAIT), PlantedCapture()).save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert ControlVector.load(tmp_path / "a").meta["method"] == "mean-difference"


def test_pairs_can_be_a_file_or_a_trait(tmp_path: Path) -> None:
    file = tmp_path / "mood.jsonl"
    rows = [f'{{"positive": "calm {i}", "negative": "angry {i}"}}' for i in range(8)]
    file.write_text("\n".join(rows))
    vector = extract(file, PlantedCapture(), name="mine")
    assert (vector.name, vector.meta["rendering"], vector.meta["pairs"]) == ("mine", "text", "mood")
    assert extract("calm", PlantedCapture()).name == "calm"


def test_chosen_layers_are_read_carried_and_recommended() -> None:
    vector = extract(parse_toml(TRAIT), PlantedCapture(), layers="3-5,9")
    assert vector.layers == (3, 4, 5, 9)
    assert vector.recommended == LayerRange.of((3, 4, 5, 9))
    with pytest.raises(LayerError):
        extract(parse_toml(TRAIT), PlantedCapture(), layers="12")


def test_held_out_pairs_stay_out_of_the_direction() -> None:
    capture = PlantedCapture()
    with_heldout = extract(parse_toml(TRAIT), capture)
    assert any("The shop is closed." in text for text in capture.texts)
    without = extract(parse_toml(TRAIT.partition("[heldout]")[0]), PlantedCapture())
    assert with_heldout.digest == without.digest
    assert without.meta["quality"]["judged_on"] == "folds"


def test_a_calibration_has_the_last_word() -> None:
    vector = extract(parse_toml(TRAIT), PlantedCapture(), calibrate=lambda v: v.scaled(0.5))
    plain = extract(parse_toml(TRAIT), PlantedCapture())
    assert vector.norms()[5] == pytest.approx(plain.norms()[5] / 2)


def test_progress_is_told() -> None:
    seen: list[tuple[int, int, str]] = []
    extract(parse_toml(TRAIT), PlantedCapture(), progress=lambda *told: seen.append(told))
    assert seen == [(14, 14, "texts")]


def test_a_note_on_the_rendering_becomes_a_warning() -> None:
    capture = PlantedCapture()
    capture.has_chat_template = False
    vector = extract(parse_toml(TRAIT), capture)
    assert vector.meta["rendering"] == "plain"
    assert "no chat template" in vector.meta["quality"]["warnings"][0]
    assert capture.texts[0] == "You are calm.\n\nThe bus is late.\nWell,"


def test_a_template_that_drops_the_difference_is_told() -> None:
    capture = PlantedCapture()
    capture.render = lambda messages, add_generation_prompt=True: "hello"  # type: ignore[method-assign]
    with pytest.raises(PairsError, match="both sides read the same"):
        extract(parse_toml(TRAIT), capture)


def test_a_reading_can_be_saved_and_used_again(tmp_path: Path) -> None:
    pairs = parse_toml(TRAIT)
    reading = read_pairs(pairs, PlantedCapture())
    reading.train.save(tmp_path / "calm.npz")
    again = Activations.load(tmp_path / "calm.npz")
    assert again.source == pairs.digest
    assert np.array_equal(again.positive, reading.train.positive)
    assert reading.heldout is not None
    assert len(reading.heldout) == 2


def test_all_positions_give_no_direction() -> None:
    with pytest.raises(InputError, match="one row a text"):
        extract(parse_toml(TRAIT), PlantedCapture(), positions="all")


def test_positions_are_words_or_numbers() -> None:
    assert [as_positions(p) for p in ("last", "answer", 3, "-1")] == ["last", "answer", 3, -1]
    for bad in ("lats", "1.5", True, ""):
        with pytest.raises(InputError, match="not a token position"):
            as_positions(bad)
    spans = [token_span(p, 9, 4) for p in ("last", "mean", "answer", "all", 2, -2)]
    assert spans == [(8, 9), (0, 9), (4, 9), (0, 9), (2, 3), (7, 8)]
    assert token_span("answer", 9, 9) == (8, 9)
    for outside in (9, -10):
        with pytest.raises(InputError, match="of a text with 9 tokens"):
            token_span(outside, 9, 0)


def test_the_package_gives_its_names_lazily() -> None:
    assert convert.ContrastPairs is ContrastPairs
    assert set(convert.__all__) <= set(dir(convert))
    with pytest.raises(AttributeError):
        convert.nothing  # noqa: B018
