"""What a history says about each partition, gathered in one pass for all checks.

    text      -> the one send that wrote it, and how that ended
    partition -> offset -> text, as acknowledged to producers and as handed to consumers

The pass finds what contradicts itself on the spot: two texts at one offset, a text nobody sent.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, cast

from tests.sim.checkers.expectations import Expectations
from tests.sim.checkers.report import Findings
from tests.sim.history import Event, Polled, Sent


class Key(NamedTuple):
    """A partition. Prints as `topic-0`."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}-{self.partition}"


class HistoryError(ValueError):
    """The history breaks the rules of the format, so that nothing can be judged by it."""


@dataclass(slots=True)
class Send:
    """One text on its way: what was asked and how it ended."""

    key: Key
    text: str
    process: int
    invoke: Event
    end: Event | None = None
    offset: int | None = None
    read: Event | None = None
    read_at: int = -1

    @property
    def is_ok(self) -> bool:
        return self.end is not None and self.end.kind == "ok"

    @property
    def is_failed(self) -> bool:
        return self.end is not None and self.end.kind == "fail"


@dataclass(slots=True)
class PartitionFacts:
    """What is known of one partition."""

    known: dict[int, tuple[str, Event]] = field(default_factory=dict)
    """offset -> text, by whoever said so first."""
    highest_read: int = -1
    read: dict[int, Event] = field(default_factory=dict)
    """offset -> the first poll that handed it out."""
    final: dict[int, set[int]] = field(default_factory=dict)
    """Offsets that each process of the final phase read."""
    acknowledged: list[tuple[int, int]] = field(default_factory=list)
    """(time of the answer in us, offset) of acknowledged sends, in the order of the answers."""


@dataclass(slots=True)
class Ledger:
    """All of it. Built by `read_history`."""

    events: list[Event] = field(default_factory=list)
    sends: dict[str, Send] = field(default_factory=dict)
    partitions: dict[Key, PartitionFacts] = field(default_factory=dict)
    transactions: list[tuple[Event, tuple[tuple[str, object], ...]]] = field(default_factory=list)
    final_began: dict[int, int] = field(default_factory=dict)
    """The first event of each process of the final phase."""
    records_read: int = 0

    def facts(self, key: Key) -> PartitionFacts:
        found = self.partitions.get(key)
        if found is None:
            found = self.partitions[key] = PartitionFacts()
        return found


def micro_ops(event: Event) -> tuple[tuple[str, object], ...]:
    """What an event did: itself, or the operations inside of a transaction.

    The value of a `txn` is ((op, value), ...) with sends and polls in the order they were made.
    """
    if event.op != "txn":
        return ((event.op, event.value),)
    return cast("tuple[tuple[str, object], ...]", event.value)


def read_history(history: Iterable[Event], expect: Expectations, found: Findings) -> Ledger:
    """Gather a history; contradictions go to `found`.

    Raises:
        HistoryError: the history breaks the rules of its format.
    """
    ledger = Ledger(events=list(history))
    for event in ledger.events:
        op = event.op
        if event.process in expect.final:
            ledger.final_began.setdefault(event.process, event.index)
        if op == "poll":
            if event.kind == "ok":
                _note_poll(ledger, event, cast("Polled", event.value), expect, found)
        elif op == "send":
            _note_send(ledger, event, cast("Sent", event.value), expect, found)
        elif op == "txn":
            if event.kind == "ok":
                ledger.transactions.append((event, micro_ops(event)))
            for inner, value in micro_ops(event):
                if inner == "send":
                    _note_send(ledger, event, cast("Sent", value), expect, found)
                elif inner == "poll" and event.kind == "ok":
                    _note_poll(ledger, event, cast("Polled", value), expect, found)
    return ledger


def _note_send(
    ledger: Ledger, event: Event, value: Sent, expect: Expectations, found: Findings
) -> None:
    topic, partition, offset, text = value
    if event.kind == "invoke":
        if text in ledger.sends:
            raise HistoryError(f"{text!r} is sent twice, by event {event.index} too")
        ledger.sends[text] = Send(Key(topic, partition), text, event.process, event)
        return
    send = ledger.sends.get(text)
    if send is None or send.process != event.process:
        raise HistoryError(f"event {event.index} ends a send that process never made: {text!r}")
    if send.end is not None:
        raise HistoryError(f"event {event.index} ends the send of {text!r} a second time")
    send.end = event
    if event.kind == "ok" and offset is not None and offset >= 0:
        send.offset = offset
        facts = ledger.facts(send.key)
        facts.acknowledged.append((event.at_us, offset))
        if topic not in expect.lossy_topics:
            _note_place(facts, send.key, offset, text, event, found)


def _note_poll(
    ledger: Ledger, event: Event, value: Polled, expect: Expectations, found: Findings
) -> None:
    is_final = event.process in expect.final
    sends = ledger.sends
    ledger.records_read += len(value)
    key: Key | None = None
    for topic, partition, offset, text in value:
        if key is None or key.partition != partition or key.topic != topic:
            key = Key(topic, partition)
            facts = ledger.facts(key)
            is_lossy = topic in expect.lossy_topics
            final = facts.final.setdefault(event.process, set()) if is_final else None
        if offset > facts.highest_read:
            facts.highest_read = offset
        if final is not None:
            final.add(offset)
        if offset not in facts.read:
            facts.read[offset] = event
        if not is_lossy:
            _note_place(facts, key, offset, text, event, found)
        send = sends.get(text)
        if send is None:
            found.add(
                "unwritten_read",
                f"{key} offset {offset}: event {event.index} read {text!r}, which nobody had sent",
                (event,),
            )
            continue
        if send.key != key:
            found.add(
                "misplaced_read",
                f"{text!r} was sent to {send.key} and read from {key} offset {offset}",
                (send.invoke, event),
            )
        if send.read is None:
            send.read, send.read_at = event, offset
        elif send.read_at != offset and send.key == key and not is_lossy:
            found.add(
                "duplicate",
                f"{key}: {text!r} was read at offset {send.read_at} (event {send.read.index})"
                f" and at {offset} (event {event.index})",
                (send.invoke, send.read, event),
                is_allowed=send.process in expect.at_least_once,
            )


def _note_place(
    facts: PartitionFacts, key: Key, offset: int, text: str, event: Event, found: Findings
) -> None:
    """Two texts at one offset contradict each other."""
    earlier = facts.known.get(offset)
    if earlier is None:
        facts.known[offset] = (text, event)
    elif earlier[0] != text:
        found.add(
            "inconsistent_offsets",
            f"{key} offset {offset}: {earlier[0]!r} by event {earlier[1].index},"
            f" {text!r} by event {event.index}",
            (earlier[1], event),
        )
