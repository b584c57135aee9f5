"""The pipeline on a made-up model: a planted direction comes out as a complete vector."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import convert
from convert.activations import Activations
from convert.capture import Positions, Progress
from convert.capture.positions import as_positions
from convert.directions import METHODS
from convert.extract import extract, make_vector
from convert.pairs import ContrastPairs
from convert.pairs_toml import parse as parse_toml
from convert.reading import load_reading, read_pairs
from convert.rendering import Passage
from edgesteer.errors import InputError, LayerError, PairsError, VectorMismatchError
from edgesteer.identity import ModelIdentity
from edgesteer.layers import LayerRange
from edgesteer.monitor.readout import Readout
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
        places = as_positions(positions)
        self.texts += words
        rows = [self.row(text, place)[list(chosen)] for text in words for place in places]
        if progress is not None:
            progress(len(words), len(words), "texts")
        lengths = [len(text.split()) for text in words]
        return Activations.of(
            np.stack(rows),
            chosen,
            self.identity,
            positions=",".join(places),
            capture="planted",
            n_tokens=np.repeat(lengths, len(places)),
            owners=np.repeat(np.arange(len(words)), len(places)),
        )

    def row(self, text: str, place: str = "last") -> Array:
        """Noisier at the prompt than at the end; what is neutral lies midway."""
        seed = int.from_bytes(hashlib.sha256(f"{text}{place}".encode()).digest()[:8], "big")
        noise = np.random.default_rng(seed).normal(size=(N_LAYER, WIDTH))
        calm = "calm" in text or "at ease" in text
        step = 1.0 if calm else -1.0 if "furious" in text or "rage" in text else 0.0
        width = 3.0 if place.startswith("prompt") else 0.3
        return (width * noise + self.direction * step).astype(np.float32)


def test_the_planted_direction_comes_out_with_its_length() -> None:
    vector = extract(parse_toml(TRAIT), PlantedCapture())
    assert vector.layers == tuple(range(1, N_LAYER))
    for layer, row in vector.directions.items():
        assert cosines(row, PlantedCapture.direction[layer]) > 0.98
        length = np.linalg.norm(row) / np.linalg.norm(PlantedCapture.direction[layer])
        assert length == pytest.approx(2.0, abs=0.3)


def test_the_vector_says_how_it_was_made() -> None:
    pairs = parse_toml(TRAIT)
    capture = PlantedCapture()
    vector = extract(pairs, capture, method="pca")
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
    rows = [f'{{"positive": "calm {i}", "negative": "furious {i}"}}' for i in range(8)]
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


@pytest.mark.parametrize("method", METHODS)
def test_every_method_makes_a_vector_and_the_same_one_again(method: str) -> None:
    first, second = (extract(parse_toml(TRAIT), PlantedCapture(), method=method) for _ in range(2))
    assert first.meta["method"] == method
    assert (first, first.meta) == (second, second.meta)
    if method != "centred-pca":
        assert cosines(first.directions[6], PlantedCapture.direction[6]) > 0.9


def test_the_whitened_method_keeps_a_read_out_with_its_vector() -> None:
    more = "".join(
        f'[[heldout.stems]]\nuser = "{what} is late."\nanswer = "So"\n'
        for what in ("The bus", "The post", "Supper")
    )
    vector = extract(parse_toml(TRAIT + more), PlantedCapture(), method="whitened")
    readout = Readout.of(vector)
    assert readout is not None
    assert readout.auroc == 1.0
    assert readout.point is not None
    assert (readout.threshold, readout.point.recall, readout.point.false_alarms) == (0.0, 1.0, 0.0)
    rows = read_pairs(parse_toml(TRAIT), PlantedCapture()).train
    column = rows.layers.index(readout.layer)
    assert readout.score(rows.positive[:, column]).mean() == pytest.approx(1.0, abs=1e-3)
    assert readout.score(rows.negative[:, column]).mean() == pytest.approx(-1.0, abs=1e-3)
    plain = extract(parse_toml(TRAIT), PlantedCapture())
    assert plain.digest == vector.digest
    assert Readout.of(plain) is None
    without = parse_toml(TRAIT.partition("[heldout]")[0])
    raw = Readout.of(extract(without, PlantedCapture(), method="whitened"))
    assert raw is not None
    assert (raw.point, raw.auroc) == (None, None)


def test_neutral_texts_are_read_when_a_method_needs_them() -> None:
    capture = PlantedCapture()
    extract(parse_toml(TRAIT), capture)
    assert len(capture.texts) == 14
    extract(parse_toml(TRAIT), capture, method="mean-centring")
    assert len(capture.texts) == 14 + 14 + 3
    assert capture.texts[-3:] == [
        "<user>The bus is late.<assistant>Well,",
        "<user>It rains.<assistant>",
        "<user>The soup is cold.<assistant>I think",
    ]


def test_of_several_positions_the_best_is_used() -> None:
    vector = extract(parse_toml(TRAIT), PlantedCapture(), positions="prompt,last,prompt-1")
    assert vector.meta["token_position"] == "last"
    tried = vector.meta["positions_tried"]
    assert list(tried) == ["prompt", "last", "prompt-1"]
    assert tried["last"] > max(tried["prompt"], tried["prompt-1"])
    alone = extract(parse_toml(TRAIT), PlantedCapture())
    assert alone.digest == vector.digest
    assert "positions_tried" not in alone.meta


def test_a_reading_can_be_saved_and_used_again(tmp_path: Path) -> None:
    pairs, file = parse_toml(TRAIT), tmp_path / "calm.npz"
    read_pairs(pairs, PlantedCapture(), neutral=True, positions="last,prompt").save(file)
    again = load_reading(file, pairs, PlantedCapture.identity)
    for method in METHODS:
        vector = make_vector(pairs, again, method=method)
        fresh = extract(pairs, PlantedCapture(), method=method, positions="last,prompt")
        assert (vector, vector.meta) == (fresh, fresh.meta)
    some = make_vector(pairs, again, layers="3-5,9")
    assert some == extract(pairs, PlantedCapture(), positions="last,prompt", layers="3-5,9")


def test_a_reading_of_something_else_is_refused(tmp_path: Path) -> None:
    pairs, file = parse_toml(TRAIT), tmp_path / "calm.npz"
    read_pairs(pairs, PlantedCapture(), layers="3-5").save(file)
    for other in (pairs.limited(4), replace(pairs, heldout=()), ContrastPairs.load("calm")):
        with pytest.raises(InputError, match=r"calm\.npz was read from other pairs"):
            load_reading(file, other)
    for identity in (ModelIdentity("llama", 13, WIDTH), ModelIdentity("qwen2", N_LAYER, WIDTH)):
        with pytest.raises(VectorMismatchError, match="was read from planted"):
            load_reading(file, pairs, identity)
    reading = load_reading(file, pairs)
    with pytest.raises(InputError, match="layer 8 was not read; layers 3-5 were"):
        make_vector(pairs, reading, layers="8")
    with pytest.raises(InputError, match="needs neutral texts"):
        make_vector(pairs, reading, method="cross-covariance")
    replace(reading.rows, facts={}).save(file)
    with pytest.raises(InputError, match="is no saved reading of contrast pairs"):
        load_reading(file, pairs)


@pytest.mark.parametrize(
    "change",
    [
        {"counts": [12, 2]},
        {"counts": [12, 2, 1]},
        {"counts": "12"},
        {"baseline": [9] * 6},
        {"baseline": [0]},
        {"style": 3},
        {"note": None},
    ],
)
def test_a_damaged_reading_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    pairs, file = parse_toml(TRAIT), tmp_path / "calm.npz"
    read_pairs(pairs, PlantedCapture()).save(file)
    rows = Activations.load(file)
    replace(rows, facts={**rows.facts, **change}).save(file)
    with pytest.raises(InputError, match="is no saved reading of contrast pairs"):
        load_reading(file, pairs)


def test_all_positions_give_no_direction() -> None:
    with pytest.raises(InputError, match="one row a text"):
        extract(parse_toml(TRAIT), PlantedCapture(), positions="all")


def test_the_package_gives_its_names_lazily() -> None:
    assert convert.ContrastPairs is ContrastPairs
    assert set(convert.__all__) <= set(dir(convert))
    with pytest.raises(AttributeError):
        convert.nothing  # noqa: B018
