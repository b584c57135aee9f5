"""The dial: arrow keys turn a vector while an answer is being written.

Does not know chats or vectors: it reads keys and calls back. On systems without termios (Windows)
it does nothing, and /steer between answers is the way.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
import threading
from collections.abc import Callable
from types import TracebackType

from edgesteer.cli.chat.typed import Typed

__all__ = ["STEP", "Dial"]

STEP = 0.1
_POLL_S = 0.05
_BRACKETS_ON = b"\x1b[?2004h"  # from here on a paste says where it begins and ends
_BRACKETS_OFF = b"\x1b[?2004l"


class Dial:
    """While it is entered, keys are not echoed and the arrows up and down call ``turn(steps)``.

    What else is typed meanwhile goes into ``typed``.
    """

    def __init__(
        self, turn: Callable[[int], None], typed: Typed | None = None, fd: int | None = None
    ) -> None:
        self._turn = turn
        self._fd = fd if fd is not None else _terminal()
        self.typed = typed if typed is not None else Typed()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._settings: object = None

    def __enter__(self) -> Dial:
        if self._fd is not None and sys.platform != "win32":
            import termios
            import tty

            with contextlib.suppress(termios.error):
                self._settings = termios.tcgetattr(self._fd)
                tty.setcbreak(self._fd, termios.TCSADRAIN)  # Ctrl-C still interrupts
                self._write(_BRACKETS_ON)
                self._thread = threading.Thread(target=self._watch, daemon=True)
                self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._write(_BRACKETS_OFF)
        if self._fd is not None and self._settings is not None and sys.platform != "win32":
            import termios

            termios.tcsetattr(self._fd, termios.TCSADRAIN, self._settings)  # type: ignore[arg-type]

    def _watch(self) -> None:
        fd = self._fd
        while fd is not None and not self._stop.is_set():
            if not select.select([fd], [], [], _POLL_S)[0]:
                self.typed.quiet()
                continue
            raw = os.read(fd, 1024)
            if not raw:
                return
            if steps := self.typed.feed(raw):
                self._turn(steps)

    def _write(self, code: bytes) -> None:
        """Tell the terminal itself, when answers go there."""
        if self._fd is not None and sys.stdout.isatty():
            with contextlib.suppress(OSError):
                os.write(self._fd, code)


def _terminal() -> int | None:
    """The descriptor of stdin if a person types there."""
    try:
        return sys.stdin.fileno() if sys.stdin.isatty() else None
    except (OSError, ValueError, AttributeError):
        return None
