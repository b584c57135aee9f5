"""write_atomic: all or nothing, also when the disk is full."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import NoReturn

import pytest

from edgesteer.atomic import write_atomic
from edgesteer.errors import FileWriteError
from edgesteer.vector import ControlVector

OLD = "what was here before"


def no_space(*args: object) -> NoReturn:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def only_the_old_file(folder: Path) -> bool:
    return [path.name for path in folder.iterdir()] == ["x.gguf"]


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "x.gguf"
    path.write_text(OLD, encoding="utf-8")
    return path


@pytest.mark.parametrize("content", ["größer\n", b"\0\1", lambda temp: temp.write_text("by hand")])
def test_content_of_every_kind(old: Path, content: object) -> None:
    assert write_atomic(str(old), content) == old  # type: ignore[arg-type]
    expected = {str: "größer\n", bytes: "\0\1"}.get(type(content), "by hand")
    assert old.read_text(encoding="utf-8") == expected
    assert only_the_old_file(old.parent)


@pytest.mark.parametrize("call", ["fsync", "open"])
def test_full_disk_leaves_the_old_file(
    old: Path, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, call, no_space)
    with pytest.raises(FileWriteError, match="No space left") as caught:
        write_atomic(old, "new")
    monkeypatch.undo()
    assert "free some space" in caught.value.hint
    assert old.read_text(encoding="utf-8") == OLD
    assert only_the_old_file(old.parent)


def test_full_disk_while_a_vector_is_saved(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import gguf

    vector = ControlVector({1: [1.0, 2.0]})
    monkeypatch.setattr(gguf.GGUFWriter, "write_tensors_to_file", no_space)
    with pytest.raises(FileWriteError, match="No space left"):
        vector.save(old)
    assert old.read_text(encoding="utf-8") == OLD
    assert only_the_old_file(old.parent)


def test_a_failing_writer_passes_its_own_error_on(old: Path) -> None:
    def fail(temp: Path) -> None:
        temp.write_text("half", encoding="utf-8")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomic(old, fail)
    assert old.read_text(encoding="utf-8") == OLD
    assert only_the_old_file(old.parent)


def test_the_rename_comes_after_the_sync(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    sync = os.fsync

    def watched(handle: int) -> None:
        seen.append(old.read_text(encoding="utf-8"))
        sync(handle)

    monkeypatch.setattr(os, "fsync", watched)
    write_atomic(old, "new")
    assert seen[0] == OLD


@pytest.mark.parametrize("place", ["no/such/folder/x", ".", "x.gguf/y"])
def test_places_that_can_not_be_written(old: Path, place: str) -> None:
    with pytest.raises(FileWriteError) as caught:
        write_atomic(old.parent / place, "new")
    assert caught.value.hint
    assert only_the_old_file(old.parent)


@pytest.mark.skipif(os.name != "posix", reason="modes and links are POSIX")
def test_mode_is_kept_and_links_are_followed(old: Path) -> None:
    old.chmod(0o640)
    link = old.parent / "link"
    link.symlink_to(old)
    write_atomic(link, "new")
    assert link.is_symlink()
    assert old.read_text(encoding="utf-8") == "new"
    assert stat.S_IMODE(old.stat().st_mode) == 0o640
    fresh = write_atomic(old.parent / "fresh", "new")
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(fresh.stat().st_mode) == 0o666 & ~mask


def test_a_long_name_still_has_room_for_the_temporary_one(tmp_path: Path) -> None:
    name = "n" * 250
    assert write_atomic(tmp_path / name, "x").read_text(encoding="utf-8") == "x"
