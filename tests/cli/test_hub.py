"""`edgesteer models add hf://...`: what is asked of the hub, what is kept, what is refused.

The hub is a function that stands in for its own: no test uses the network.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edgesteer import Library
from edgesteer.errors import InputError
from edgesteer.hub import HubFile

from .conftest import Invoke

COMMIT = "0123456789abcdef0123456789abcdef01234567"
URI = "hf://someone/tiny-GGUF/q8/tiny.gguf"
Asked = list[tuple[str, str, str]]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tiny_file: Path, tmp_path: Path) -> Asked:
    """Answers with the tiny model, in a cache laid out as the hub's; what was asked is listed."""
    asked: Asked = []

    def download(repo: str, file: str, *, revision: str) -> str:
        asked.append((repo, file, revision))
        root = tmp_path / "hub"
        blob = root / "blobs" / hashlib.sha256(tiny_file.read_bytes()).hexdigest()
        path = root / "snapshots" / COMMIT / file
        for place in (blob, path):
            place.parent.mkdir(parents=True, exist_ok=True)
        if not blob.exists():
            shutil.copy(tiny_file, blob)
        path.symlink_to(blob)
        return str(path)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    return asked


def failing(error: Exception) -> Callable[..., str]:
    def download(*_args: Any, **_how: Any) -> str:
        raise error

    return download


def test_a_model_is_fetched_registered_and_told_by_commit_and_hash(
    hub: Asked, invoke: Invoke, library: Library, tiny_file: Path
) -> None:
    result = invoke("models", "add", URI, "--name", "mine", "--licence", "MIT")
    assert result.exit_code == 0
    assert hub == [("someone/tiny-GGUF", "q8/tiny.gguf", "main")]
    sha256 = hashlib.sha256(tiny_file.read_bytes()).hexdigest()
    assert f"hf://someone/tiny-GGUF@{COMMIT}/q8/tiny.gguf, sha256 {sha256}" in result.stderr
    entry = library.find_model("mine")
    assert entry.path.read_bytes() == tiny_file.read_bytes()
    assert (entry.sha256, entry.licence) == (sha256, "MIT")
    assert entry.source == f"hf://someone/tiny-GGUF@{COMMIT}/q8/tiny.gguf"
    shown = json.loads(invoke("models", "show", "mine", "--json").stdout)
    assert (shown["sha256"], shown["source"]) == (sha256, entry.source)
    library.add_model(tiny_file, "other")  # what is known of one outlives another one
    assert Library().find_model("mine").sha256 == sha256


def test_a_file_that_changed_since_is_told(
    hub: Asked, invoke: Invoke, library: Library, tiny_file: Path
) -> None:
    invoke("models", "add", URI, "--name", "mine")
    with library.find_model("mine").path.open("ab") as file:
        file.write(bytes(32))
    assert "changed since it was fetched" in invoke("models", "show", "mine").stderr
    assert "changed" not in invoke("models", "show", str(tiny_file)).stderr


def test_all_parts_and_a_revision_are_asked_for(hub: Asked, invoke: Invoke) -> None:
    uri = "hf://someone/big@v2/big-00001-of-00003.gguf"
    invoke("models", "add", uri)
    assert hub == [("someone/big", f"big-0000{n}-of-00003.gguf", "v2") for n in (1, 2, 3)]


def test_offline_asks_nothing(hub: Asked, invoke: Invoke, library: Library) -> None:
    result = invoke("models", "add", URI, "--offline")
    assert result.exit_code == 1
    assert "Hint: leave out --offline" in result.stderr
    assert hub == []
    assert not library.home.exists()


def test_bytes_that_the_hub_does_not_list_are_refused(
    hub: Asked, invoke: Invoke, library: Library, tmp_path: Path, tiny_file: Path
) -> None:
    blob = tmp_path / "hub" / "blobs" / hashlib.sha256(tiny_file.read_bytes()).hexdigest()
    blob.parent.mkdir(parents=True)
    blob.write_bytes(tiny_file.read_bytes()[:-1] + b"\1")
    result = invoke("models", "add", URI)
    assert result.exit_code == 1
    assert "is damaged" in result.stderr
    assert library.models() == []


def test_what_the_hub_answers_gets_a_cure(
    invoke: Invoke, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import errors

    def made(kind: Any) -> Exception:
        answer = SimpleNamespace(status_code=404, headers={}, request=None)
        error: Exception = kind("no such thing\nand more", response=answer)
        return error

    cases = [
        (made(errors.RepositoryNotFoundError), "has no someone/tiny-GGUF"),
        (made(errors.GatedRepoError), "accept them"),
        (made(errors.RemoteEntryNotFoundError), "has no file q8/tiny.gguf"),
        (made(errors.RevisionNotFoundError), "at main"),
        (made(errors.HfHubHTTPError), "could not be fetched: no such thing"),
        (errors.LocalEntryNotFoundError("no connection"), "could not be fetched"),
        (errors.OfflineModeIsEnabled("HF_HUB_OFFLINE is set"), "could not be fetched"),
        (OSError(28, "No space left on device"), "space on the disk"),
    ]
    for error, told in cases:
        monkeypatch.setattr("huggingface_hub.hf_hub_download", failing(error))
        result = invoke("models", "add", URI)
        assert result.exit_code == 1, error
        assert told in result.stderr, error
        assert "Hint: " in result.stderr
    assert library.models() == []


@pytest.mark.parametrize(
    "text",
    [
        "hf://owner/file.gguf",
        "hf://owner/repo/file.safetensors",
        "hf://owner/repo/../../x.gguf",
        "hf://owner/repo/a?b.gguf",
        "hf://",
        "hf://owner/repo/.gguf#",
    ],
)
def test_what_names_no_file_on_the_hub_is_refused(text: str, invoke: Invoke) -> None:
    with pytest.raises(InputError, match="names no GGUF"):
        HubFile.parse(text)
    assert invoke("models", "add", text).exit_code == 1


def test_other_addresses_are_not_fetched(invoke: Invoke) -> None:
    result = invoke("models", "add", "https://example.org/x.gguf")
    assert result.exit_code == 1
    assert "only hf:// is fetched" in result.stderr


def test_the_form_comes_back() -> None:
    file = HubFile("someone/tiny.v1", "folder/x.gguf", "v1")
    assert HubFile.parse(str(file)) == file
    assert HubFile.parse("hf://a/b/c/d.gguf") == HubFile("a/b", "c/d.gguf", "main")
