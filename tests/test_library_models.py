"""The names of models: several for one file, bundled ones, names that are taken."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgesteer import InputError, Library
from edgesteer.model_places import BundledModel

GGUF = b"GGUF" + bytes(28)


def model_file(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(GGUF + path.name.encode())
    return path


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Library:
    """An empty library on a machine with one bundled model, `boxed`."""
    folder = tmp_path / "site" / "boxed_model"
    model_file(folder / "boxed.gguf")
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    known = BundledModel("boxed", "Boxed", "boxed-model", "boxed_model", "boxed.gguf", "", "MIT")
    monkeypatch.setattr("edgesteer.library_models.bundled_models", lambda: (known,))
    found = Library(tmp_path / "home")
    found.caches = {"Other": (tmp_path / "other",)}
    return found


def test_a_file_keeps_all_its_names(library: Library, tmp_path: Path) -> None:
    file = model_file(tmp_path / "other" / "m.gguf")
    library.add_model(file, "zed")
    library.add_model(file, "abc")
    assert [entry.name for entry in library.models()] == ["abc", "zed", "boxed"]
    assert library.find_model("zed").path == library.find_model("abc").path == file
    library.rm_model("abc")
    assert library.find_model("zed").path == file


def test_a_bundled_name_is_kept(library: Library, tmp_path: Path) -> None:
    bundled = library.find_model("boxed").path
    library.add_model(bundled, "mine")
    assert {entry.name for entry in library.models()} == {"mine", "boxed"}
    other = model_file(tmp_path / "m.gguf")
    for file in (bundled, other):
        with pytest.raises(InputError, match="package") as caught:
            library.add_model(file, "boxed", replace=True)
        assert "--name" in caught.value.hint
    assert library.find_model("boxed").path == bundled


def test_a_name_of_another_file_is_replaced_when_asked(library: Library, tmp_path: Path) -> None:
    first, second = model_file(tmp_path / "a.gguf"), model_file(tmp_path / "b.gguf")
    library.add_model(first, "mine")
    library.add_model(first, "mine", "MIT")
    with pytest.raises(InputError) as caught:
        library.add_model(second, "mine")
    assert "--force" in caught.value.hint
    assert library.add_model(second, "mine", replace=True) == library.find_model("mine")
    assert library.find_model("mine").path == second
