"""What must hold of a history and of the logs that are left when everything is healed.

A first, plain judgement that needs no theory: what was acknowledged is there, at the offset that
was told, once, in order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sim.history import Event, History, polled_of, resumed_of, sent_of
from sim.workload import LogText


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """A send that ended well: the log took it at some time between the two."""

    topic: str
    partition: int
    offset: int
    text: str
    asked_us: int
    told_us: int

    def __str__(self) -> str:
        place = f"{self.topic}-{self.partition}@{self.offset}"
        return f"{self.text[:20]!r} at {place}, told at {self.told_us / 1e6:.3f} s"


def acknowledged(history: History) -> list[Acknowledged]:
    """All of them, in the order of their answers."""
    found = []
    asked: dict[str, int] = {}
    for event in history.of_op("send"):
        topic, partition, offset, text = sent_of(event)
        if event.kind == "invoke":
            asked[text] = event.at_us
        elif event.kind == "ok" and offset is not None:
            found.append(
                Acknowledged(
                    topic=topic,
                    partition=partition,
                    offset=offset,
                    text=text,
                    asked_us=asked[text],
                    told_us=event.at_us,
                )
            )
    return found


def check_logs_are_dense(logs: LogText) -> None:
    """Offsets follow each other, and no text is there twice."""
    for place, records in logs.items():
        offsets = [offset for offset, _ in records]
        assert offsets == list(range(len(offsets))), f"{place}: offsets {offsets[:50]}..."
        seen: dict[str, int] = {}
        for offset, text in records:
            assert text not in seen, f"{place}: {text!r} is at {seen[text]} and at {offset}"
            seen[text] = offset


def check_nothing_was_made_up(history: History, logs: LogText) -> None:
    """Every record was sent, to this partition, and not refused."""
    sent: dict[str, tuple[str, int]] = {}
    refused: set[str] = set()
    for event in history.of_op("send"):
        topic, partition, _, text = sent_of(event)
        sent[text] = (topic, partition)
        if event.kind == "fail":
            refused.add(text)
    for place, records in logs.items():
        for offset, text in records:
            assert sent.get(text) == place, f"{place}@{offset}: {text!r} was never sent there"
            assert text not in refused, f"{place}@{offset}: {text!r} was refused"


def lost(history: History, logs: LogText) -> list[Acknowledged]:
    """What was acknowledged and is not where it was said to be."""
    there = {place: dict(records) for place, records in logs.items()}
    return [
        each
        for each in acknowledged(history)
        if there[each.topic, each.partition].get(each.offset) != each.text
    ]


def check_acknowledged_are_in_order(history: History, logs: LogText) -> None:
    """What a client was told is stored stands in the order in which it was sent, also where no
    offset was told: who does not wait for answers may hear that of the last of some batches."""
    told = {sent_of(event)[3] for event in history.of_op("send", "ok")}
    found = {place: {text: at for at, text in records} for place, records in logs.items()}
    last: dict[tuple[int, str, int], int] = {}
    for event in history.of_op("send", "invoke"):
        topic, partition, _, text = sent_of(event)
        if text in told:
            sender = (event.process, topic, partition)
            offset = found[topic, partition].get(text)
            what = f"{topic}-{partition}: {text[:20]!r} of process {event.process}"
            assert offset is not None, f"{what} was acknowledged, and is nowhere"
            before = last.get(sender, -1)
            assert offset > before, f"{what} is at {offset}, what it sent before is at {before}"
            last[sender] = offset


def check_only_a_tail_was_lost(
    history: History, logs: LogText, losses_us: Sequence[int], gone: Sequence[Acknowledged]
) -> None:
    """A loss of power takes the end of a log: nothing that had been acknowledged by then at a
    higher offset is left."""
    missing = {each.text for each in gone}
    kept = [each for each in acknowledged(history) if each.text not in missing]
    for each in gone:
        era = _era(losses_us, each.asked_us)
        assert era < len(losses_us), f"{each} is lost, and no power was lost after it"
        for other in kept:
            if (other.topic, other.partition) == (each.topic, each.partition):
                later = other.offset > each.offset and _era(losses_us, other.told_us) <= era
                assert not later, f"{each} is lost and {other} is not"


def _era(losses_us: Sequence[int], at_us: int) -> int:
    """How many losses of power came before."""
    return sum(loss < at_us for loss in losses_us)


def check_polls_are_in_order(history: History) -> None:
    """What a process is handed of a partition has rising offsets, until it seeks."""
    positions: dict[tuple[int, str, int], int] = {}
    for event in history:
        if event.op == "poll" and event.kind == "ok":
            for topic, partition, offset, text in polled_of(event):
                key = (event.process, topic, partition)
                assert offset == positions.get(key, offset), (
                    f"process {event.process} was handed {topic}-{partition}@{offset} ({text!r})"
                    f" where {positions[key]} comes next"
                )
                positions[key] = offset + 1
        elif event.op in ("seek", "assign", "crash"):
            _forget(positions, event)


def _forget(positions: dict[tuple[int, str, int], int], event: Event) -> None:
    for key in [key for key in positions if key[0] == event.process]:
        if event.op != "seek" or event.value[:2] == key[1:]:  # type: ignore[index]
            del positions[key]


def check_polls_agree_with_logs(history: History, logs: Mapping[tuple[str, int], object]) -> None:
    """Where nothing was lost, everybody was handed what the log holds in the end."""
    for event in history.of_op("poll", "ok"):
        for topic, partition, offset, text in polled_of(event):
            records = logs.get((topic, partition))
            if records is not None:
                assert isinstance(records, list)
                assert offset < len(records), f"{topic}-{partition}@{offset} {text!r} is gone"
                assert records[offset][1] == text, (
                    f"{topic}-{partition}@{offset}: process {event.process} was handed {text!r},"
                    f" the log holds {records[offset][1]!r}"
                )


def check_committed(history: History, found: Mapping[tuple[str, int], int | None]) -> None:
    """The offset that is read back is the one committed last, or one whose fate was open then."""
    for (topic, partition), offset in found.items():
        commits = _commits(history, topic, partition)
        done = [each for each in commits if each.is_certain]
        if not done:
            continue
        last = max(done, key=lambda each: each.told_us)
        possible = {each.offset for each in commits if each.told_us >= last.asked_us}
        assert offset in possible, (
            f"{topic}-{partition}: {offset} is committed, expected one of {sorted(possible)}"
        )


def check_resumed(history: History) -> None:
    """A member that joined goes on at what its group had committed last by then, or at what was
    being committed meanwhile."""
    asked: dict[int, Event] = {}
    for event in history.of_op("resume"):
        if event.kind == "invoke":
            asked[event.process] = event
        elif event.kind == "ok":
            began = asked[event.process]
            for topic, partition, offset in resumed_of(event)[1]:
                commits = _commits(history, topic, partition)
                done = [each for each in commits if each.told_us < began.at_us]
                if not done:
                    continue
                last = max(done, key=lambda each: each.told_us)
                possible = {
                    each.offset
                    for each in commits
                    if each.told_us >= last.asked_us and each.asked_us <= event.at_us
                }
                assert offset in possible, (
                    f"process {event.process} was to go on at {offset} in {topic}-{partition},"
                    f" expected one of {sorted(possible)}"
                )


def check_generations(history: History) -> None:
    """Nobody commits as a member of a generation once a later one is complete."""
    newest = -1
    member_of: dict[int, int] = {}
    newest_at_commit: dict[int, int] = {}
    for event in history:
        if event.op == "resume" and event.kind == "invoke":
            generation = resumed_of(event)[0]
            member_of[event.process] = generation
            newest = max(newest, generation)
        elif event.op == "commit" and event.kind == "invoke":
            newest_at_commit[event.process] = newest
        elif event.op == "commit" and event.kind == "ok":
            generation = member_of[event.process]
            assert generation >= newest_at_commit[event.process], (
                f"process {event.process} committed in generation {generation}, when"
                f" {newest_at_commit[event.process]} was complete"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Commit:
    offset: int
    asked_us: int
    told_us: int
    is_certain: bool


def _commits(history: History, topic: str, partition: int) -> list[_Commit]:
    found: list[_Commit] = []
    asked: dict[int, Event] = {}
    for event in history.of_op("commit"):
        if event.kind == "invoke":
            asked[event.process] = event
            continue
        began = asked.pop(event.process)
        found += _commit_of(began, event, topic, partition)
    for began in asked.values():
        found += _commit_of(began, None, topic, partition)
    return found


def _commit_of(began: Event, ended: Event | None, topic: str, partition: int) -> list[_Commit]:
    if ended is not None and ended.kind == "fail":
        return []
    is_certain = ended is not None and ended.kind == "ok"
    value = began.value
    assert isinstance(value, tuple)
    return [
        _Commit(
            offset=offset,
            asked_us=began.at_us,
            told_us=ended.at_us if ended is not None and is_certain else 2**62,
            is_certain=is_certain,
        )
        for at_topic, at_partition, offset in value
        if (at_topic, at_partition) == (topic, partition)
    ]


def polled_offsets(history: History, processes: Sequence[int]) -> dict[tuple[str, int], set[int]]:
    """Every offset that some of these processes were handed."""
    found: dict[tuple[str, int], set[int]] = {}
    for event in history.of_op("poll", "ok"):
        if event.process in processes:
            for topic, partition, offset, _ in polled_of(event):
                found.setdefault((topic, partition), set()).add(offset)
    return found
