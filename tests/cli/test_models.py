"""`edgesteer models add` and `rm`: what they refuse, and when they ask."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from edgesteer import Library

from .conftest import Invoke


def test_models_add_asks_for_force(invoke: Invoke, library: Library, tiny_file: Path) -> None:
    other = tiny_file.with_name("other.gguf")
    other.write_bytes(tiny_file.read_bytes())
    assert invoke("models", "add", str(tiny_file), "--name", "mine").exit_code == 0
    refused = invoke("models", "add", str(other), "--name", "mine")
    assert refused.exit_code == 1
    assert "--force" in refused.stderr
    broken = tiny_file.with_name("broken.gguf")
    broken.write_bytes(b"GGUF" + bytes(20))
    assert invoke("models", "add", str(broken), "--name", "mine", "--force").exit_code == 1
    assert library.find_model("mine").path == tiny_file
    assert invoke("models", "add", str(other), "--name", "mine", "--force").exit_code == 0
    assert library.find_model("mine").path == other


def test_models_add_writes_nothing_before_the_file_is_read(
    invoke: Invoke, library: Library, tiny_file: Path
) -> None:
    broken = tiny_file.with_name("broken.gguf")
    broken.write_bytes(b"GGUF" + bytes(20))
    result = invoke("models", "add", str(broken))
    assert result.exit_code == 1
    assert not library.home.exists()


def test_models_show_does_without_its_memory_of_checksums(
    invoke: Invoke, library: Library, tiny_file: Path
) -> None:
    library.home.mkdir()
    library.cache.write_text("a file where the folder should be")
    shown = json.loads(invoke("models", "show", str(tiny_file), "--json").stdout)
    assert shown["sha256"] == hashlib.sha256(tiny_file.read_bytes()).hexdigest()
    library.cache.unlink()
    library.cache.mkdir()
    (library.cache / "sha256.json").write_text("{")
    assert invoke("models", "show", str(tiny_file)).exit_code == 0


def test_models_rm_does_not_ask_in_vain(invoke: Invoke, library: Library, tiny_file: Path) -> None:
    result = invoke("models", "rm", "nope", input="y\n")
    assert "no model 'nope'" in result.stderr
    assert "forget" not in result.stderr
    library.add_model(tiny_file, "mine")
    result = invoke("models", "rm", "mine", input="")
    assert result.exit_code == 1
    assert "-y" in result.stderr
    assert invoke("models", "rm", "mine", input="n\n").exit_code == 130
    assert invoke("models", "rm", "mine", input="y\n").exit_code == 0
    assert library.models() == []
