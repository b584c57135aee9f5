"""Activations: what is saved comes back, and a damaged or hostile file is refused."""

from __future__ import annotations

import contextlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convert.activations import Activations
from edgesteer.errors import FileWriteError, InputError, NotFoundError
from edgesteer.identity import ModelIdentity

MODEL = ModelIdentity("llama", 4, 8, "tiny", "ab12")


def make(n: int = 6) -> Activations:
    rows = np.random.default_rng(0).normal(size=(n, 3, 8)).astype(np.float32)
    plain = Activations.of(rows, (1, 2, 3), MODEL, capture="torch float32", n_tokens=range(n))
    return plain.signed(np.tile(np.array([1, -1], np.int8), n // 2), "feed")


def test_a_saved_file_comes_back(tmp_path: Path) -> None:
    made = make()
    made.save(tmp_path / "a.npz")
    back = Activations.load(tmp_path / "a.npz")
    for name in ("rows", "signs", "n_tokens", "owners"):
        assert np.array_equal(getattr(back, name), getattr(made, name))
        assert getattr(back, name).dtype == getattr(made, name).dtype
    for name in ("layers", "positions", "model", "capture", "source"):
        assert getattr(back, name) == getattr(made, name)
    assert [file.name for file in tmp_path.iterdir()] == ["a.npz"]


def test_signs_part_the_rows() -> None:
    made = make()
    assert np.array_equal(made.positive, made.rows[0::2])
    assert np.array_equal(made.negative, made.rows[1::2])
    assert len(made.slice(2, 6)) == 4


def test_rows_do_not_change() -> None:
    with pytest.raises(ValueError, match="read-only"):
        make().rows[0] = 0


def test_residual_norms_are_medians_by_layer() -> None:
    made = make()
    expected = np.median(np.linalg.norm(made.rows[:, 1], axis=1))
    assert made.residual_norms()[2] == pytest.approx(float(expected))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"rows": np.zeros((6, 3, 8))}, "float64"),
        ({"rows": np.zeros((6, 24), np.float32)}, "not float32"),
        ({"rows": np.zeros((0, 3, 8), np.float32)}, "no rows"),
        ({"rows": np.full((6, 3, 8), np.nan, np.float32)}, "not finite"),
        ({"rows": np.zeros((6, 3, 7), np.float32)}, "7 wide"),
        ({"layers": (1, 2)}, "numbered"),
        ({"layers": (3, 2, 1)}, "numbered"),
        ({"layers": (2, 3, 4)}, "layer 4 of a model with 4 layers"),
        ({"signs": np.zeros(5, np.int8)}, "signs does not hold"),
    ],
)
def test_values_that_disagree_are_refused(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        Activations(**{**vars(make()), **change})


def npz(path: Path, **changes: Any) -> Path:
    """A saved file with some members replaced (None: left out)."""
    make().save(path)
    with np.load(path) as file:
        members = {**file, **changes}
    np.savez(path, **{name: value for name, value in members.items() if value is not None})
    return path


def header(**changes: Any) -> np.ndarray[Any, Any]:
    facts = {
        "format": 1,
        "positions": "last",
        "capture": "torch",
        "model": MODEL.to_dict(),
        "source": "",
    }
    return np.frombuffer(json.dumps({**facts, **changes}).encode(), np.uint8)


HOSTILE: dict[str, dict[str, Any]] = {
    "pickle": {"signs": np.array([{}, 1], dtype=object)},
    "missing": {"signs": None},
    "extra": {"other": np.zeros(3)},
    "dtype": {"rows": np.zeros((6, 3, 8))},
    "layers dtype": {"layers": np.array([1.0, 2.0, 3.0])},
    "layers shape": {"layers": np.array([[1, 2], [3, 4]], np.int32)},
    "shape": {"owners": np.zeros(99, np.int32)},
    "nan": {"rows": np.full((6, 3, 8), np.inf, np.float32)},
    "header not json": {"header": np.frombuffer(b"{", np.uint8)},
    "header not utf-8": {"header": np.frombuffer(b"\xff", np.uint8)},
    "header too deep": {"header": np.frombuffer(b"[" * 100_000, np.uint8)},
    "header list": {"header": np.frombuffer(b"[]", np.uint8)},
    "newer": {"header": header(format=2)},
    "positions": {"header": header(positions=3)},
    "no model": {"header": header(model=3)},
    "empty model": {"header": header(model={})},
    "model": {"header": header(model={**MODEL.to_dict(), "n_layer": -1})},
}


@pytest.mark.parametrize("changes", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_files_are_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    file = npz(tmp_path / "a.npz", **changes)
    with pytest.raises(InputError, match=r"a\.npz holds no activations"):
        Activations.load(file)


def test_a_packed_file_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    file = tmp_path / "a.npz"
    make().save(file)
    with np.load(file) as members:
        np.savez_compressed(file, **{**members, "rows": np.zeros((6, 3, 10**6), np.float32)})
    with pytest.raises(InputError, match="larger than the file"):
        Activations.load(file)


def test_a_length_beyond_the_file_is_refused(tmp_path: Path) -> None:
    made = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        made, {"descr": "<f4", "fortran_order": False, "shape": (10**12, 3, 8)}
    )
    file = tmp_path / "a.npz"
    make().save(file)
    with zipfile.ZipFile(file) as old:
        members = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(file, "w") as new:
        for name, data in {**members, "rows.npy": made.getvalue()}.items():
            new.writestr(name, data)
    with pytest.raises(InputError, match="holds no activations"):
        Activations.load(file)


def test_damaged_bytes_never_crash(tmp_path: Path) -> None:
    whole = make().save(tmp_path / "whole.npz").read_bytes()
    random = np.random.default_rng(7)
    for trial in range(400):
        data = bytearray(whole)
        for at in random.integers(0, len(data), size=4):
            data[at] = int(random.integers(0, 256))
        file = tmp_path / "a.npz"
        file.write_bytes(data if trial % 4 else data[: int(random.integers(0, len(data)))])
        with contextlib.suppress(InputError):
            Activations.load(file)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        Activations.load(tmp_path / "gone.npz")


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: Any) -> None:
    file = make().save(tmp_path / "a.npz")
    before = file.read_bytes()

    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", interrupted)
    with pytest.raises(KeyboardInterrupt):
        make(4).save(file)
    assert file.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == ["a.npz"]
    with pytest.raises(FileWriteError):
        make().save(tmp_path / "gone" / "a.npz")
