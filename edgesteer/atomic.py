"""Writing a file so that it is either complete or as it was: temp file, fsync, rename.

Does not know what is written.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path

from edgesteer.errors import FileWriteError

__all__ = ["check_place", "write_atomic"]

_HINTS = {
    errno.ENOSPC: "the disk is full: free some space and try again",
    errno.EDQUOT: "your disk quota is used up: free some space and try again",
    errno.EACCES: "you may not write there: choose another place",
    errno.EPERM: "you may not write there: choose another place",
    errno.EROFS: "that file system is read-only: choose another place",
    errno.ENOENT: "make the folder first, or choose another place",
    errno.ENOTDIR: "a part of that path is a file: choose another place",
    errno.EISDIR: "that is a folder: give a file name",
    errno.ENAMETOOLONG: "choose a shorter name",
}


def write_atomic(
    path: str | os.PathLike[str], content: bytes | str | Callable[[Path], object]
) -> Path:
    """Writes `content` to `path` and returns the path.

    Text is written as UTF-8. A callable gets the path of a temporary file, in the same folder, that
    already exists and is empty; it fills that file and closes it. A reader sees the old content or
    the new, never a part. A link is followed; the mode of an existing file is kept.

    Raises FileWriteError when the system refuses; the old file is then untouched and no temporary
    file is left. What a callable raises besides OSError passes through, after the same tidying.
    """
    target = Path(os.path.realpath(path))
    temp = target.with_name(f".{target.name[:200]}.{secrets.token_hex(6)}.tmp")
    try:
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
        os.close(os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        try:
            _fill(temp, content)
            _keep_mode(target, temp)
            temp.replace(target)
        except BaseException:
            with contextlib.suppress(OSError):
                temp.unlink()
            raise
        _sync_folder(target.parent)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        hint = _HINTS.get(error.errno or 0, "choose another place, or look at the disk")
        raise FileWriteError(f"{path} was not written: {reason}", hint) from error
    return Path(path)


def check_place(path: str | os.PathLike[str], *, make_folder: bool = False) -> None:
    """Raises FileWriteError, before any work is done, when `path` can not be written.

    With `make_folder` its folder may be missing, but there must be one to make it in.
    """
    target = Path(os.path.realpath(path))
    folder = target.parent
    while make_folder and not folder.exists():
        folder = folder.parent
    if target.is_dir():
        code = errno.EISDIR
    elif not folder.exists():
        code = errno.ENOENT
    elif not folder.is_dir():
        code = errno.ENOTDIR
    elif not os.access(folder, os.W_OK | os.X_OK):
        code = errno.EACCES
    else:
        return
    cure = f"check the permissions of {folder}, or set EDGESTEER_HOME"
    hint = cure if make_folder and code != errno.EISDIR else _HINTS[code]
    raise FileWriteError(f"{path} can not be written: {os.strerror(code)}", hint)


def _fill(temp: Path, content: bytes | str | Callable[[Path], object]) -> None:
    if callable(content):
        content(temp)
        data = b""
    else:
        data = content.encode("utf-8") if isinstance(content, str) else content
    with temp.open("ab") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _keep_mode(target: Path, temp: Path) -> None:
    with contextlib.suppress(OSError):
        temp.chmod(stat.S_IMODE(target.stat().st_mode))


def _sync_folder(folder: Path) -> None:
    """Makes the rename itself survive a power cut, where the system can (not on Windows)."""
    if os.name != "posix":
        return
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
