"""Read-outs as values: scores, how they are kept with a vector, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgesteer import ControlVector, InputError, LayerError, ModelIdentity, VectorMismatchError
from edgesteer.monitor.readout import OperatingPoint, Readout, reading_layer

IDENTITY = ModelIdentity("llama", 4, 8, "tiny", "w" * 64)
DIRECTIONS = {n: np.random.default_rng(n).standard_normal(8).astype(np.float32) for n in (1, 2, 3)}
VECTOR = ControlVector(DIRECTIONS, IDENTITY, name="calm", recommended="1-2")
POINT = OperatingPoint(0.25, 0.9, 0.8, 0.1, 20, 20)
UNIT = (DIRECTIONS[2] / np.linalg.norm(DIRECTIONS[2])).astype(np.float32)
FITTED = Readout("calm", 2, UNIT, 0.5, 2.0, "answer", POINT, 0.97, IDENTITY, {"method": "vector"})


def test_a_score_is_the_projection_centred_and_scaled() -> None:
    rows = np.stack([UNIT * 4.5, UNIT * 0.5, UNIT * -1.5])
    assert FITTED.score(rows) == pytest.approx([2, 0, -1], abs=1e-6)


def test_a_raw_read_out_reads_the_unit_direction() -> None:
    raw = Readout.raw(VECTOR, 2)
    assert raw.unit == "raw"
    assert raw.threshold is None
    assert raw.score(DIRECTIONS[2]) == pytest.approx(np.linalg.norm(DIRECTIONS[2]), rel=1e-6)


def test_what_is_kept_with_a_vector_is_read_back_the_same(tmp_path: Path) -> None:
    path = tmp_path / "calm.gguf"
    FITTED.kept_with(VECTOR).save(path)
    loaded = ControlVector.load(path)
    found = Readout.of(loaded)
    assert found is not None
    assert (found.direction == FITTED.direction).all()
    assert replace(found, direction=FITTED.direction).to_dict() == FITTED.to_dict()
    assert (found.name, found.model, found.threshold) == ("calm", IDENTITY, 0.25)
    assert loaded.digest == VECTOR.digest  # it steers as before


def test_it_outlives_a_change_of_length_and_not_a_change_of_sign() -> None:
    kept = FITTED.kept_with(VECTOR)
    assert Readout.of(kept.scaled(0.5)) is not None
    with pytest.raises(InputError, match="another direction") as caught:
        Readout.of(kept.with_(directions={n: -row for n, row in kept.directions.items()}))
    assert "--fit" in caught.value.hint
    assert Readout.of(kept.scaled(-1)) is None
    assert Readout.of(VECTOR) is None


def test_a_read_out_of_another_model_is_refused() -> None:
    FITTED.check_fits(IDENTITY)
    for other in (
        replace(IDENTITY, weights_id="x" * 64),
        replace(IDENTITY, n_embd=16),
        replace(IDENTITY, architecture="qwen2"),
    ):
        with pytest.raises(VectorMismatchError) as caught:
            FITTED.check_fits(other)
        assert "edgesteer monitor calm -m MODEL --fit" in caught.value.hint
    with pytest.raises(LayerError):
        replace(FITTED, layer=7, model=None).check_fits(IDENTITY)


@pytest.mark.parametrize(
    "changes",
    [
        {"format": 2},
        {"direction": "not base64!"},
        {"direction": ""},
        {"direction": 7},
        {"scale": 0.0},
        {"scale": float("nan")},
        {"centre": "0"},
        {"layer": 0},
        {"layer": "2"},
        {"positions": "everywhere"},
        {"point": {"threshold": 0.1}},
        {"point": {**FITTED.to_dict()["point"], "recall": 1.5}},
    ],
    ids=str,
)
def test_a_damaged_read_out_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InputError) as caught:
        Readout.from_dict({**FITTED.to_dict(), **changes}, "calm")
    assert caught.value.hint
    with pytest.raises(InputError):
        Readout.from_dict({}, "calm")


def test_without_a_read_out_a_vector_is_read_where_its_sides_lie_furthest_apart() -> None:
    quality = {"layers": [1, 2, 3], "discriminability": [0.5, 2.5, 1.0]}
    assert reading_layer(VECTOR.with_(meta={"quality": quality})) == 2
    assert reading_layer(VECTOR) == 2  # the last that is recommended
    assert reading_layer(VECTOR.with_(recommended=None)) == 3
    with pytest.raises(LayerError, match="carries nothing at layer 7"):
        Readout.raw(VECTOR, 7)
