"""The names of models: several for one file, bundled ones, names that are taken."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgesteer import InputError, Library
from edgesteer.model_places import BundledModel, cache_folders

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


def ollama_model(store: Path, name: str, digest: str, kind: str = "model") -> Path:
    """A manifest of an Ollama store, and the blob that it names."""
    manifest = store / "manifests" / name
    manifest.parent.mkdir(parents=True, exist_ok=True)
    layers = [
        {"mediaType": "application/vnd.ollama.image.template", "digest": f"sha256:{'0' * 64}"},
        {"mediaType": f"application/vnd.ollama.image.{kind}", "digest": f"sha256:{digest}"},
    ]
    manifest.write_text(json.dumps({"schemaVersion": 2, "layers": layers}))
    return model_file(store / "blobs" / f"sha256-{digest}")


def test_models_of_ollama(library: Library, tmp_path: Path) -> None:
    store = tmp_path / "ollama"
    library.caches = cache_folders({"OLLAMA_MODELS": str(store)}, tmp_path)
    assert library.caches["Ollama"] == (store,)
    assert cache_folders({}, tmp_path)["Ollama"] == (tmp_path / ".ollama" / "models",)
    one = ollama_model(store, "registry.ollama.ai/library/llama3.2/1b", "a" * 64)
    ollama_model(store, "registry.ollama.ai/library/llama3.2/latest", "a" * 64)
    two = ollama_model(store, "registry.ollama.ai/someone/tiny/q4", "b" * 64)
    ollama_model(store, "hf.co/someone/tiny-GGUF/Q8_0", "c" * 64)
    ollama_model(store, "registry.ollama.ai/library/no/weights", "d" * 64, "tensor")
    ollama_model(store, "registry.ollama.ai/library/no/blob", "e" * 64).unlink()
    ollama_model(store, "registry.ollama.ai/library/out/side", "../../../f")
    for number, text in enumerate(("{", "[]", "3", '{"layers": [3]}', '{"layers": [{}]}')):
        (store / "manifests/registry.ollama.ai/library/no" / str(number)).write_text(text)
    names = [entry.name for entry in library.models()]
    assert sorted(names) == [
        *("boxed", "hf.co/someone/tiny-GGUF:Q8_0", "llama3.2:1b", "llama3.2:latest"),
        "someone/tiny:q4",
    ]
    found = library.find_model("llama3.2:1b")
    assert (found.path, found.source) == (one, "Ollama cache")
    assert library.find_model("llama3.2:latest").path == one
    assert library.find_model("someone/tiny:q4").path == two
    library.add_model(one, "mine")
    assert library.find_model("mine").path == library.find_model("llama3.2:1b").path
