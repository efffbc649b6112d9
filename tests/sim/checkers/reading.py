"""Where each consumer went from record to record: skips, steps back, holes.

    position p  --poll-->  offset p           good
                           offset > p, something known lies between     poll_skip
                           offset > p, nothing known, topic is dense    gap
                           offset < p                                   nonmonotonic_poll

The same inside of one poll is int_poll_skip and int_nonmonotonic_poll. A step between two polls is
only judged where nobody else moves the position: under assign, or under subscribe when the history
says where the group gave out other partitions.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import cast

from tests.sim.checkers.expectations import Expectations
from tests.sim.checkers.ledger import Key, Ledger, micro_ops
from tests.sim.checkers.report import Findings
from tests.sim.history import Assigned, Event, Polled, Sought


class _Consumer:
    """One process: how it got its partitions and where it stands in each."""

    __slots__ = ("assigning", "is_subscribed", "positions", "seen_by")

    def __init__(self) -> None:
        self.is_subscribed = False
        self.assigning = False
        self.positions: dict[Key, int] = {}
        """The offset that comes next; absent where anything may come."""
        self.seen_by: dict[Key, Event] = {}

    def forget(self) -> None:
        self.is_subscribed = self.assigning = False
        self.positions.clear()


class ReadingCheck:
    """All consumers of a history, event by event."""

    def __init__(self, ledger: Ledger, expect: Expectations, found: Findings) -> None:
        self._ledger = ledger
        self._expect = expect
        self._found = found
        self._consumers: dict[int, _Consumer] = {}
        self._known: dict[Key, list[int]] = {}

    def run(self) -> None:
        for event in self._ledger.events:
            op = event.op
            if op == "poll" or op == "txn":
                if event.kind == "ok":
                    for inner, value in micro_ops(event):
                        if inner == "poll":
                            self._poll(event, cast("Polled", value))
            elif op in ("assign", "subscribe", "seek", "crash"):
                self._move(event)

    def _move(self, event: Event) -> None:
        """Something other than a poll that changes where a consumer stands."""
        consumer = self._consumers.setdefault(event.process, _Consumer())
        if event.op == "crash":
            consumer.forget()
        elif event.op == "seek":
            topic, partition, offset = cast("Sought", event.value)
            key = Key(topic, partition)
            consumer.positions.pop(key, None)
            if event.kind == "ok" and offset >= 0:
                consumer.positions[key] = offset
                consumer.seen_by[key] = event
        elif event.kind == "invoke":
            consumer.assigning = event.op == "assign"
        elif event.op == "subscribe":
            consumer.is_subscribed = event.kind != "fail" or consumer.is_subscribed
            consumer.positions.clear()
        else:
            self._assign(consumer, event)

    def _assign(self, consumer: _Consumer, event: Event) -> None:
        """By the user: partitions that stay keep their position. By the group: none does."""
        if event.kind == "fail":
            return
        by_user, consumer.assigning = consumer.assigning, False
        if not by_user and consumer.is_subscribed:
            consumer.positions.clear()
            return
        consumer.is_subscribed = False
        kept = {Key(*pair) for pair in cast("Assigned", event.value)}
        for key in [key for key in consumer.positions if key not in kept]:
            del consumer.positions[key]

    def _poll(self, event: Event, polled: Polled) -> None:
        consumer = self._consumers.get(event.process)
        if consumer is None:
            consumer = self._consumers[event.process] = _Consumer()
        positions = consumer.positions
        touched: set[Key] = set()
        last: tuple[str, int] | None = None
        for topic, partition, offset, _ in polled:
            if last != (topic, partition):
                last = (topic, partition)
                key = Key(topic, partition)
                inside = key in touched
                touched.add(key)
            expected = positions.get(key)
            if expected is not None and offset != expected:
                self._judge(consumer, event, key, (expected, offset), inside=inside)
            positions[key] = offset + 1
            inside = True
        for key in touched:
            consumer.seen_by[key] = event

    def _judge(
        self, consumer: _Consumer, event: Event, key: Key, step: tuple[int, int], *, inside: bool
    ) -> None:
        expected, offset = step
        prefix = "int_" if inside else ""
        name = f"{prefix}nonmonotonic_poll"
        if offset > expected:
            if key.topic in self._expect.deleting_topics:
                return
            missed = self._first_known(key, expected)
            if missed < offset:
                name = f"{prefix}poll_skip"
            elif self._expect.is_dense(key.topic):
                name = "gap"
            else:
                return
        allowed = consumer.is_subscribed and not inside and not self._expect.judge_subscribers
        before = consumer.seen_by.get(key)
        where = "inside of one poll" if inside or before is None else f"after event {before.index}"
        text = f"{key}: process {event.process} read offset {offset} where {expected} was due"
        if name.endswith("poll_skip"):
            text += f", past {self._ledger.facts(key).known[missed][0]!r} at {missed}"
        self._found.add(name, f"{text}, {where}", (before, event), is_allowed=allowed)

    def _first_known(self, key: Key, offset: int) -> int:
        """The first offset from `offset` on where something is known to be."""
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = sorted(self._ledger.facts(key).known)
        place = bisect_left(known, offset)
        return known[place] if place < len(known) else 1 << 62
