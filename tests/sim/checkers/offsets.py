"""Committed offsets: one register per group and partition, and nothing skipped by a group."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import NamedTuple, cast

from tests.sim.checkers.expectations import Expectations
from tests.sim.checkers.ledger import Key, Ledger
from tests.sim.checkers.linearizable import Operation, Outcome, Verdict, check_linearizable
from tests.sim.checkers.models import Register
from tests.sim.checkers.report import Findings
from tests.sim.history import Committed, Event, Polled


class GroupKey(NamedTuple):
    """One committed offset."""

    group: str
    topic: str
    partition: int


def operations_of(events: Iterable[Event], expect: Expectations) -> dict[GroupKey, list[Operation]]:
    """The commits and the reads of commits, per group and partition.

    A commit of several partitions is one write to each; Kafka promises no more.
    """
    found: dict[GroupKey, list[Operation]] = {}
    begun: dict[tuple[int, str], Event] = {}

    def note(invoke: Event, end: Event | None) -> None:
        group = expect.groups.get(invoke.process, "")
        is_write = invoke.op == "commit"
        source = invoke if is_write or end is None else end
        for topic, partition, offset in cast("Committed", source.value):
            found.setdefault(GroupKey(group, topic, partition), []).append(
                Operation(
                    name="write" if is_write else "read",
                    argument=offset if is_write else None,
                    result=None if is_write else offset,
                    called=invoke.index,
                    returned=None if end is None else end.index,
                    process=invoke.process,
                )
            )

    for event in events:
        if event.op not in ("commit", "committed"):
            continue
        pair = (event.process, event.op)
        if event.kind == "invoke":
            if pair in begun:
                note(begun.pop(pair), None)
            begun[pair] = event
        elif pair in begun:
            invoke = begun.pop(pair)
            if event.kind == "ok":
                note(invoke, event)
            elif event.kind == "info" and event.op == "commit":
                note(invoke, None)
    for invoke in begun.values():
        if invoke.op == "commit":
            note(invoke, None)
    return found


def check_commits(ledger: Ledger, expect: Expectations, found: Findings) -> None:
    """A committed offset is what was committed last, as far as anybody can tell."""
    if "inconsistent_commit" in expect.allowed:
        return  # where any offset will do, the search is long, and says nothing
    registers = operations_of(ledger.events, expect)
    found.figures["committed_offsets"] = len(registers)
    for key, operations in registers.items():
        outcome = check_linearizable(Register(), operations, steps_max=expect.search_steps)
        name = f"group {key.group!r} {key.topic}-{key.partition}"
        if outcome.verdict is Verdict.UNKNOWN:
            found.unknown.append(f"committed offset of {name}: {outcome.explain()}")
        elif outcome.verdict is Verdict.IMPOSSIBLE:
            found.add(
                "inconsistent_commit",
                f"committed offset of {name}: {outcome.explain()}",
                _events(ledger, outcome),
            )


def _events(ledger: Ledger, outcome: Outcome) -> list[Event]:
    shown = [*outcome.placed[-3:], *outcome.stuck[:6]]
    places = [o.called for o in shown] + [o.returned for o in shown if o.returned is not None]
    by_index = {event.index: event for event in ledger.events}
    return [by_index[place] for place in places]


def check_group_reads(ledger: Ledger, expect: Expectations, found: Findings) -> None:
    """Every record up to the committed offset was read by some member of the group."""
    if not expect.commits_follow_reads:
        return
    read: dict[GroupKey, set[int]] = {}
    committed: dict[GroupKey, tuple[int, Event]] = {}
    for event in ledger.events:
        if event.kind != "ok" or event.process not in expect.groups:
            continue
        group = expect.groups[event.process]
        if event.op == "poll":
            for topic, partition, offset, _ in cast("Polled", event.value):
                read.setdefault(GroupKey(group, topic, partition), set()).add(offset)
        elif event.op == "commit":
            for topic, partition, upto in cast("Committed", event.value):
                key = GroupKey(group, topic, partition)
                if upto is not None and upto > committed.get(key, (-1, event))[0]:
                    committed[key] = (upto, event)
    for key, (upto, event) in committed.items():
        seen = read.get(key, set())
        known = sorted(ledger.facts(Key(key.topic, key.partition)).known)
        first = min(seen, default=0)
        lost = [
            o for o in known[bisect_left(known, first) : bisect_left(known, upto)] if o not in seen
        ]
        if lost and key.topic not in expect.deleting_topics:
            found.add(
                "group_skip",
                f"group {key.group!r} committed offset {upto} of {key.topic}-{key.partition}"
                f" (event {event.index}), and no member ever read offset {lost[0]}"
                f" ({len(lost)} such)",
                (event,),
            )
