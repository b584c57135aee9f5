"""What a person types while an answer is written: lines, a beginning, and turns of the arrows.

Does not know the terminal: bytes come in as they are read, also in the middle of a key.
"""

from __future__ import annotations

import codecs
import re

__all__ = ["Typed"]

_STEPS = {b"\x1b[A": 1, b"\x1bOA": 1, b"\x1b[B": -1, b"\x1bOB": -1}
_PASTE, _PASTED = b"\x1b[200~", b"\x1b[201~"
_NEW_LINE = (b"\x1b\r", b"\x1b\n")  # Alt-Enter
_KEY = re.compile(
    rb"\x1b(?:\[[0-?]*[ -/]*[@-~]"  # arrows, function keys, what a terminal reports
    rb"|\][^\x07\x1b]*(?:\x07|\x1b\\)"  # what it reports at length
    rb"|O[ -~]"
    rb"|[^\[\]O\x80-\xff]"  # Alt and a key; of a letter beyond ASCII the Alt alone
    rb"|(?=[\x80-\xff]))",
    re.DOTALL,
)


class Typed:
    """Keys that were pressed while no prompt was there.

    lines  complete ones, each ended by Enter
    text   the beginning of the next
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.text = ""
        self._pasting = False
        self._rest = b""  # the beginning of a key
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, raw: bytes) -> int:
        """Take what was read; returns the steps up less the steps down.

        >>> typed = Typed()
        >>> typed.feed(b"one\\rtw" + b"\\x1b[A\\x1b"), typed.feed(b"[Ao"), typed.lines, typed.text
        (1, 1, ['one'], 'two')
        """
        raw, self._rest, steps, at = self._rest + raw, b"", 0, 0
        while at < len(raw):
            if raw[at] != 0x1B:
                end = raw.find(b"\x1b", at)
                end = len(raw) if end < 0 else end
                self._add(self._decoder.decode(raw[at:end]))
                at = end
            elif key := _KEY.match(raw, at):
                steps += _STEPS.get(key[0], 0)
                self._press(key[0])
                at = key.end()
            else:
                self._rest = raw[at:]
                break
        return steps

    def quiet(self) -> None:
        """Nothing came for a while: a lone Esc was no beginning of a key."""
        if self._rest == b"\x1b":
            self._rest = b""

    def hold(self) -> None:
        """Let complete lines wait with the rest: nobody has looked at them."""
        self.text = "\n".join([*self.lines, self.text])
        self.lines.clear()

    def take(self) -> str:
        """The beginning of a line, which is then someone else's."""
        text, self.text = self.text, ""
        return text

    def _press(self, key: bytes) -> None:
        if key in (_PASTE, _PASTED):
            self._pasting = key == _PASTE
        elif key in _NEW_LINE:
            self.text += "\n"

    def _add(self, text: str) -> None:
        for c in text:
            if c in "\r\n":
                if self._pasting:
                    self.text += "\n"
                else:
                    self.lines.append(self.take())
            elif c in "\x7f\b":
                self.text = self.text[:-1]
            elif c == "\x15":  # Ctrl-U
                self.text = self.text[: self.text.rfind("\n") + 1]
            elif c == "\x17":  # Ctrl-W
                self.text = re.sub(r"\S*[ \t]*\Z", "", self.text)
            elif c.isprintable():
                self.text += c
