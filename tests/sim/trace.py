"""The fingerprint of a run: a hash over everything that happened, in order.

Two runs of one seed must give one digest; where they do not, something went around the world:
an address, a hash seed, a clock, a thread.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import deque

_BATCH = 8_192
_LINES_KEPT = 400


class Trace:
    """Notes as they are made.

    Args:
        lines_kept: how many of the latest notes that have words are kept, for a failed run.
    """

    def __init__(self, lines_kept: int = _LINES_KEPT) -> None:
        self.events = 0
        self.lines: deque[tuple[float, int, str, object]] = deque(maxlen=lines_kept)
        self._hash = hashlib.blake2b(digest_size=16)
        self.handles = array("d")
        """When each handle ran and for whom, two numbers each, since the last `fold`."""
        self._notes: list[object] = []

    def note(self, now: float, process: int, kind: str, what: object = "") -> None:
        """Something happened that deserves words: a fault, a packet, a change of the disk.

        Args:
            what: its repr must not hold an address or the order of a set.
        """
        self.lines.append((now, process, kind, what))
        self._notes.append((now, process, kind, what))
        self.events += 1
        if len(self._notes) > _BATCH:
            self.fold()

    def digest(self) -> str:
        """The hash of everything so far."""
        self.fold()
        return self._hash.hexdigest()

    def tail(self, count: int = 60) -> str:
        """The latest notes as lines."""
        return "\n".join(
            f"{now:12.6f} p{process:<3} {kind:10} {what}"
            for now, process, kind, what in list(self.lines)[-count:]
        )

    def fold(self) -> None:
        """Take what was noted into the hash."""
        self._hash.update(self.handles.tobytes())
        self._hash.update(repr(self._notes).encode())
        del self.handles[:]
        self._notes.clear()
