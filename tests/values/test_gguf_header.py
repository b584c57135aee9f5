"""The header reader: what it reads of sound files, and that vocabularies cost little."""

from __future__ import annotations

import time
from pathlib import Path

import gguf
import numpy as np
import pytest

from edgesteer import gguf_header
from edgesteer.errors import VectorFileError
from edgesteer.gguf_header import SkippedArray, read_header

from .. import hostile


def write(folder: Path, data: bytes) -> Path:
    path = folder / "x.gguf"
    path.write_bytes(data)
    return path


def test_values_of_every_type(tmp_path: Path) -> None:
    path = tmp_path / "x.gguf"
    writer = gguf.GGUFWriter(path, "any")
    values = {
        "uint8": 200, "int8": -100, "uint16": 60_000, "int16": -30_000, "uint32": 4_000_000_000,
        "int32": -2_000_000_000, "uint64": 2**63, "int64": -(2**62), "float32": 0.5,
        "float64": 0.1, "bool": True, "string": "größer",
    }  # fmt: skip
    for kind, value in values.items():
        getattr(writer, f"add_{kind}")(f"x.{kind}", value)
    writer.add_array("x.numbers", [1, 2, 3])
    writer.add_array("x.words", ["a", "", "größer"])
    writer.add_array("x.flags", [True, False])
    writer.add_array("x.long", list(range(2000)))
    writer.add_array("x.long_words", ["w"] * 2000)
    rows = np.arange(12, dtype=np.float32).reshape(3, 4)
    writer.add_tensor("rows", rows)
    writer.add_tensor("half", np.ones(5, np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()

    header = read_header(path)
    assert header.version == 3
    assert {kind: header.kv[f"x.{kind}"] for kind in values} == values
    assert header.kv["x.numbers"] == [1, 2, 3]
    assert header.kv["x.words"] == ["a", "", "größer"]
    assert header.kv["x.flags"] == [True, False]
    assert header.kv["x.long"] == SkippedArray(hostile.I32, 2000)
    assert header.kv["x.long_words"] == SkippedArray(hostile.STRING, 2000)
    assert header.tensors["rows"].dims == (4, 3)
    np.testing.assert_array_equal(header.tensor_f32("rows"), rows)
    with pytest.raises(VectorFileError, match="not F32"):
        header.tensor_f32("half")
    with pytest.raises(VectorFileError, match="no tensor"):
        header.tensor_f32("other")

    whole = read_header(path, keep_arrays=True)
    assert whole.kv["x.long"] == list(range(2000))
    assert whole.kv["x.long_words"] == ["w"] * 2000


def test_version_2_and_other_alignments_are_read(tmp_path: Path) -> None:
    assert read_header(write(tmp_path, hostile.gguf(version=2))).version == 2
    aligned = hostile.gguf(more=[hostile.u32("general.alignment", 64)], align=64)
    header = read_header(write(tmp_path, aligned))
    assert header.data_offset % 64 == 0
    np.testing.assert_array_equal(header.tensor_f32("direction.2"), np.full(8, 0.5))


def test_text_that_is_not_utf8_does_not_stop_the_reading(tmp_path: Path) -> None:
    header = read_header(write(tmp_path, hostile.gguf(more=[hostile.text("x", b"a\xff")])))
    assert header.kv["x"] == "a\ufffd"


def test_a_long_vocabulary_is_stepped_over_quickly(tmp_path: Path) -> None:
    path = write(tmp_path, hostile.vocabulary(300_000))
    begun = time.process_time()
    header = read_header(path)
    assert time.process_time() - begun < 0.8
    assert header.kv["x.array"] == SkippedArray(hostile.STRING, 300_000)
    assert list(header.tensors) == ["direction.1", "direction.2"]


def test_block_sizes_are_those_of_the_gguf_package() -> None:
    ours = gguf_header._BLOCKS
    known = {int(kind): size for kind, size in gguf.GGML_QUANT_SIZES.items()}
    assert {kind: ours[kind] for kind in ours if kind in known} == {
        kind: known[kind] for kind in known if kind in ours
    }
    # Q8_1 (9) exists only while a matrix is multiplied, never in a file.
    assert {kind for kind in known if kind <= max(ours) and kind not in ours} == {9}


def test_a_file_that_shrinks_after_the_header_was_read(tmp_path: Path) -> None:
    path = write(tmp_path, hostile.GOOD)
    header = read_header(path)
    path.write_bytes(hostile.GOOD[:-40])
    with pytest.raises(VectorFileError, match="shorter"):
        header.tensor_f32("direction.2")
    path.unlink()
    with pytest.raises(VectorFileError):
        header.tensor_f32("direction.1")


def test_tensors_may_share_no_byte_but_may_leave_gaps(tmp_path: Path) -> None:
    gap = [
        hostile.Tensor("direction.1", hostile.row() + bytes(64), dims=[8]),
        hostile.Tensor("direction.2", offset=96),
    ]
    assert len(read_header(write(tmp_path, hostile.gguf(gap))).tensors) == 2


def test_a_type_that_is_not_known_is_listed_without_a_size(tmp_path: Path) -> None:
    odd = hostile.gguf([hostile.Tensor("later", bytes(32), kind=200)])
    header = read_header(write(tmp_path, odd))
    assert header.tensors["later"].nbytes is None
