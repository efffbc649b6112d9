"""The records that this node keeps for others, because it is near to their keys. Pure.

What comes in is refused, and counted by kind, unless it is news: signed by a member, not expired
nor dated into the future, and later than the record held. The same record again renews nothing: a
record lives until the time its leader signed, so that nobody else can keep an old one alive.
"""

from __future__ import annotations

import heapq
from typing import Final, NamedTuple

from sprawl.core.clock import Instant
from sprawl.core.dht.ids import Key, NodeId, key_of
from sprawl.core.dht.messages import StoreResult
from sprawl.core.dht.records import Record, is_genuine
from sprawl.core.dht.settings import DhtSettings, Identity
from sprawl.core.limits import DHT_RECORDS_MAX

_MAKE_ROOM: Final = 16
"""A full store drops a sixteenth at once, those farthest away, so that looking for them is rare."""


class _Held(NamedTuple):
    record: Record
    expires_ms: int
    """On the monotonic clock, so that a jump of the wall clock loses nothing."""


class RecordStore:
    """A bounded map of keys to their latest records.

    Args:
        records_max: beyond it, records with keys nearer to this node win.
    """

    __slots__ = ("_held", "_identity", "_records_max", "_settings", "counts")

    def __init__(
        self, settings: DhtSettings, identity: Identity, records_max: int = DHT_RECORDS_MAX
    ) -> None:
        self._settings = settings
        self._identity = identity
        self._records_max = records_max
        self._held: dict[Key, _Held] = {}
        self.counts = [0] * len(StoreResult)
        """What became of the records that came in, by `StoreResult`."""

    def __len__(self) -> int:
        return len(self._held)

    def get(self, key: Key, now: Instant) -> Record | None:
        held = self._held.get(key)
        return None if held is None or held.expires_ms <= now.monotonic_ms else held.record

    def put(self, record: Record, now: Instant) -> tuple[StoreResult, Record | None]:
        """Take a record in if it is news.

        Returns:
            What became of it, and the record held that names another leader for the same term.
        """
        key = key_of(self._identity.cluster_id, record.claim.log_key)
        held = self.get(key, now)
        result, contradicted = self._judge(record, held, now)
        if result is StoreResult.STORED and not self._make_room(key, now):
            result = StoreResult.FULL
        if result is StoreResult.STORED:
            left_ms = min(record.expires_ms - now.wall_ms, self._settings.ttl_ms)
            # At the end, so that those that expire first are in front.
            self._held.pop(key, None)
            self._held[key] = _Held(record, now.monotonic_ms + left_ms)
        self.counts[result] += 1
        return result, contradicted

    def _judge(
        self, record: Record, held: Record | None, now: Instant
    ) -> tuple[StoreResult, Record | None]:
        if held is not None and record.encoded == held.encoded:
            return StoreResult.HELD, None
        if (refused := refusal(record, self._settings, now)) is not None:
            return refused, None
        is_news = held is None or record.is_after(held)
        contradicted = held if held is not None and record.contradicts(held) else None
        if not is_news and contradicted is None:
            return StoreResult.STALE, None
        if not is_genuine(record, self._identity.cluster_id, self._identity.trust):
            return StoreResult.FORGED, None
        return (StoreResult.STORED if is_news else StoreResult.STALE), contradicted

    def _make_room(self, key: Key, now: Instant) -> bool:
        if key in self._held or len(self._held) < self._records_max:
            return True
        self.expire(now)
        if len(self._held) < self._records_max:
            return True
        own = self._identity.contact.id
        number = max(1, self._records_max // _MAKE_ROOM)
        farthest = heapq.nlargest(number, self._held, key=lambda each: own ^ each)
        if own ^ key > own ^ farthest[0]:
            return False
        for each in farthest:
            del self._held[each]
        return True

    def expire(self, now: Instant) -> None:
        """Drop what has expired, from the front; what was stored with less time left waits for
        those before it, but is not given to anybody."""
        while self._held:
            key = next(iter(self._held))
            if self._held[key].expires_ms > now.monotonic_ms:
                return
            del self._held[key]

    def drop_publisher(self, node: NodeId) -> None:
        """Forget what a node published that is no member any more."""
        gone = [key for key, held in self._held.items() if held.record.publisher == node]
        for key in gone:
            del self._held[key]


def refusal(record: Record, settings: DhtSettings, now: Instant) -> StoreResult | None:
    """Is it out of its time, by the wall clock?"""
    left_ms = record.expires_ms - now.wall_ms
    if left_ms <= 0:
        return StoreResult.EXPIRED
    if left_ms > settings.ttl_ms + settings.clock_skew_ms_max:
        return StoreResult.EARLY
    return None
