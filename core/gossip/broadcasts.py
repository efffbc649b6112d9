"""News on their way to everybody, riding in whatever packets go. Pure.

Rules:
1. Those sent least often go first, so that news are never starved by old ones (SWIM, section
   4.1); of them the one that came to this count last.
2. Newer news about the same member replace older ones.
3. A piece of news is sent `transmissions` times, then forgotten.
4. The queue is bounded; when it is full, what was sent most often goes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from sprawl.core.gossip.model import MemberId


class Broadcasts:
    """See the module.

    Args:
        items_max: bound of the queue.
        transmissions: how often a piece of news is to be sent, as things are now.
    """

    __slots__ = ("_buckets", "_items_max", "_sent", "_transmissions", "dropped")

    def __init__(self, items_max: int, transmissions: Callable[[], int]) -> None:
        self._items_max = items_max
        self._transmissions = transmissions
        self._sent: dict[MemberId, int] = {}
        self._buckets: list[dict[MemberId, bytes]] = []
        """By how often they were sent; in the order in which they came to that count."""
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._sent)

    def add(self, about: MemberId, data: bytes) -> None:
        """Have something told to everybody."""
        self.discard(about)
        if len(self._sent) >= self._items_max:
            fullest = next(bucket for bucket in reversed(self._buckets) if bucket)
            self.discard(next(iter(fullest)))
            self.dropped += 1
        self._put(0, about, data)

    def discard(self, about: MemberId) -> None:
        """Forget what was to be told about a member."""
        sent = self._sent.pop(about, None)
        if sent is not None:
            del self._buckets[sent][about]

    def take(self, room: int, taken: list[bytes]) -> int:
        """Append to `taken` what fits in `room` bytes, and count it as sent.

        Returns: the room left.
        """
        if not self._sent:
            return room
        limit = self._transmissions()
        moved: list[tuple[int, MemberId, bytes]] = []
        for sent, bucket in enumerate(self._buckets):
            for about in reversed(bucket):
                data = bucket[about]
                if len(data) <= room:
                    room -= len(data)
                    taken.append(data)
                    moved.append((sent, about, data))
                elif room < _SMALLEST_BYTES:
                    break
            if room < _SMALLEST_BYTES:
                break
        for sent, about, data in moved:
            del self._buckets[sent][about], self._sent[about]
            if sent + 1 < limit:
                self._put(sent + 1, about, data)
        return room

    def _put(self, sent: int, about: MemberId, data: bytes) -> None:
        while len(self._buckets) <= sent:
            self._buckets.append({})
        self._buckets[sent][about] = data
        self._sent[about] = sent


_SMALLEST_BYTES = 29
"""A LEFT, the shortest piece of news: no need to look further with less room."""
