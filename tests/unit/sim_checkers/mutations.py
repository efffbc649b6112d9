"""Lies: each takes a correct history, makes one thing in it wrong, and says what must be found."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from random import Random
from typing import TypeAlias, cast

from tests.sim.checkers.ledger import micro_ops
from tests.sim.history import Committed, Event, Polled, Sent
from tests.unit.sim_checkers.model_history import FINAL, MEMBERS, READERS

Mutation: TypeAlias = Callable[[list[Event], Random], list[Event] | None]
"""Returns None when the history has no place for this lie."""
Record: TypeAlias = tuple[str, int, int, str]

MUTATIONS: dict[str, tuple[Mutation, frozenset[str]]] = {}


def lie(*names: str) -> Callable[[Mutation], Mutation]:
    """Register a mutation with the names of which at least one must be found."""

    def register(mutation: Mutation) -> Mutation:
        MUTATIONS[mutation.__name__] = (mutation, frozenset(names))
        return mutation

    return register


def records(event: Event) -> Polled:
    return cast("Polled", event.value) if event.op == "poll" and event.kind == "ok" else ()


def polls(events: Iterable[Event], *processes: int) -> list[Event]:
    return [e for e in events if len(records(e)) and (not processes or e.process in processes)]


def put(events: list[Event], *changed: Event) -> list[Event]:
    by_index = {event.index: event for event in changed}
    return [by_index.get(event.index, event) for event in events]


def change_records(
    events: list[Event], change: Callable[[Event, Record], Record | None]
) -> list[Event]:
    """Every record of every poll; None takes it away."""
    changed = []
    for event in polls(events):
        kept = (change(event, record) for record in records(event))
        changed.append(replace(event, value=tuple(r for r in kept if r is not None)))
    return put(events, *changed)


def renumber(events: list[Event]) -> list[Event]:
    return [replace(event, index=index) for index, event in enumerate(events)]


def sends(events: list[Event], kind: str, op: str = "send") -> list[Event]:
    return [event for event in events if event.op == op and event.kind == kind]


def sent(event: Event) -> Sent:
    return cast("Sent", event.value)


def acknowledged(events: list[Event], rng: Random) -> Event | None:
    """An acknowledged send, not of those that may be stored twice, with something read after it."""
    found = [e for e in sends(events, "ok") if e.process in (1, 2)]
    ends: dict[tuple[str, int], int] = {}
    for event in polls(events, FINAL):
        for topic, partition, offset, _ in records(event):
            ends[topic, partition] = offset
    found = [e for e in found if sent(e)[2] != ends.get(sent(e)[:2])]
    return rng.choice(found) if found else None


def dense(poll: Event) -> list[int]:
    """Places in a poll where the next record follows in the same dense partition."""
    held = records(poll)
    return [
        place
        for place in range(len(held) - 1)
        if held[place][0] == "t" and held[place][:2] == held[place + 1][:2]
    ]


@lie("lost_write")
def drop_an_acknowledged_record(events: list[Event], rng: Random) -> list[Event] | None:
    chosen = acknowledged(events, rng)
    if chosen is None:
        return None
    text = sent(chosen)[3]
    return change_records(events, lambda _, record: None if record[3] == text else record)


@lie("vanished_read", "lost_write", "unseen", "poll_skip", "int_poll_skip")
def drop_a_record_from_the_final_reads(events: list[Event], rng: Random) -> list[Event] | None:
    mine = {sent(e)[3] for e in sends(events, "ok") if e.process in (1, 2)}
    chosen = [r for poll in polls(events, FINAL) for r in records(poll) if r[3] in mine]
    if not chosen:
        return None
    gone = rng.choice(chosen)
    return change_records(
        events, lambda e, record: None if e.process == FINAL and record == gone else record
    )


@lie("unseen", "vanished_read")
def cut_the_tail(events: list[Event], rng: Random) -> list[Event] | None:
    del rng
    ends: dict[tuple[str, int], int] = {}
    for event in polls(events):
        for topic, partition, offset, _ in records(event):
            ends[topic, partition] = max(offset, ends.get((topic, partition), 0))
    tails = {sent(e)[:2]: e for e in sends(events, "ok") if ends.get(sent(e)[:2]) == sent(e)[2]}
    if not tails:
        return None
    [(place, chosen), *_] = tails.items()
    last = (*place, chosen.value[2], chosen.value[3])  # type: ignore[index]
    return change_records(events, lambda _, record: None if record == last else record)


@lie("int_nonmonotonic_poll", "int_poll_skip")
def swap_two_records(events: list[Event], rng: Random) -> list[Event] | None:
    chosen = [poll for poll in polls(events) if dense(poll)]
    if not chosen:
        return None
    poll = rng.choice(chosen)
    held = list(records(poll))
    place = rng.choice(dense(poll))
    held[place], held[place + 1] = held[place + 1], held[place]
    return put(events, replace(poll, value=tuple(held)))


@lie("inconsistent_offsets")
def swap_the_texts_of_two_offsets(events: list[Event], rng: Random) -> list[Event] | None:
    chosen = [poll for poll in polls(events, *READERS, *MEMBERS) if dense(poll)]
    if not chosen:
        return None
    poll = rng.choice(chosen)
    held = list(records(poll))
    place = rng.choice(dense(poll))
    one, two = held[place], held[place + 1]
    if one[3] == two[3]:
        return None
    held[place], held[place + 1] = (*one[:3], two[3]), (*two[:3], one[3])
    return put(events, replace(poll, value=tuple(held)))


@lie("int_nonmonotonic_poll")
def hand_out_a_record_twice(events: list[Event], rng: Random) -> list[Event] | None:
    poll = rng.choice(polls(events))
    held = list(records(poll))
    place = rng.randrange(len(held))
    held.insert(place, held[place])
    return put(events, replace(poll, value=tuple(held)))


@lie("duplicate")
def store_a_record_twice(events: list[Event], rng: Random) -> list[Event] | None:
    chosen = acknowledged(events, rng)
    if chosen is None:
        return None
    topic, partition, _, text = sent(chosen)
    last = polls(events, FINAL)[-1]
    end = 1 + max(
        record[2]
        for poll in polls(events)
        for record in records(poll)
        if record[:2] == (topic, partition)
    )
    return put(events, replace(last, value=(*records(last), (topic, partition, end, text))))


@lie("unwritten_read")
def change_a_text(events: list[Event], rng: Random) -> list[Event] | None:
    poll = rng.choice(polls(events))
    held = list(records(poll))
    place = rng.randrange(len(held))
    held[place] = (*held[place][:3], "damaged")
    return put(events, replace(poll, value=tuple(held)))


@lie("inconsistent_offsets", "duplicate")
def acknowledge_another_offset(events: list[Event], rng: Random) -> list[Event] | None:
    chosen = acknowledged(events, rng)
    if chosen is None:
        return None
    topic, partition, offset, text = sent(chosen)
    return put(events, replace(chosen, value=(topic, partition, (offset or 0) + 1, text)))


@lie("aborted_read")
def say_that_a_stored_send_failed(events: list[Event], rng: Random) -> list[Event] | None:
    seen = {record[3] for poll in polls(events) for record in records(poll)}
    chosen = [e for e in (*sends(events, "ok"), *sends(events, "info")) if sent(e)[3] in seen]
    if not chosen:
        return None
    event = rng.choice(chosen)
    topic, partition, _, text = sent(event)
    return put(events, replace(event, kind="fail", value=(topic, partition, None, text)))


@lie("aborted_read")
def abort_a_transaction_that_was_read(events: list[Event], rng: Random) -> list[Event] | None:
    seen = {record[3] for poll in polls(events) for record in records(poll)}
    chosen = [
        event
        for event in sends(events, "ok", "txn")
        if any(cast("Sent", value)[3] in seen for _, value in micro_ops(event))
    ]
    return put(events, replace(rng.choice(chosen), kind="fail")) if chosen else None


@lie("unseen", "lost_write")
def acknowledge_what_was_never_stored(events: list[Event], rng: Random) -> list[Event] | None:
    seen = {record[3] for poll in polls(events) for record in records(poll)}
    chosen = [e for e in (*sends(events, "fail"), *sends(events, "info")) if sent(e)[3] not in seen]
    if not chosen:
        return None
    event = rng.choice(chosen)
    topic, partition, _, text = sent(event)
    return put(events, replace(event, kind="ok", value=(topic, partition, 1 << 20, text)))


@lie("poll_skip", "int_poll_skip", "gap")
def skip_records_of_a_consumer(events: list[Event], rng: Random) -> list[Event] | None:
    """Take records out of one poll of a consumer that goes on from there."""
    chosen = [poll for poll in polls(events, *READERS) if len(dense(poll)) >= 2]
    if not chosen:
        return None
    poll = rng.choice(chosen)
    held = records(poll)
    places = [p for p in dense(poll) if p > 0 and held[p - 1][:2] == held[p][:2]]
    if not places:
        return None
    gone = rng.choice(places)
    return put(events, replace(poll, value=(*held[:gone], *held[gone + 1 :])))


@lie("nonmonotonic_poll")
def read_the_same_again(events: list[Event], rng: Random) -> list[Event] | None:
    poll = rng.choice(polls(events, *READERS, FINAL))
    place = events.index(poll)
    return renumber([*events[: place + 1], poll, *events[place + 1 :]])


@lie("inconsistent_commit")
def read_an_offset_that_nobody_committed(events: list[Event], rng: Random) -> list[Event] | None:
    chosen = [e for e in events if e.op == "committed" and e.kind == "ok"]
    if not chosen:
        return None
    event = rng.choice(chosen)
    (topic, partition, _), *others = cast("Committed", event.value)
    return put(events, replace(event, value=((topic, partition, 999_999), *others)))


@lie("inconsistent_commit")
def forget_a_commit(events: list[Event], rng: Random) -> list[Event] | None:
    chosen = [e for e in events if e.op == "commit" and e.kind == "ok"]
    if not chosen:
        return None
    event = rng.choice(chosen)
    asked = replace(event, op="committed", kind="invoke")
    nothing = tuple(
        (topic, partition, None) for topic, partition, _ in cast("Committed", event.value)
    )
    answer = replace(event, op="committed", value=nothing)
    place = events.index(event) + 1
    return renumber([*events[:place], asked, answer, *events[place:]])


@lie("misplaced_read")
def move_a_record_to_another_partition(events: list[Event], rng: Random) -> list[Event] | None:
    poll = rng.choice(polls(events))
    held = list(records(poll))
    place = rng.randrange(len(held))
    topic, partition, offset, text = held[place]
    held[place] = (topic, partition + 7, offset, text)
    return put(events, replace(poll, value=tuple(held)))


@lie("unwritten_read")
def read_before_it_was_sent(events: list[Event], rng: Random) -> list[Event] | None:
    text = rng.choice(records(rng.choice(polls(events))))[3]
    place = next(i for i, e in enumerate(events) if e.kind == "ok" and text in str(e.value))
    begun = next(
        i
        for i, e in enumerate(events)
        if e.kind == "invoke"
        and e.op in ("send", "txn")
        and any(cast("Sent", value)[3] == text for _, value in micro_ops(e))
    )
    poll = next(e for e in polls(events) if any(record[3] == text for record in records(e)))
    assert begun < place
    rest = [event for event in events if event is not poll]
    return renumber([*rest[:begun], poll, *rest[begun:]])


@lie("gap", "poll_skip", "int_poll_skip")
def leave_an_offset_out(events: list[Event], rng: Random) -> list[Event] | None:
    """From some offset on, everything stands one higher, for everybody."""
    chosen = [record for e in polls(events, FINAL) for record in records(e) if record[0] == "t"]
    if not chosen:
        return None
    topic, partition, first, _ = rng.choice(chosen)

    def shift(value: Record | Sent) -> Record:
        offset = value[2]
        assert offset is not None
        more = value[:2] == (topic, partition) and offset >= first
        return (value[0], value[1], offset + more, value[3])

    changed = [replace(e, value=shift(sent(e))) for e in sends(events, "ok")]
    return put(change_records(events, lambda _, record: shift(record)), *changed)


@lie("nonmonotonic_send", "realtime_send")
def store_sends_in_the_wrong_order(events: list[Event], rng: Random) -> list[Event] | None:
    """Two sends of one process to one partition change places, for everybody."""
    mine = [e for e in sends(events, "ok") if e.process == 1]
    pairs = [(a, b) for a in mine for b in mine if a.index < b.index and sent(a)[:2] == sent(b)[:2]]
    if not pairs:
        return None
    one, two = rng.choice(pairs)
    texts = {sent(one)[3]: sent(two)[3], sent(two)[3]: sent(one)[3]}
    places = {sent(one)[3]: sent(two)[2], sent(two)[3]: sent(one)[2]}
    changed = [replace(e, value=(*sent(e)[:2], places[sent(e)[3]], sent(e)[3])) for e in (one, two)]
    swapped = change_records(events, lambda _, r: (*r[:3], texts.get(r[3], r[3])))
    return put(swapped, *changed)


@lie("group_skip")
def let_a_group_skip_a_record(events: list[Event], rng: Random) -> list[Event] | None:
    """No member reads a record, and yet the group committed past it."""
    tops: dict[tuple[str, int], int] = {}
    for event in events:
        if event.op == "commit" and event.kind == "ok":
            for topic, partition, offset in cast("Committed", event.value):
                tops[topic, partition] = max(offset or 0, tops.get((topic, partition), 0))
    mine = [r for e in polls(events, *MEMBERS) for r in records(e) if r[0] == "t"]
    chosen = [r for r in mine if 0 < r[2] < tops.get(r[:2], 0)]
    if not chosen:
        return None
    gone = rng.choice(chosen)
    return change_records(
        events, lambda e, record: None if e.process in MEMBERS and record == gone else record
    )
