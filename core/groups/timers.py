"""Deadlines of many groups in one heap, with cheap postponement.

A heartbeat postpones its member's deadline thousands of times before it ever fires, so postponing
only changes a dictionary entry; the heap still holds the earlier time and puts the key back when
that time comes. Memory is one heap entry a key, plus one for every time a deadline moved earlier.
"""

from __future__ import annotations

import heapq
from typing import Generic, TypeVar

K = TypeVar("K")


class Timers(Generic[K]):
    """Named deadlines, in milliseconds of whichever clock the caller uses."""

    __slots__ = ("_deadlines", "_heap", "_queued", "_sequence")

    def __init__(self) -> None:
        self._deadlines: dict[K, int] = {}
        self._queued: dict[K, int] = {}
        self._heap: list[tuple[int, int, K]] = []
        self._sequence = 0

    def __len__(self) -> int:
        return len(self._deadlines)

    def deadline_ms(self, key: K) -> int | None:
        """When `key` fires, or None when it is not set."""
        return self._deadlines.get(key)

    def set(self, key: K, deadline_ms: int) -> None:
        """Make `key` fire at `deadline_ms`, replacing what was set before."""
        self._deadlines[key] = deadline_ms
        queued = self._queued.get(key)
        if queued is None or deadline_ms < queued:
            self._push(key, deadline_ms)

    def cancel(self, key: K) -> None:
        """Forget `key`; nothing happens when it is not set."""
        self._deadlines.pop(key, None)

    def next_deadline_ms(self) -> int | None:
        """A time not later than the first deadline, or None when nothing is set."""
        heap = self._heap
        while heap and not self._is_current(heap[0]):
            self._requeue(heapq.heappop(heap))
        return heap[0][0] if heap else None

    def pop_due(self, now_ms: int) -> list[K]:
        """Remove and return the keys whose deadline is at or before `now_ms`, earliest first."""
        due: list[K] = []
        heap = self._heap
        while heap and heap[0][0] <= now_ms:
            entry = heapq.heappop(heap)
            if self._is_current(entry):
                key = entry[2]
                del self._deadlines[key], self._queued[key]
                due.append(key)
            else:
                self._requeue(entry)
        return due

    def _is_current(self, entry: tuple[int, int, K]) -> bool:
        return self._deadlines.get(entry[2]) == entry[0] == self._queued.get(entry[2])

    def _requeue(self, entry: tuple[int, int, K]) -> None:
        """Deal with a popped entry that is out of date: its key moved, was cancelled or has
        another, earlier entry."""
        deadline_ms, _, key = entry
        if self._queued.get(key) != deadline_ms:
            return
        del self._queued[key]
        later = self._deadlines.get(key)
        if later is not None:
            self._push(key, later)

    def _push(self, key: K, deadline_ms: int) -> None:
        self._sequence += 1
        self._queued[key] = deadline_ms
        heapq.heappush(self._heap, (deadline_ms, self._sequence, key))
