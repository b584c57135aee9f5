"""Takes an answer as it comes; Ctrl-C ends it and keeps what there is.

Does not know where the pieces are written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgesteer.model import Reading, Stream

__all__ = ["follow"]


def follow(
    stream: Stream,
    write: Callable[[str], object],
    read: Callable[[Reading], object] | None = None,
) -> bool:
    """Give each piece to `write`; False when Ctrl-C ended the answer.

    Of a watched answer each reading goes to `read`, whose texts make up the answer, instead.
    """
    written = 0
    try:
        if read is not None:
            for reading in stream.readings():
                written += len(reading.text) if reading.generated else 0
                read(reading)
        for piece in stream if read is None else ():
            written += len(piece)
            write(piece)
    except KeyboardInterrupt:
        stream.cancel()
        for _ in stream:  # lets a chat record what there is
            pass
        write(stream.reply.text[written:])
        return False
    except BaseException:
        stream.cancel()
        raise
    return True
