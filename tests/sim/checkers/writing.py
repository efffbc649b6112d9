r"""What became of each send: lost, read though it failed, stored twice, out of order.

acknowledged --- read by somebody ------------------------------ good
             \-- never read, and somebody read further --------- lost_write
              \- never read, nobody read so far ---------------- unseen (after a final phase)
failed --------- read by somebody ------------------------------ aborted_read
unknown -------- anything goes, at most once
"""

from __future__ import annotations

from typing import cast

from tests.sim.checkers.expectations import Expectations
from tests.sim.checkers.ledger import Key, Ledger, Send, micro_ops
from tests.sim.checkers.report import Findings
from tests.sim.history import Event, Polled, Sent


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
        if send.is_ok and send.read is not None and send.offset not in (None, send.read_at):
            found.add(
                "duplicate",
                f"{send.key}: {send.text!r} was acknowledged at offset {send.offset} and read at"
                f" {send.read_at}",
                (send.invoke, send.end, send.read),
                is_allowed=send.process in expect.at_least_once,
            )
        if send.key.topic in expect.deleting_topics:
            continue
        if send.is_ok and send.read is None:
            unseen += _check_unread(ledger, send, expect, found)
    found.figures["unseen"] = unseen
    for key, facts in ledger.partitions.items():
        if not expect.final or key.topic in expect.deleting_topics:
            continue
        for offset in sorted(facts.read.keys() - facts.final):
            found.add(
                "vanished_read",
                f"{key} offset {offset}: {facts.known[offset][0]!r} was read by event"
                f" {facts.read[offset].index}, and the final reads did not find it",
                (facts.read[offset],),
            )


def _check_unread(ledger: Ledger, send: Send, expect: Expectations, found: Findings) -> int:
    """An acknowledged send that nobody read. Returns 1 when nobody read so far."""
    highest = ledger.facts(send.key).highest_read
    if send.offset is not None and send.offset <= highest:
        found.add(
            "lost_write",
            f"{send.key} offset {send.offset}: {send.text!r} was acknowledged, and nobody read it"
            f" although offset {highest} was read",
            (send.invoke, send.end),
        )
        return 0
    if expect.final:
        found.add(
            "unseen",
            f"{send.key}: {send.text!r} was acknowledged at offset {send.offset}, and the final"
            f" reads ended at {highest}",
            (send.invoke, send.end),
        )
    return 1


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
        for op, value in micro_ops(event):
            if op == "send":
                topic, partition, offset, text = cast("Sent", value)
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
