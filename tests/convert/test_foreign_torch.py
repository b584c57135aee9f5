"""torch's files: plain tensors are read, whatever would run code is refused and never runs."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convert.foreign import read_foreign
from convert.foreign.bind import Imported, bind
from edgesteer.errors import EdgesteerError, VectorFileError
from edgesteer.identity import ModelIdentity

from .foreign_files import N_LAYER, WIDTH, unit

pytestmark = pytest.mark.torch
MODEL = ModelIdentity("llama", N_LAYER, WIDTH, "six")


def imported(path: Path, **how: Any) -> Imported:
    return bind(read_foreign(path), MODEL, **how)


def saved(path: Path, value: Any, **how: Any) -> Path:
    import torch

    torch.save(value, path, **how)
    return path


def row(block: int) -> Any:
    import torch

    return torch.from_numpy(unit(block).copy())


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".bin"])
def test_a_dict_by_layer_is_read(suffix: str, tmp_path: Path) -> None:
    found = imported(saved(tmp_path / f"x{suffix}", {2: row(2), 3: row(3)}))
    assert found.vector.layers == (2, 3)
    np.testing.assert_array_equal(found.vector.directions[3], unit(3))


def test_names_nested_dicts_parameters_and_half_floats_are_read(tmp_path: Path) -> None:
    import torch

    value = OrderedDict(
        vector={"layers.2": torch.nn.Parameter(row(2)), "layers.3": row(3).to(torch.bfloat16)},
        layer=3,
        note="other values are passed over",
    )
    found = imported(saved(tmp_path / "x.pt", value))
    assert found.vector.layers == (2, 3)
    np.testing.assert_array_equal(found.vector.directions[2], unit(2))


def test_stacks_lists_and_single_directions_are_read(tmp_path: Path) -> None:
    import torch

    hidden = torch.stack([row(block) for block in range(-1, N_LAYER)])
    for value in (hidden, list(hidden)):
        found = imported(saved(tmp_path / "x.pt", value))
        assert found.recognised.offset == -1
        np.testing.assert_array_equal(found.vector.directions[4], unit(4))
    found = imported(saved(tmp_path / "x.pt", row(3)), layer=3)
    np.testing.assert_array_equal(found.vector.directions[3], unit(3))


class Harm:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@dataclasses.dataclass
class SteeringVector:
    """As the library steering-vectors saves them."""

    layer_activations: dict[int, Any]


def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(tmp_path: Path) -> None:
    done = tmp_path / "done"
    path = saved(tmp_path / "x.pt", {2: row(2), "harm": Harm(done)})
    with pytest.raises(VectorFileError, match="run code"):
        imported(path)
    assert not done.exists()
    (tmp_path / "y.pt").write_bytes(pickle.dumps(Harm(done)))
    with pytest.raises(VectorFileError, match="no archive"):
        imported(tmp_path / "y.pt")
    assert not done.exists()


def test_a_pickled_steering_vector_gets_its_own_cure(tmp_path: Path) -> None:
    with pytest.raises(VectorFileError) as caught:
        imported(saved(tmp_path / "x.pt", SteeringVector({2: row(2)})))
    assert "layer_activations" in caught.value.hint


def test_files_in_torchs_old_format_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.pt", {2: row(2)}, _use_new_zipfile_serialization=False)
    with pytest.raises(VectorFileError, match=r"1\.6"):
        imported(path)


def test_a_view_that_claims_more_than_it_holds_is_refused(tmp_path: Path) -> None:
    import torch

    path = saved(tmp_path / "x.pt", {2: torch.zeros(1).expand(10**10)})
    assert path.stat().st_size < 10_000
    with pytest.raises(VectorFileError, match="shape"):
        imported(path)


def test_sparse_and_complex_tensors_are_refused(tmp_path: Path) -> None:
    import torch

    for value in (torch.eye(8).to_sparse(), torch.ones(8, dtype=torch.complex64)):
        with pytest.raises(VectorFileError, match="plain tensor"):
            imported(saved(tmp_path / "x.pt", {2: value}))


def test_nesting_without_end_is_refused(tmp_path: Path) -> None:
    value: Any = row(2)
    for _ in range(20):
        value = [value]
    with pytest.raises(VectorFileError, match="nested"):
        imported(saved(tmp_path / "x.pt", value))


def test_any_byte_of_the_pickle_changed_is_read_or_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.pt", {2: row(2)})
    with zipfile.ZipFile(path) as archive:
        members = {item.filename: archive.read(item) for item in archive.infolist()}
    name = next(name for name in members if name.endswith("data.pkl"))
    for place in range(len(members[name])):
        broken = bytearray(members[name])
        broken[place] ^= 0xFF
        with zipfile.ZipFile(path, "w") as archive:
            for member, data in members.items():
                archive.writestr(member, bytes(broken) if member == name else data)
        with contextlib.suppress(EdgesteerError):
            imported(path)


def test_cut_anywhere_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.pt", {2: row(2)})
    data = path.read_bytes()
    for length in range(0, len(data), 97):
        path.write_bytes(data[:length])
        with pytest.raises(VectorFileError):
            imported(path)
