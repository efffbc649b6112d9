"""Requests of a node that are not answered yet. Pure.

All have the same two timeouts, so the oldest is due first and no heap is needed: a request is
young, then late, then given up. An answer counts until then, and only from the node that was asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from sprawl.core.dht.contacts import Contact
from sprawl.core.dht.lookup import Lookup
from sprawl.core.dht.records import Record
from sprawl.core.dht.settings import DhtSettings

if TYPE_CHECKING:
    from random import Random

_REQUEST_IDS: Final = 1 << 32


class Search:
    """A lookup under way, and what it is for: to tell the owner, or to store a record there."""

    __slots__ = ("is_told", "lookup", "publishes", "started_ms", "wants_value")

    def __init__(self, lookup: Lookup, now_ms: int, *, wants_value: bool) -> None:
        self.lookup = lookup
        self.started_ms = now_ms
        self.wants_value = wants_value
        self.is_told = False
        self.publishes: Record | None = None


class Publication:
    """A record on its way to its holders. `is_late`: somebody has not answered for so long that the
    next publication need not wait for it."""

    __slots__ = ("asked", "is_late", "left", "record", "stale", "stored", "unanswered")

    def __init__(self, record: Record, asked: int) -> None:
        self.record = record
        self.asked = asked
        self.is_late = False
        self.left = asked
        self.stored = 0
        self.stale = 0
        self.unanswered = 0


class Request(NamedTuple):
    """A request.

    Args:
        to: who was asked.
        sent_ms: when.
        purpose: the search that asked, the publication that stored, or nothing (a ping, a
            repair).
        path: of the search.
    """

    to: Contact
    sent_ms: int
    purpose: Search | Publication | None
    path: int


class Requests:
    """Those under way.

    Args:
        rng: for the first id, so that a node that restarts does not take old answers for new.
    """

    __slots__ = ("_late", "_next_id", "_settings", "_young")

    def __init__(self, settings: DhtSettings, rng: Random) -> None:
        self._settings = settings
        self._young: dict[int, Request] = {}
        self._late: dict[int, Request] = {}
        self._next_id = rng.getrandbits(32)

    def open(
        self, to: Contact, now_ms: int, purpose: Search | Publication | None, path: int = 0
    ) -> int:
        """The id of a request that is about to be sent."""
        request_id = self._next_id
        self._next_id = (request_id + 1) % _REQUEST_IDS
        self._young[request_id] = Request(to, now_ms, purpose, path)
        return request_id

    def get(self, request_id: int, sender: Contact) -> Request | None:
        """What this node was asked under this id."""
        found = self._young.get(request_id) or self._late.get(request_id)
        return found if found is not None and found.to.id == sender.id else None

    def close(self, request_id: int) -> None:
        """It is answered."""
        if self._young.pop(request_id, None) is None:
            del self._late[request_id]

    def take_slow(self, now_ms: int) -> Iterator[Request]:
        """Those that become late now; they may still be answered."""
        limit_ms = now_ms - self._settings.slow_request_ms
        while self._young:
            request_id, request = next(iter(self._young.items()))
            if request.sent_ms > limit_ms:
                return
            self._late[request_id] = self._young.pop(request_id)
            yield request

    def take_unanswered(self, now_ms: int) -> Iterator[Request]:
        """Those that are given up now."""
        limit_ms = now_ms - self._settings.request_timeout_ms
        while self._late:
            request_id, request = next(iter(self._late.items()))
            if request.sent_ms > limit_ms:
                return
            del self._late[request_id]
            yield request

    def next_deadline_ms(self, deadline_ms: int) -> int:
        """When one of them is due, or the deadline given if that is earlier."""
        for request in self._young.values():
            deadline_ms = min(deadline_ms, request.sent_ms + self._settings.slow_request_ms)
            break
        for request in self._late.values():
            deadline_ms = min(deadline_ms, request.sent_ms + self._settings.request_timeout_ms)
            break
        return deadline_ms
