"""Hostile and broken files: each is refused, with a cure, at once, and without much memory."""

from __future__ import annotations

import contextlib
import os
import time
import tracemalloc
from pathlib import Path

import pytest

from edgesteer.errors import NotFoundError, VectorFileError
from edgesteer.gguf_file import load_vector
from edgesteer.gguf_header import read_header

from ..hostile import CASES, GOOD, WIDTH, gguf, operation, own

MEGABYTE = 1 << 20


def write(folder: Path, data: bytes, name: str = "theirs") -> Path:
    path = folder / f"{name}.gguf"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("name", CASES)
def test_refused_with_a_cure(name: str, tmp_path: Path) -> None:
    path = write(tmp_path, CASES[name])
    load_vector(write(tmp_path, GOOD, "good"))  # imports are done before the clock starts
    tracemalloc.start()
    begun = time.process_time()
    with pytest.raises(VectorFileError) as caught:
        load_vector(path)
    took = time.process_time() - begun
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert str(path) in caught.value.message
    assert caught.value.hint
    assert caught.value.message.isprintable(), "a file must not write control characters"
    assert len(caught.value.message) < 400 + len(str(path))
    assert took < 1.0
    assert peak < 4 * MEGABYTE


def test_the_good_file_is_good(tmp_path: Path) -> None:
    vector = load_vector(write(tmp_path, GOOD))
    assert vector.layers == (1, 2)
    assert vector.n_embd == WIDTH
    assert load_vector(write(tmp_path, own())).name == ""
    assert load_vector(write(tmp_path, gguf(more=operation("add")))).layers == (1, 2)


@pytest.mark.parametrize("length", range(0, len(GOOD), 7))
def test_cut_anywhere_is_refused(length: int, tmp_path: Path) -> None:
    with pytest.raises(VectorFileError):
        load_vector(write(tmp_path, GOOD[:length]))


def test_any_byte_changed_is_read_or_refused_never_more(tmp_path: Path) -> None:
    data = own()
    for place in range(data.index(b"direction.2") + 40):
        for bits in (0x01, 0x80, 0xFF):
            broken = bytearray(data)
            broken[place] ^= bits
            path = write(tmp_path, bytes(broken))
            with contextlib.suppress(VectorFileError):
                load_vector(path)


def test_a_folder_and_a_pipe_are_refused(tmp_path: Path) -> None:
    with pytest.raises(VectorFileError, match="folder"):
        load_vector(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.gguf")
        with pytest.raises(VectorFileError, match="regular"):
            load_vector(tmp_path / "pipe.gguf")


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError) as caught:
        read_header(tmp_path / "none.gguf")
    assert caught.value.hint
    with pytest.raises(VectorFileError):
        read_header(tmp_path / "a\0b.gguf")
