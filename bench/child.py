"""A measurement in a process of its own: each line on its stdin is a round, each answer a figure.

Knows nothing of what is measured. Thread pools of two engines in one process slow each other down,
so each contender gets its own, and the idle ones sleep on their pipe.
"""

from __future__ import annotations

import subprocess
import sys
from types import TracebackType
from typing import Self


class Child:
    """`python -m MODULE ARGUMENTS`; calling it runs one round and returns what it answers."""

    def __init__(self, module: str, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self) -> float:
        """One round."""
        if self._process.stdin is None:
            raise RuntimeError("the child has no pipes")
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        return float(self.answer())

    def answer(self) -> str:
        """The next line that it writes."""
        if self._process.stdout is None:
            raise RuntimeError("the child has no pipes")
        return self._process.stdout.readline()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()
