"""`edgesteer models`, `recipes`, `where` and `doctor`, and shell completion."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.shell_completion import ShellComplete
from syrupy.assertion import SnapshotAssertion

from edgesteer import Library, Recipe
from edgesteer.cli import _open, cli
from edgesteer.engine.fake import FakeModel
from edgesteer.proof import prove

from .conftest import Invoke

Opened = list[tuple[str, Mapping[str, Any]]]
Transcript = Callable[..., str]


def test_models(
    transcript: Transcript, tiny_file: Path, invoke: Invoke, snapshot: SnapshotAssertion
) -> None:
    told = [
        transcript("models", "list"),
        transcript("models", "add", str(tiny_file), "--licence", "MIT"),
        transcript("models", "list"),
        transcript("models", "rm", "tiny", "-y"),
        transcript("models", "rm", "tiny", "-y"),
    ]
    assert "\n".join(told) == snapshot
    assert tiny_file.exists()


def test_models_show_json_has_what_scripts_lean_on(invoke: Invoke, tiny_file: Path) -> None:
    shown = json.loads(invoke("models", "show", str(tiny_file), "--json").stdout)
    assert shown["path"] == str(tiny_file)
    assert shown["sha256"] == hashlib.sha256(tiny_file.read_bytes()).hexdigest()
    assert (shown["architecture"], shown["n_layer"], shown["n_embd"]) == ("llama", 4, 8)
    assert "1-3" in invoke("models", "show", str(tiny_file)).stdout


def test_models_add_refuses_what_is_no_model(
    invoke: Invoke, library: Library, tmp_path: Path, vectors: Library
) -> None:
    text = tmp_path / "text.gguf"
    text.write_text("hello")
    vector = vectors.find_vector("calm")
    for file in (str(text), str(vector), "nowhere.gguf", "hf://someone/model.gguf"):
        result = invoke("models", "add", file)
        assert result.exit_code == 1, file
        assert result.stderr.startswith("Error: "), file
    assert library.models() == []


def test_models_rm_names_where_a_cached_model_comes_from(
    invoke: Invoke, tiny_file: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "user" / ".lmstudio" / "models" / "someone"
    folder.mkdir(parents=True)
    os.link(tiny_file, folder / "cached.gguf")
    assert json.loads(invoke("models", "list", "--json").stdout)[0]["source"] == "LM Studio cache"
    result = invoke("models", "rm", "cached", "-y")
    assert result.exit_code == 1
    assert "LM Studio" in result.stderr


def test_recipes(
    vectors: Library, transcript: Transcript, tiny_file: Path, snapshot: SnapshotAssertion
) -> None:
    vectors.add_model(tiny_file)
    save = ("recipes", "save", "calm-nurse", "-m", "tiny", "-s", "calm=1.2@2-3")
    told = [
        transcript("recipes", "list"),
        transcript(*save, "--system", "You are a nurse.", "--temperature", "0.7"),
        transcript(*save),
        transcript("recipes", "list"),
        transcript("recipes", "show", "calm-nurse"),
        transcript("recipes", "show", "calm-nurse", "--llama-args"),
        transcript("recipes", "show", "clam-nurse"),
        transcript("recipes", "rm", "calm-nurse", "-y"),
        transcript("recipes", "list"),
    ]
    assert "\n".join(told) == snapshot


def test_recipes_as_json(vectors: Library, invoke: Invoke) -> None:
    vectors.save_recipe(Recipe("plain"))
    (vectors.recipes_folder / "broken.toml").write_text("format = 2\nname = 'broken'\n")
    broken, plain = json.loads(invoke("recipes", "list", "--json").stdout)
    assert "format 2" in broken["problem"]
    assert plain["terms"] == []
    assert json.loads(invoke("recipes", "show", "plain", "--json").stdout) == plain
    assert invoke("recipes", "show", "broken").exit_code == 1


def test_recipes_rm_asks(vectors: Library, invoke: Invoke) -> None:
    vectors.save_recipe(Recipe("plain"))
    assert invoke("recipes", "rm", "plain", input="\n").exit_code == 130
    assert vectors.recipe_names() == ["plain"]


def test_where(invoke: Invoke, library: Library) -> None:
    shown = json.loads(invoke("where", "--json").stdout)
    paths = {place["what"]: place["path"] for place in shown["paths"]}
    assert paths["vectors"] == str(library.vectors_folder)
    assert shown["EDGESTEER_HOME"] == str(library.home)
    assert str(library.recipes_folder) in invoke("where").stdout
    assert not library.home.exists()


# doctor -----------------------------------------------------------------------------------------


def test_doctor_proves_that_steering_acts(opened: Opened, invoke: Invoke) -> None:
    result = invoke("doctor")
    assert result.exit_code == 0
    assert result.stdout.endswith("STEERING WORKS\n")
    found = json.loads(invoke("doctor", "--json").stdout)
    assert found["ok"]
    assert [check["ok"] for check in found["proof"]["checks"]] == [True, True]
    assert found["versions"]["numpy"] == np.__version__
    model = found["model"]
    assert (model["n_layer"], model["steerable_layers"], model["n_embd"]) == (4, [1, 3], 8)
    assert model["chat_template"] is True
    assert type(found["backend"]["gpu"]) is bool
    assert not [key for part in ("model", "backend") for key in found[part] if " " in key]
    assert "can be steered    layers 1-3\n" in result.stdout


class Deaf(FakeModel):
    """Hears no steering, as some architectures do."""

    def logits(self, tokens: Any, steer: Any = None, *, first: int = 0, **_: Any) -> Any:
        return super().logits(tokens, None, first=first)


def test_doctor_says_when_steering_does_nothing(
    monkeypatch: pytest.MonkeyPatch, invoke: Invoke
) -> None:
    monkeypatch.setattr(_open, "open_model", lambda name, options, library: Deaf(library=library))
    result = invoke("doctor")
    assert result.exit_code == 1
    assert result.stdout.endswith("STEERING DOES NOT WORK\n")
    assert not json.loads(invoke("doctor", "--json").stdout)["ok"]
    assert not prove(Deaf()).works


def test_doctor_without_a_model_still_shows_versions(invoke: Invoke) -> None:
    result = invoke("doctor", "nowhere")
    assert result.exit_code == 1
    assert "llama-cpp-python" in result.stdout
    assert "Error: no model 'nowhere'" in result.stderr
    assert "Hint: " in result.stderr


# completion -------------------------------------------------------------------------------------


def complete(*args: str, word: str = "") -> list[str]:
    completer = ShellComplete(cli, {}, "edgesteer", "_EDGESTEER_COMPLETE")
    return [item.value for item in completer.get_completions(list(args), word)]


def test_completion_of_names(vectors: Library, tiny_file: Path) -> None:
    vectors.save_recipe(Recipe("nurse"))
    vectors.add_model(tiny_file)
    assert complete("vectors", "show", word="c") == ["calm"]
    assert complete("run", "-s", word="ca") == ["calm", "cautious"]  # a trait is made when needed
    assert complete("run", "-s", word="calm=1 f") == ["calm=1 formal", "calm=1 french"]
    assert complete("run", "-s", word="calm=1") == []
    assert complete("run", "-m", word="t") == ["tiny"]
    assert complete("chat", "-r", word="n") == ["nurse"]
    assert complete("recipes", "rm", word="n") == ["nurse"]
    assert complete("extract", word="cal") == ["calm"]
    assert complete(word="do") == ["doctor"]


def test_completion_says_nothing_when_the_library_is_broken(library: Library) -> None:
    library.home.mkdir()
    library.models_file.write_text("{")
    assert complete("run", "-m", word="") == []
