"""Requantised files: of the same model, written whole or not at all, refused with a cure."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from edgesteer.engine import requantise as writer
from edgesteer.engine.requantise import copy_size, requantise
from edgesteer.errors import FileWriteError, InputError, ModelError
from edgesteer.gguf_header import F32, read_header
from edgesteer.identity import read_model_identity
from edgesteer.tune import format_of
from edgesteer.working_copy import FORMATS

from ..tiny import write_model


@pytest.mark.parametrize("name", FORMATS)
def test_a_copy_is_of_the_same_model(name: str, tiny_path: Path, tmp_path: Path) -> None:
    path = requantise(tiny_path, tmp_path / f"{name}.gguf", name)
    identity = read_model_identity(path)
    assert identity == read_model_identity(tiny_path)
    assert identity.weights_id
    header = read_header(path)
    assert (
        header.kv["tokenizer.chat_template"] == read_header(tiny_path).kv["tokenizer.chat_template"]
    )
    assert {info.type for info in header.tensors.values() if len(info.dims) == 1} == {F32}
    assert format_of(path) == name
    assert path.stat().st_size == pytest.approx(copy_size(tiny_path, name), rel=0.1)


def test_what_can_not_be_written_is_refused(
    tiny_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    narrow = write_model(tmp_path / "narrow.gguf", n_embd=8, n_head=2)
    text = tmp_path / "text.gguf"
    text.write_text("no model at all, but long enough")
    with pytest.raises(InputError, match="q8_1") as caught:
        requantise(tiny_path, folder / "a.gguf", "q8_1")
    assert "Did you mean q8_0" in caught.value.hint
    with pytest.raises(InputError, match="widths that 32 divides"):
        requantise(narrow, folder / "a.gguf", "q8_0")
    with pytest.raises(ModelError):
        requantise(text, folder / "a.gguf", "q8_0")
    with pytest.raises(FileWriteError):
        requantise(tiny_path, tmp_path / "nowhere" / "a.gguf", "q8_0")
    monkeypatch.setattr(writer.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(FileWriteError, match="needs 0 MB") as caught:
        requantise(tiny_path, folder / "a.gguf", "q8_0")
    assert "free some space" in caught.value.hint
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("end", [1, KeyboardInterrupt])
def test_half_a_copy_does_not_stay(
    end: int | type[BaseException], tiny_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()

    def half(_source: bytes, target: bytes, _params: object) -> int:
        Path(target.decode()).write_bytes(tiny_path.read_bytes()[:5000])
        if isinstance(end, int):
            return end
        raise end

    monkeypatch.setattr(writer.C, "llama_model_quantize", half)
    with pytest.raises((ModelError, KeyboardInterrupt)):
        requantise(tiny_path, folder / "a.gguf", "q8_0")
    assert list(folder.iterdir()) == []
