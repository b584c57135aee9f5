"""Whether a sequence had better wait a little: another reads just now what both begin with.

Knows nothing of slots being free, nor who comes first.
"""

from __future__ import annotations

from collections.abc import Sequence

from edgesteer.engine.lane import Slot
from edgesteer.engine.parked import same_beginning
from edgesteer.engine.sequence import ActiveSequence, common_prefix

__all__ = ["WORTH_WAITING", "better_waits"]

#: As many tokens in common with a prompt that is being read make a sequence wait for it.
WORTH_WAITING = 16


def better_waits(
    sequence: ActiveSequence, active: Sequence[ActiveSequence], slots: Sequence[Slot]
) -> bool:
    """Whether waiting saves reading a beginning that one of ``active`` is reading just now.

    ``slots`` are those from which one that has none yet will be given what they hold.
    """
    readers = [s for s in active if not s.decoding]
    if not readers:
        return False
    stamps = sequence.wanted_stamps()
    for reader in readers:
        known = _known(reader, slots)
        n = common_prefix(sequence.tokens[:-1], reader.tokens)
        if n - known < WORTH_WAITING:
            continue
        n = common_prefix(stamps[:n], reader.wanted_stamps()[:n])
        if n - known >= WORTH_WAITING:
            return True
    return False


def _known(reader: ActiveSequence, slots: Sequence[Slot]) -> int:
    """How much of a prompt is in the cache: as its own, or where it will be copied from."""
    if reader.slot is not None:
        return reader.fed
    stamps = reader.wanted_stamps()
    return max(
        (same_beginning(s.tokens, s.stamps, reader.tokens, stamps) for s in slots), default=0
    )
