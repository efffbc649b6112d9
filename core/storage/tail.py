"""The memory tier: what was appended last to each file, bounded for the node as a whole.

Appends of all files take memory from one budget. When it is used up, the oldest block of the file
that was first to take memory goes, so that a busy partition keeps the most and an idle one nothing.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from sprawl.core.storage.blocks import Blocks
from sprawl.core.storage.port import Buffer


class TailedFile(Protocol):
    """A file of which the cache keeps the end."""

    tail: Blocks | None


class TailCache:
    """The tails of a store's files.

    Args:
        bytes_max: bound of all tails together; 0 keeps none.
    """

    __slots__ = ("_bytes_max", "_lock", "_taken", "used_bytes")

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._lock = threading.Lock()
        # Who took how much, oldest first. A block is dropped when its entry comes up.
        self._taken: deque[tuple[TailedFile, Blocks, int]] = deque()
        self.used_bytes = 0

    def appended(self, file: TailedFile, position: int, bufs: Sequence[Buffer]) -> None:
        """Keep what was just written at `position`."""
        tail = file.tail
        if tail is None:
            if not self._bytes_max:
                return
            tail = file.tail = Blocks(position)
        for buf in bufs:
            taken = tail.append(buf)
            if taken:
                self._took(file, tail, taken)

    def forget(self, file: TailedFile) -> None:
        """Drop a file's tail; its memory counts until its turn comes."""
        file.tail = None

    def _took(self, file: TailedFile, tail: Blocks, size: int) -> None:
        with self._lock:
            self._taken.append((file, tail, size))
            self.used_bytes += size
            while self.used_bytes > self._bytes_max:
                old_file, old_tail, old_size = self._taken.popleft()
                self.used_bytes -= old_size
                if not old_tail.is_empty:
                    old_tail.drop_first()
                if old_tail.is_empty and old_file.tail is old_tail:
                    old_file.tail = None
