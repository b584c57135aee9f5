"""Token bytes to text while it streams: whole characters only, nothing of a stop string.

Knows nothing of models or sampling.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence


class TextStream:
    """Feeds on bytes, gives out text that is safe to show.

    A stop string ends the text before it; what might become one is held back until it is known.

    >>> stream = TextStream(["END"])
    >>> stream.feed(b"so EN"), stream.feed(b"D more"), stream.stopped
    ('so ', '', True)
    """

    def __init__(self, stop: Sequence[str] = ()) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._stop = [s for s in stop if s]
        self._held = ""
        self.stopped = False

    def feed(self, raw: bytes) -> str:
        """Add bytes; returns the text that can be shown now."""
        if self.stopped:
            return ""
        text = self._decoder.decode(raw)
        if not self._stop:
            return text
        self._held += text
        return self._release()

    def _release(self) -> str:
        found = [(i + len(s), i) for s in self._stop if (i := self._held.find(s)) >= 0]
        if found:  # the one that is complete first, however the text was cut into pieces
            text, self._held, self.stopped = self._held[: min(found)[1]], "", True
            return text
        keep = max(
            (n for s in self._stop for n in range(1, len(s)) if self._held.endswith(s[:n])),
            default=0,
        )
        cut = len(self._held) - keep
        text, self._held = self._held[:cut], self._held[cut:]
        return text

    def finish(self) -> str:
        """The rest, when no more bytes come."""
        if self.stopped:
            return ""
        text = self._held + self._decoder.decode(b"", final=True)
        self._held = ""
        return text
