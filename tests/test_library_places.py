"""Where the library keeps vectors of one name, what it removes, how recipes name files."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgesteer import ControlVector, InputError, Library, ModelIdentity, Recipe, Steering, names
from edgesteer.errors import VectorFileError

LLAMA = ModelIdentity("llama", 4, 2, "Little Llama")
QWEN = ModelIdentity("qwen2", 4, 2, "Qwen 2.5")
CALM = ControlVector({1: [1.0, 0.0]}, LLAMA, name="calm")


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """An empty library."""
    return Library(tmp_path / "home")


def test_vectors_of_models_with_one_file_name_do_not_replace_each_other(library: Library) -> None:
    made = [
        CALM.with_(model=ModelIdentity("llama", 4, 2, "Twin", digit * 64)).scaled(scale)
        for digit, scale in (("a", 1.0), ("b", 2.0), ("c", 3.0))
    ]
    paths = [library.save_vector(vector, "calm", replace=True) for vector in made]
    assert [path.parent.name for path in paths] == ["vectors", "Twin-bbbbbbbb", "Twin-cccccccc"]
    assert [library.load_vector("calm", v.model).digest for v in made] == [v.digest for v in made]
    unnamed = [CALM.with_(model=ModelIdentity("llama", n, 2, "Big")) for n in (5, 6)]
    places = [library.save_vector(vector, "calm", replace=True) for vector in unnamed]
    assert [path.parent.name for path in places] == ["Big", "Big-2"]


def test_a_vector_is_saved_again_where_it_is_found(library: Library) -> None:
    library.save_vector(CALM, "calm")
    theirs = CALM.with_(model=QWEN)
    old = library.vectors_folder / "some-folder" / "calm.gguf"
    old.parent.mkdir()
    theirs.save(old)
    assert library.save_vector(theirs.scaled(2.0), "calm", replace=True) == old
    library.rm_vector("calm")
    assert library.save_vector(theirs.scaled(3.0), "calm", replace=True) == old
    assert library.load_vector("calm", QWEN).directions[1].tolist() == [3.0, 0.0]
    with pytest.raises(InputError):
        library.save_vector(theirs, "calm")


def test_a_damaged_file_does_not_hide_the_one_that_fits(library: Library) -> None:
    library.vectors_folder.mkdir(parents=True)
    (library.vectors_folder / "calm.gguf").write_bytes(b"GGUF")
    with pytest.raises(VectorFileError):
        library.find_vector("calm", LLAMA)
    path = library.save_vector(CALM, "calm", replace=True)
    assert library.find_vector("calm", LLAMA) == path
    assert library.save_vector(CALM, "calm", replace=True) == path


def test_a_folder_is_no_vector(library: Library) -> None:
    (library.vectors_folder / "0b.gguf").mkdir(parents=True)
    assert library.vector_names() == []
    assert library.vectors() == []
    path = library.save_vector(CALM, "0b")
    assert library.find_vector("0b") == path


@pytest.mark.parametrize("way", ["folder/../../mine.gguf", "../mine.gguf", "linked/mine.gguf"])
def test_only_files_of_the_library_are_removed(way: str, library: Library) -> None:
    (library.vectors_folder / "folder").mkdir(parents=True)
    mine = library.home / "mine.gguf"
    CALM.save(mine)
    (library.vectors_folder / "linked").symlink_to(library.home)
    with pytest.raises(InputError):
        library.rm_vector(str(library.vectors_folder / way))
    assert mine.exists()
    inside = library.save_vector(CALM, "calm")
    library.rm_vector(str(library.vectors_folder / "folder" / ".." / "calm.gguf"))
    assert not inside.exists()


def test_a_saved_recipe_names_the_files_of_gates_and_planes_in_full(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    CALM.save("mine.gguf")
    steering = Steering.parse("rotate:calm=30?toward=mine.gguf calm=1?if=mine.gguf>0.3")
    library.save_recipe(Recipe("x", steering=steering))
    turned, gated = library.load_recipe("x").steering
    assert turned.toward == str(tmp_path / "mine.gguf")
    assert gated.gate is not None
    assert gated.gate.vector == str(tmp_path / "mine.gguf")


@pytest.mark.parametrize("name", ["con", "NUL", "aux.v2", "Com1", "lpt9.x.y", "prn", "con .x"])
def test_names_of_devices_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="can not be the name") as caught:
        names.check_file_name(name, "vector")
    assert "Windows" in caught.value.hint


def test_names_that_only_begin_like_a_device_are_fine() -> None:
    for name in ("console", "calm.con", "com10", "lpt", "auxiliary.v2"):
        assert names.check_file_name(name, "vector") == name
