r"""What became of each send: lost, read though it failed, stored twice, out of order.

acknowledged --- read by somebody ------------------------------ good
             \-- never read, and somebody read further --------- lost_write
              \- not found by a final reader ------------------- unseen
failed --------- read by somebody ------------------------------ aborted_read
unknown -------- anything goes, at most once
"""

from __future__ import annotations

from typing import cast

from tests.sim.checkers.expectations import Expectations
from tests.sim.checkers.ledger import Key, Ledger, Send, micro_ops
from tests.sim.checkers.report import Findings
from tests.sim.history import Event, Polled, ProducerIdentity, Sent


def check_outcomes(ledger: Ledger, expect: Expectations, found: Findings) -> None:
    """Every send against what was read of it."""
    unseen = 0
    for send in ledger.sends.values():
        if send.is_failed and send.read is not None:
            found.add(
                "aborted_read",
                f"{send.key}: {send.text!r} certainly failed (event {_index(send.end)}), and event"
                f" {send.read.index} read it at offset {send.read_at}",
                (send.invoke, send.end, send.read),
            )
        if send.key.topic in expect.lossy_topics:
            continue
        if send.is_ok and send.read is not None and send.offset not in (None, send.read_at):
            found.add(
                "duplicate",
                f"{send.key}: {send.text!r} was acknowledged at offset {send.offset} and read at"
                f" {send.read_at}",
                (send.invoke, send.end, send.read),
                is_allowed=send.process in expect.at_least_once,
            )
        if send.is_ok and send.key.topic not in expect.deleting_topics:
            unseen += _check_unread(ledger, send, found)
    found.figures["unseen"] = unseen
    for key, facts in ledger.partitions.items():
        if not expect.keeps(key.topic):
            continue
        for process, began in ledger.final_began.items():
            missing = facts.read.keys() - facts.final.get(process, set())
            for offset in sorted(each for each in missing if facts.read[each].index < began):
                found.add(
                    "vanished_read",
                    f"{key} offset {offset}: {facts.known[offset][0]!r} was read by event"
                    f" {facts.read[offset].index}, and process {process} did not find it in the"
                    " end",
                    (facts.read[offset],),
                )


def _check_unread(ledger: Ledger, send: Send, found: Findings) -> int:
    """An acknowledged send that nobody read, or not before a final reader that did not find it.
    Returns 1 when nobody read so far."""
    facts = ledger.facts(send.key)
    if send.read is None and send.offset is not None and send.offset <= facts.highest_read:
        found.add(
            "lost_write",
            f"{send.key} offset {send.offset}: {send.text!r} was acknowledged, and nobody read it"
            f" although offset {facts.highest_read} was read",
            (send.invoke, send.end),
        )
        return 0
    assert send.end is not None
    for process, began in ledger.final_began.items():
        if send.end.index > began or (send.read is not None and send.read.index < began):
            continue
        offsets = facts.final.get(process, set())
        if send.read_at not in offsets:
            found.add(
                "unseen",
                f"{send.key}: {send.text!r} was acknowledged at offset {send.offset}, and the final"
                f" reads of process {process} ended at {max(offsets, default=-1)}",
                (send.invoke, send.end),
            )
    return int(send.read is None)


class _Floor:
    """The highest offset of a partition that was seen in use, and by which event."""

    __slots__ = ("event", "offset")

    def __init__(self) -> None:
        self.offset = -1
        self.event: Event | None = None

    def raise_to(self, offset: int, event: Event) -> None:
        if offset > self.offset:
            self.offset, self.event = offset, event


def check_order(ledger: Ledger, expect: Expectations, found: Findings) -> None:
    """A send that begins after an offset was seen in use gets a higher one.

    That holds for one process (nonmonotonic_send) and between processes (realtime_send).
    """
    seen: dict[Key, _Floor] = {}
    own: dict[tuple[int, Key], _Floor] = {}
    begun: dict[str, tuple[_Floor, _Floor]] = {}
    for event in ledger.events:
        if event.op not in ("send", "poll", "txn"):
            continue
        for op, value in micro_ops(event):
            if op == "send":
                topic, partition, offset, text = cast("Sent", value)
                if topic in expect.lossy_topics:
                    continue
                key = Key(topic, partition)
                overall = seen.setdefault(key, _Floor())
                mine = own.setdefault((event.process, key), _Floor())
                if event.kind == "invoke":
                    begun[text] = (_copy(overall), _copy(mine))
                elif event.kind == "ok" and offset is not None and offset >= 0:
                    _judge_send(found, key, ledger.sends[text], *begun.pop(text))
                    overall.raise_to(offset, event)
                    mine.raise_to(offset, event)
            elif op == "poll" and event.kind == "ok":
                _note_read(seen, event, cast("Polled", value))
    _check_pipelines(ledger, expect, found)


def _note_read(seen: dict[Key, _Floor], event: Event, polled: Polled) -> None:
    last: tuple[str, int] | None = None
    for topic, partition, offset, _ in polled:
        if (topic, partition) != last:
            last = (topic, partition)
            floor = seen.setdefault(Key(topic, partition), _Floor())
        if offset > floor.offset:
            floor.offset, floor.event = offset, event


def _copy(floor: _Floor) -> _Floor:
    copied = _Floor()
    copied.offset, copied.event = floor.offset, floor.event
    return copied


def _judge_send(found: Findings, key: Key, send: Send, overall: _Floor, mine: _Floor) -> None:
    assert send.offset is not None
    for name, floor in (("nonmonotonic_send", mine), ("realtime_send", overall)):
        if send.offset <= floor.offset:
            found.add(
                name,
                f"{key}: {send.text!r} got offset {send.offset} although it was sent (event"
                f" {send.invoke.index}) after offset {floor.offset} was in use (event"
                f" {_index(floor.event)})",
                (floor.event, send.invoke, send.end),
            )
            return


def _check_pipelines(ledger: Ledger, expect: Expectations, found: Findings) -> None:
    """Ordered processes with several sends under way: offsets follow the order of the sends."""
    last: dict[tuple[int, Key], Send] = {}
    for send in ledger.sends.values():
        if send.process not in expect.ordered or send.offset is None:
            continue
        if send.key.topic in expect.lossy_topics:
            continue
        before = last.get((send.process, send.key))
        last[send.process, send.key] = send
        if before is None or before.offset is None or before.offset < send.offset:
            continue
        if before.end is not None and before.end.index > send.invoke.index:
            found.add(
                "nonmonotonic_send",
                f"{send.key}: process {send.process} sent {before.text!r} and then {send.text!r},"
                f" and they got the offsets {before.offset} and {send.offset}",
                (before.invoke, before.end, send.invoke, send.end),
            )


def check_producer_ids(ledger: Ledger, found: Findings) -> None:
    """No two producers are given the same id and epoch."""
    given: dict[ProducerIdentity, Event] = {}
    for event in ledger.events:
        if event.op == "producer_id" and event.kind == "ok":
            identity = cast("ProducerIdentity", event.value)
            earlier = given.setdefault(identity, event)
            if earlier is not event:
                found.add(
                    "producer_id_twice",
                    f"events {earlier.index} and {event.index} were given producer id"
                    f" {identity[0]}, epoch {identity[1]}",
                    (earlier, event),
                )
    found.figures["producer_ids"] = len(given)


def check_transactions(ledger: Ledger, found: Findings) -> None:
    """Sends inside of one transaction: offsets ascend; others may have written between."""
    for event, inner in ledger.transactions:
        last: dict[Key, int] = {}
        for op, value in inner:
            if op != "send":
                continue
            topic, partition, offset, text = cast("Sent", value)
            if offset is None or offset < 0:
                continue
            key = Key(topic, partition)
            before = last.get(key)
            last[key] = offset
            if before is None or offset == before + 1:
                continue
            if offset <= before:
                found.add(
                    "int_nonmonotonic_send",
                    f"{key}: one transaction sent {text!r} to offset {offset} after {before}",
                    (event,),
                )
            elif any(place in ledger.facts(key).known for place in range(before + 1, offset)):
                found.add(
                    "int_send_skip",
                    f"{key}: one transaction sent to offset {before}, and next {text!r} to"
                    f" {offset}",
                    (event,),
                )


def _index(event: Event | None) -> str:
    return "none" if event is None else str(event.index)
