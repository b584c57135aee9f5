"""Arrays of other tools: names, stacks and single directions, in numpy's files and safetensors."""

from __future__ import annotations

import contextlib
import io
import json
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from convert.foreign import MOST_BYTES, read_foreign
from convert.foreign.bind import Imported, bind
from edgesteer.errors import (
    EdgesteerError,
    InputError,
    LayerError,
    NotFoundError,
    VectorFileError,
)
from edgesteer.identity import ModelIdentity

from .foreign_files import N_LAYER, WIDTH, Floats, unit

MODEL = ModelIdentity("llama", N_LAYER, WIDTH, "six")
FUZZ = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def npz(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def safetensors(path: Path, arrays: dict[str, tuple[str, list[int], bytes]]) -> Path:
    """The format's eight bytes of length, JSON and data, written by hand."""
    head, data = {}, b""
    for name, (kind, shape, raw) in arrays.items():
        offsets = [len(data), len(data) + len(raw)]
        head[name] = {"dtype": kind, "shape": shape, "data_offsets": offsets}
        data += raw
    text = json.dumps(head).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def imported(path: Path, key: str | None = None, **how: Any) -> Imported:
    return bind(read_foreign(path, key), MODEL, **how)


def stack(first: int, last: int) -> Floats:
    return np.stack([unit(block) for block in range(first, last + 1)])


def check_blocks(found: Imported, *layers: int) -> None:
    assert found.vector.layers == layers
    for layer in layers:
        np.testing.assert_array_equal(found.vector.directions[layer], unit(layer))


@pytest.mark.parametrize(
    "name", ["{}", "layers.{}", "direction.{}", "layer_{}", "model.layers.{}", "blk.{}", "l{}x"]
)
def test_a_name_tells_its_layer(name: str, tmp_path: Path) -> None:
    arrays = {name.format(block): unit(block) for block in (2, 4)}
    found = imported(npz(tmp_path / "x.npz", **arrays))
    check_blocks(found, 2, 4)
    assert any("--layer-offset -1" in warning for warning in found.warnings)


def test_the_layer_is_told_from_other_numbers(tmp_path: Path) -> None:
    found = imported(npz(tmp_path / "x.npz", **{"v2.layers.3": unit(3), "v2.layers.4": unit(4)}))
    check_blocks(found, 3, 4)


@pytest.mark.parametrize(
    ("first", "last", "offset", "layers"),
    [
        (-1, N_LAYER - 1, -1, (1, 2, 3, 4, 5)),  # hidden_states: the embeddings come first
        (0, N_LAYER - 1, 0, (1, 2, 3, 4, 5)),
        (1, N_LAYER - 1, 1, (1, 2, 3, 4, 5)),  # llama.cpp's own buffer
    ],
)
def test_a_stack_is_told_by_its_rows(
    first: int, last: int, offset: int, layers: tuple[int, ...], tmp_path: Path
) -> None:
    for path in (tmp_path / "x.npy", tmp_path / "x.npz"):
        if path.suffix == ".npy":
            np.save(path, stack(first, last))
        else:
            npz(path, vector=stack(first, last).astype(np.float64))
        found = imported(path)
        assert found.recognised.offset == offset
        check_blocks(found, *layers)
    if first == -1:
        assert str(found.vector.recommended) == "1-4"  # the last one is behind the final norm


def test_a_stack_of_other_rows_needs_an_offset(tmp_path: Path) -> None:
    path = npz(tmp_path / "x.npz", vector=stack(2, 3))
    with pytest.raises(InputError, match="2 rows") as caught:
        imported(path)
    assert "--layer-offset" in caught.value.hint
    check_blocks(imported(path, offset=2), 2, 3)


def test_a_single_direction_needs_a_layer(tmp_path: Path) -> None:
    path = npz(tmp_path / "x.npz", vector=unit(3)[None], scale=np.float32(2))
    with pytest.raises(LayerError, match="of which layer"):
        imported(path)
    check_blocks(imported(path, layer=3), 3)
    for wrong in (0, N_LAYER, 99):
        with pytest.raises(LayerError):
            imported(path, layer=wrong)
    np.save(tmp_path / "x.npy", unit(3))
    check_blocks(imported(tmp_path / "x.npy", layer=3), 3)
    many = npz(tmp_path / "many.npz", a1=unit(1), a2=unit(2))
    with pytest.raises(InputError, match="--layer is for"):
        imported(many, layer=3)


def test_several_vectors_in_one_file_are_told_apart_by_key(tmp_path: Path) -> None:
    arrays = {f"{name}.layers.{b}": unit(b) for name in ("happy", "sad") for b in (2, 3)}
    path = npz(tmp_path / "x.npz", **arrays)
    with pytest.raises(VectorFileError, match="are both layer 2") as caught:
        imported(path)
    assert "--key" in caught.value.hint
    check_blocks(imported(path, key="sad"), 2, 3)
    with pytest.raises(VectorFileError, match="begins with"):
        imported(path, key="angry")


@pytest.mark.parametrize(
    ("arrays", "why"),
    [
        ({"layers.2": np.array(["a"] * 8)}, "not numbers"),
        ({"layers.2": np.full(8, np.nan)}, "NaN"),
        ({"layers.2": np.full(8, 1e300)}, "NaN or infinity"),
        ({"layers.2.mlp": np.ones(8)}, "speaks of mlp"),
        ({"layers.2.self_attn.out": np.ones(8)}, "speaks of self_attn"),
        ({"blocks.2.hook_resid_pre": np.ones(8)}, "resid_pre"),
        ({"a": np.ones(8), "b": np.ones(8)}, "no layer number"),
        ({"a": np.ones((3, 4, 8))}, r"shape \[3, 4, 8\]"),
        ({"a": np.ones((3, 8)), "b": np.ones((3, 8))}, r"shape \[3, 8\]"),
        ({"a": np.float32(1)}, "no array"),
        ({"layers.2": np.ones(8, np.complex64)}, "not numbers"),
    ],
)
def test_arrays_that_are_no_vector_are_refused(
    arrays: dict[str, Any], why: str, tmp_path: Path
) -> None:
    with pytest.raises(VectorFileError, match=why) as caught:
        imported(npz(tmp_path / "x.npz", **arrays))
    assert caught.value.hint


# hostile files --------------------------------------------------------------------------------


def npy_bytes(shape: str, data: bytes = bytes(32), descr: str = "'<f4'") -> bytes:
    head = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    head += b" " * (-(len(head) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + data


def zipped(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return file.getvalue()


HOSTILE = {
    "no_zip": b"PK\x03\x04 and no more",
    "empty": b"",
    "no_member": zipped(),
    "no_npy": zipped(a=b"x" * 100),
    "objects": zipped(a=npy_bytes("(4,)", descr="'|O'")),
    "huge_shape": zipped(a=npy_bytes("(1000000000000,)")),
    "shape_overflows": zipped(a=npy_bytes("(2**62, 4)".replace("2**62", str(2**62)))),
    "negative_shape": zipped(a=npy_bytes("(-8,)")),
    "shape_is_code": zipped(a=npy_bytes("__import__('os')")),
    "shape_of_text": zipped(a=npy_bytes("('8',)")),
    "short_data": zipped(a=npy_bytes("(8,)", bytes(31))),
    "long_data": zipped(a=npy_bytes("(8,)", bytes(33))),
    "odd_type": zipped(a=npy_bytes("(8,)", descr="'<f4,<f4'")),
    "version_9": zipped(a=b"\x93NUMPY\x09\x00" + npy_bytes("(8,)")[8:]),
    "deep_header": zipped(a=npy_bytes("(" * 3000 + ")" * 3000)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_npz_is_refused_with_a_cure(name: str, tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    path.write_bytes(HOSTILE[name])
    with pytest.raises(VectorFileError) as caught:
        imported(path)
    assert caught.value.hint
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 300 + len(str(path))


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = npz(tmp_path / "x.npz", a=np.ones(8, np.float32))
    data = bytearray(path.read_bytes())
    size = struct.pack("<I", MOST_BYTES + 1)
    place = data.index(b"PK\x01\x02") + 24  # the unpacked size in the central directory
    data[place : place + 4] = size
    path.write_bytes(bytes(data))
    with pytest.raises(VectorFileError, match="unpacks to more"):
        imported(path)


@FUZZ
@given(place=st.integers(0, 400), bits=st.integers(1, 255))
def test_any_byte_of_an_npz_changed_is_read_or_refused(
    place: int, bits: int, tmp_path: Path
) -> None:
    path = npz(tmp_path / "x.npz", **{"layers.2": unit(2)})
    data = bytearray(path.read_bytes())
    data[place % len(data)] ^= bits
    path.write_bytes(bytes(data))
    with contextlib.suppress(EdgesteerError):
        imported(path, layer=2)


@FUZZ
@given(junk=st.binary(max_size=300), suffix=st.sampled_from([".npz", ".npy", ".gguf"]))
def test_junk_is_refused(junk: bytes, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"x{suffix}"
    path.write_bytes(junk)
    with pytest.raises(EdgesteerError):
        imported(path)


def test_what_is_no_file_of_a_known_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        imported(tmp_path / "none.npz")
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(InputError, match="format"):
        imported(tmp_path / "x.json")
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(VectorFileError, match="regular"):
        imported(tmp_path / "folder.npz")


# safetensors ----------------------------------------------------------------------------------


@pytest.mark.torch
@pytest.mark.parametrize(("kind", "dtype"), [("F32", "<f4"), ("F16", "<f2"), ("F64", "<f8")])
def test_safetensors_are_read(kind: str, dtype: str, tmp_path: Path) -> None:
    rows = {b: unit(b).astype(dtype) for b in (2, 3)}
    arrays = {f"layers.{b}": (kind, [WIDTH], row.tobytes()) for b, row in rows.items()}
    found = imported(safetensors(tmp_path / "x.safetensors", arrays))
    for b, row in rows.items():
        np.testing.assert_array_equal(found.vector.directions[b], row.astype(np.float32))


@pytest.mark.torch
def test_bfloat16_is_the_upper_half_of_a_float32(tmp_path: Path) -> None:
    raw = (unit(2).view(np.uint32) >> 16).astype("<u2")
    found = imported(
        safetensors(tmp_path / "x.safetensors", {"layers.2": ("BF16", [WIDTH], raw.tobytes())})
    )
    np.testing.assert_allclose(found.vector.directions[2], unit(2), rtol=2**-7)


@pytest.mark.torch
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff" * 8 + b"{}",
        struct.pack("<Q", 2) + b"{}" + bytes(8),
        struct.pack("<Q", 2**62) + b"{}",
        struct.pack("<Q", 5) + b"[[[[[",
    ],
)
def test_hostile_safetensors_are_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(data)
    with pytest.raises(VectorFileError) as caught:
        imported(path)
    assert caught.value.hint


@pytest.mark.torch
def test_safetensors_that_overlap_or_lie_are_refused(tmp_path: Path) -> None:
    wrong = {"layers.2": ("F32", [WIDTH + 1], bytes(4 * WIDTH))}
    with pytest.raises(VectorFileError):
        imported(safetensors(tmp_path / "x.safetensors", wrong))
