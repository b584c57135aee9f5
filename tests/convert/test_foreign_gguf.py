"""GGUF files of other tools: each is taken for what it is, and ends at the right blocks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from convert.foreign import read_foreign
from convert.foreign.bind import Imported, bind
from edgesteer.errors import LayerError, VectorFileError, VectorMismatchError
from edgesteer.identity import ModelIdentity
from edgesteer.vector import Calibration, ControlVector

from ..hostile import u32
from .foreign_files import (
    N_LAYER,
    WIDTH,
    cvector_generator,
    dialz,
    glp,
    jukofyork,
    repeng,
    unit,
    vector_file,
)

MODEL = ModelIdentity("llama", N_LAYER, WIDTH, "six", "ab" * 32)


def imported(path: Path, **how: object) -> Imported:
    return bind(read_foreign(path), MODEL, **how)  # type: ignore[arg-type]


def check_blocks(vector: ControlVector, layers: range) -> None:
    """Each layer carries the direction that was measured behind the block of that number."""
    assert vector.layers == tuple(layers)
    for layer, row in vector.directions.items():
        cosine = float(row @ unit(layer)) / float(np.linalg.norm(row))
        assert cosine == pytest.approx(1.0, abs=1e-6), layer


@pytest.mark.parametrize(
    ("write", "producer", "offset", "layers"),
    [
        (repeng, "repeng", 0, range(1, N_LAYER)),
        (dialz, "dialz", 0, range(1, N_LAYER)),
        (cvector_generator, "llama.cpp cvector-generator", -1, range(1, N_LAYER - 1)),
        (jukofyork, "jukofyork/control-vectors", -1, range(1, N_LAYER - 1)),
    ],
)
def test_every_producer_ends_at_its_own_blocks(
    write: Callable[[Path], Path], producer: str, offset: int, layers: range, tmp_path: Path
) -> None:
    found = imported(write(tmp_path / "theirs.gguf"))
    assert (found.recognised.producer, found.recognised.offset) == (producer, offset)
    check_blocks(found.vector, layers)
    assert found.vector.model == MODEL
    meta = found.vector.meta
    assert (meta["producer"], meta["layer_offset"]) == (producer, offset)
    assert meta["imported_from"] == "theirs.gguf"
    assert meta["recognised_by"] in found.notes[0]


@pytest.mark.parametrize("write", [repeng, dialz])
def test_a_last_layer_behind_the_final_norm_is_not_recommended(
    write: Callable[[Path], Path], tmp_path: Path
) -> None:
    found = imported(write(tmp_path / "x.gguf"))
    assert str(found.vector.recommended) == f"1-{N_LAYER - 2}"
    assert any("final norm" in warning for warning in found.warnings)


@pytest.mark.parametrize(("first", "skip_end"), [(0, 1), (2, 1), (1, 3)])
def test_jukofyork_is_recognised_whatever_it_skips_but_doubted(
    first: int, skip_end: int, tmp_path: Path
) -> None:
    found = imported(jukofyork(tmp_path / "x.gguf", first=first, skip_end=skip_end))
    check_blocks(found.vector, range(max(1, first), N_LAYER - skip_end))
    assert any("--layer-offset 0" in warning for warning in found.warnings)


def test_jukofyork_with_every_block_reaches_a_layer_that_is_not_there(tmp_path: Path) -> None:
    path = jukofyork(tmp_path / "x.gguf", skip_end=0)
    found = imported(path)
    assert found.recognised.offset == -1
    check_blocks(found.vector, range(1, N_LAYER))
    assert any("block 0" in note for note in found.notes)


def test_block_0_of_cvector_generator_is_left_out_and_said_so(tmp_path: Path) -> None:
    found = imported(cvector_generator(tmp_path / "x.gguf"))
    assert any("its number 1, which is block 0" in note for note in found.notes)


def test_what_only_looks_like_cvector_generator_is_not_moved_but_doubted(tmp_path: Path) -> None:
    found = imported(cvector_generator(tmp_path / "x.gguf", scale=3.0))
    assert found.recognised.offset == 0
    assert any("--layer-offset -1" in warning for warning in found.warnings)


def test_a_file_of_cvector_generator_for_another_depth_is_refused(tmp_path: Path) -> None:
    path = cvector_generator(tmp_path / "x.gguf", n_layer=N_LAYER - 1)
    with pytest.raises(VectorMismatchError, match=f"for {N_LAYER - 1} layers") as caught:
        imported(path)
    assert "--layer-offset" in caught.value.hint


def test_an_offset_that_was_given_is_believed(tmp_path: Path) -> None:
    found = imported(cvector_generator(tmp_path / "x.gguf"), offset=0)
    assert found.vector.layers == tuple(range(1, N_LAYER))
    assert found.vector.meta["layer_offset"] == 0
    assert "--layer-offset 0 was given" in found.notes[0]


@pytest.mark.parametrize("top", [N_LAYER - 1, N_LAYER])
def test_direction_0_is_block_0_or_the_embeddings(top: int, tmp_path: Path) -> None:
    shift = 1 if top == N_LAYER else 0
    rows = {n: unit(n - shift) * np.float32(n + 1) for n in range(top + 1)}
    found = imported(vector_file(tmp_path / "x.gguf", rows, None))
    assert found.recognised.offset == -shift
    check_blocks(found.vector, range(1, N_LAYER))
    assert any("left out" in note and "block 0" in note for note in found.notes)


def test_numbers_that_reach_one_too_far_are_moved_and_doubted(tmp_path: Path) -> None:
    rows = {n: unit(n - 1) for n in range(3, N_LAYER + 1)}
    found = imported(vector_file(tmp_path / "x.gguf", rows, None))
    check_blocks(found.vector, range(2, N_LAYER))
    assert any("counted from 1" in warning for warning in found.warnings)


def test_a_file_that_tells_nothing_is_taken_as_numbered_and_says_so(tmp_path: Path) -> None:
    found = imported(vector_file(tmp_path / "x.gguf", {3: unit(3)}, None, hint=None))
    check_blocks(found.vector, range(3, 4))
    assert any("hidden_states" in warning for warning in found.warnings)


def test_zero_directions_are_left_out(tmp_path: Path) -> None:
    rows = {2: unit(2), 3: np.zeros(WIDTH, np.float32)}
    found = imported(vector_file(tmp_path / "x.gguf", rows, u32("controlvector.layer_count", 2)))
    assert found.vector.layers == (2,)
    assert any("zero" in note for note in found.notes)
    zeros = {2: rows[3]}
    with pytest.raises(VectorFileError, match="zero"):
        imported(vector_file(tmp_path / "y.gguf", zeros, None))


def test_another_model_is_refused_or_warned_of(tmp_path: Path) -> None:
    narrow = ModelIdentity("llama", N_LAYER, WIDTH + 1)
    with pytest.raises(VectorMismatchError, match="8 wide"):
        bind(read_foreign(repeng(tmp_path / "x.gguf")), narrow)
    deep = repeng(tmp_path / "deep.gguf", n_layer=N_LAYER + 4)
    with pytest.raises(VectorMismatchError, match="reaches layer 9"):
        imported(deep)
    assert imported(deep, force=True).vector.layers == tuple(range(1, N_LAYER))
    other = vector_file(
        tmp_path / "hint.gguf", {2: unit(2)}, u32("controlvector.layer_count", 1), hint="qwen2"
    )
    assert any("'qwen2'" in warning for warning in imported(other).warnings)
    mistral = vector_file(
        tmp_path / "m.gguf", {2: unit(2)}, u32("controlvector.layer_count", 1), hint="mistral"
    )
    assert not any("'mistral'" in warning for warning in imported(mistral).warnings)


def test_nothing_left_in_the_model_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LayerError, match="no layer of"):
        imported(repeng(tmp_path / "x.gguf"), offset=N_LAYER)


@pytest.mark.parametrize("space", ["glp", "dspark"])
def test_directions_to_be_projected_are_never_added(space: str, tmp_path: Path) -> None:
    path = glp(tmp_path / "x.gguf", space=space)
    with pytest.raises(VectorFileError, match="projection"):
        ControlVector.load(path)
    with pytest.raises(VectorFileError, match="not to be added") as caught:
        imported(path)
    assert "--ablate" in caught.value.hint
    found = imported(path, ablate=True)
    assert found.vector.meta["meant_for"] == "ablate"
    check_blocks(found.vector, range(1, N_LAYER))


def test_a_glp_file_that_is_to_be_added_is_added(tmp_path: Path) -> None:
    assert ControlVector.load(glp(tmp_path / "x.gguf", mode="add")).layers == (1, 2, 3, 4, 5)


def test_another_hook_point_is_warned_of(tmp_path: Path) -> None:
    path = glp(tmp_path / "x.gguf", hook="ffn_out_pre_residual")
    found = imported(path, ablate=True)
    assert any("ffn_out_pre_residual" in warning for warning in found.warnings)


def test_our_own_file_keeps_its_band_on_its_own_model_only(tmp_path: Path) -> None:
    band = Calibration(-1.0, 1.5)
    calm = ControlVector(
        {2: unit(2), 3: unit(3)}, MODEL, name="calm", recommended="3", calibration=band
    )
    calm.save(tmp_path / "calm.gguf")
    found = imported(tmp_path / "calm.gguf")
    assert (found.vector.calibration, str(found.vector.recommended)) == (band, "3")
    assert found.vector.name == "calm"
    other = ModelIdentity("llama", N_LAYER, WIDTH, "other", "cd" * 32)
    foreign = read_foreign(tmp_path / "calm.gguf")
    with pytest.raises(VectorMismatchError, match="different weights"):
        bind(foreign, other)
    assert bind(foreign, other, force=True).vector.calibration is None
    assert imported(tmp_path / "calm.gguf", offset=-1).vector.calibration is None


def test_moved_directions_are_the_files_own_bytes(tmp_path: Path) -> None:
    path = cvector_generator(tmp_path / "x.gguf")
    foreign = read_foreign(path)
    moved = imported(path).vector
    for layer, row in moved.directions.items():
        assert row.tobytes() == foreign.rows[layer + 1].tobytes()
