"""What this node leads, and when to say so again. Pure.

A claim is published at once when it is new or changed, and every `republish_ms`, a quarter earlier
or later by chance so that claims made together drift apart. Each publication has a sequence of its
own: that is what renews a record. A leader that restarts leads in a later term, so sequences need
no disk. What was said last is kept, for nodes that come and should have it.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, NamedTuple

from sprawl.core.dht.records import Claim, Record
from sprawl.core.dht.settings import DhtSettings
from sprawl.core.ids import LogKey
from sprawl.core.limits import DHT_PUBLISHED_MAX

if TYPE_CHECKING:
    from random import Random


class _Turn(NamedTuple):
    due_ms: int
    number: int
    log_key: LogKey


class _Published:
    __slots__ = ("claim", "is_said", "record", "sequence", "turn")

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self.sequence = 0
        self.is_said = False
        self.record: Record | None = None
        self.turn = 0


class Publications:
    """The claims of one node, in the order in which they are due."""

    __slots__ = ("_claims", "_numbers", "_rng", "_settings", "_turns")

    def __init__(self, settings: DhtSettings, rng: Random) -> None:
        self._settings = settings
        self._rng = rng
        self._claims: dict[LogKey, _Published] = {}
        self._turns: list[_Turn] = []
        self._numbers = 0

    def __len__(self) -> int:
        return len(self._claims)

    def claim(self, claim: Claim, now_ms: int) -> bool:
        """This node leads, or something about it changed: due at once. False if there are too
        many claims, or if it is older than the one before."""
        known = self._claims.get(claim.log_key)
        if known is None:
            if len(self._claims) >= DHT_PUBLISHED_MAX:
                return False
            known = self._claims[claim.log_key] = _Published(claim)
        elif (claim.term, claim.config_index) < (known.claim.term, known.claim.config_index):
            return False
        known.claim = claim
        known.sequence += 1
        known.is_said = False
        self._schedule(known, now_ms)
        return True

    def sequence(self, log_key: LogKey) -> int | None:
        """What a claim is, or is to be, published with."""
        known = self._claims.get(log_key)
        return None if known is None else known.sequence

    def said(self, record: Record) -> None:
        """This is how a claim went out."""
        known = self._claims.get(record.claim.log_key)
        if known is not None:
            known.record = record

    def say_again(self, record: Record, now_ms: int) -> None:
        """Somebody who should hold it did not answer: it is due sooner, unless it changed since."""
        known = self._claims.get(record.claim.log_key)
        if known is not None and known.record is record and known.is_said:
            retry_ms = self._settings.retry_ms
            self._schedule(known, now_ms + retry_ms + self._rng.randint(0, retry_ms))

    def last(self, log_key: LogKey) -> Record | None:
        """What was said last of a partition that is led here."""
        known = self._claims.get(log_key)
        return None if known is None else known.record

    def keys(self) -> list[LogKey]:
        """The partitions that are led here."""
        return list(self._claims)

    def withdraw(self, log_key: LogKey) -> None:
        """This node does not lead any more: nothing is said, the record of the next leader wins."""
        self._claims.pop(log_key, None)
        if len(self._turns) > 2 * len(self._claims) + 64:
            self._turns = [each for each in self._turns if self._is_current(each)]
            heapq.heapify(self._turns)

    def next_due_ms(self) -> int | None:
        turns = self._turns
        while turns and not self._is_current(turns[0]):
            heapq.heappop(turns)
        return turns[0].due_ms if turns else None

    def take_due(self, now_ms: int) -> tuple[Claim, int] | None:
        """A claim to publish now, with its sequence; its next turn is set."""
        due_ms = self.next_due_ms()
        if due_ms is None or due_ms > now_ms:
            return None
        published = self._claims[heapq.heappop(self._turns).log_key]
        if published.is_said:
            published.sequence += 1
        published.is_said = True
        quarter = self._settings.republish_ms // 4
        interval_ms = self._settings.republish_ms + self._rng.randint(-quarter, quarter)
        self._schedule(published, now_ms + interval_ms)
        return published.claim, published.sequence

    def _schedule(self, published: _Published, due_ms: int) -> None:
        self._numbers += 1
        published.turn = self._numbers
        heapq.heappush(self._turns, _Turn(due_ms, self._numbers, published.claim.log_key))

    def _is_current(self, turn: _Turn) -> bool:
        published = self._claims.get(turn.log_key)
        return published is not None and published.turn == turn.number
