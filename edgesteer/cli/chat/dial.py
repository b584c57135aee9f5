"""The dial: arrow keys turn a vector while an answer is being written.

Does not know chats or vectors: it reads keys and calls back. On systems without termios (Windows)
it does nothing, and /steer between answers is the way.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import sys
import threading
from collections.abc import Callable
from types import TracebackType

__all__ = ["STEP", "Dial", "read_keys", "typed_on"]

STEP = 0.1
_UP, _DOWN = (b"\x1b[A", b"\x1bOA"), (b"\x1b[B", b"\x1bOB")
_KEY = re.compile(rb"\x1b(?:\[[0-9;]*[ -/]*[@-~]|O.|.)?", re.DOTALL)  # other keys, and Alt
_RUBBED = "\x7f\b"
_POLL_S = 0.05


def read_keys(raw: bytes) -> tuple[int, str]:
    """What was pressed: steps up less steps down, and what was typed, with Enter and Backspace.

    >>> read_keys(b"a" + b"\\x1b[A" * 3 + b"b" + b"\\x1bOB" + b"\\x1b[D\\r")
    (2, 'ab\\n')
    """
    steps = 0
    for sequence in (*_UP, *_DOWN):
        steps += raw.count(sequence) * (1 if sequence in _UP else -1)
        raw = raw.replace(sequence, b"")
    text = _KEY.sub(b"", raw).decode("utf-8", "replace").replace("\r", "\n")
    return steps, "".join(c for c in text if c.isprintable() or c == "\n" or c in _RUBBED)


def typed_on(before: str, keys: str) -> str:
    """What stands there when `keys` were typed after `before`; Backspace takes back, up to Enter.

    >>> typed_on("calm", "\\x7f\\x7fr\\n\\x7fx")
    'car\\nx'
    """
    for key in keys:
        if key not in _RUBBED:
            before += key
        elif before and before[-1] != "\n":
            before = before[:-1]
    return before


class Dial:
    """While it is entered, keys are not echoed and the arrows up and down call ``turn(steps)``.

    ``typed`` is what else was typed meanwhile: lines that are complete, each with its "\\n", and
    the beginning of the next one.
    """

    def __init__(self, turn: Callable[[int], None], fd: int | None = None) -> None:
        self._turn = turn
        self._fd = fd if fd is not None else _terminal()
        self.typed = ""
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._settings: object = None

    def __enter__(self) -> Dial:
        if self._fd is not None and sys.platform != "win32":
            import termios
            import tty

            with contextlib.suppress(termios.error):
                self._settings = termios.tcgetattr(self._fd)
                tty.setcbreak(self._fd)  # Ctrl-C still interrupts
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
        if self._fd is not None and self._settings is not None and sys.platform != "win32":
            import termios

            termios.tcsetattr(self._fd, termios.TCSADRAIN, self._settings)  # type: ignore[arg-type]

    def _watch(self) -> None:
        fd = self._fd
        while fd is not None and not self._stop.is_set():
            if not select.select([fd], [], [], _POLL_S)[0]:
                continue
            raw = os.read(fd, 1024)
            if not raw:
                return
            steps, text = read_keys(raw)
            self.typed = typed_on(self.typed, text)
            if steps:
                self._turn(steps)


def _terminal() -> int | None:
    """The descriptor of stdin if a person types there."""
    try:
        return sys.stdin.fileno() if sys.stdin.isatty() else None
    except (OSError, ValueError, AttributeError):
        return None
