"""What must hold of a history and of the logs that are left when everything is healed.

`check_history` asks the checkers, which judge what clients did, the readers among them that read
everything in the end. What is left here is what they do not know of: the order of sends whose
offsets nobody was told, and what a loss of power may take.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sim.history import Event, History, polled_of, resumed_of, sent_of
from sim.workload import LogText, Workload

from tests.sim.checkers.expectations import ALWAYS_ALLOWED, Expectations
from tests.sim.checkers.kafka import check

OBSERVER = 0
"""The process that reads committed offsets back."""
GIVEN_UP = "the search for an order of commits was given up"
SEARCH_STEPS_MAX = 200_000
"""A second of CPU."""
_LOST_WITH_THE_POWER = frozenset({"inconsistent_commit"})


def check_history(workload: Workload, group: str, *, lossy_topics: Sequence[str] = ()) -> bool:
    """What the checkers say.

    Args:
        group: the one that there is; all subscribers are members.
        lossy_topics: may have lost what was not synced; so may the committed offsets, then.

    Returns: False when a search was given up, so that a part of it has no verdict.

    Raises:
        AssertionError: the anomalies by name, with the events that show them.
    """
    assert workload.final_readers, "nobody read everything"
    history = workload.history
    members = [event.process for event in history.of_op("subscribe", "ok")]
    report = check(
        history,
        Expectations(
            lossy_topics=frozenset(lossy_topics),
            final=frozenset(workload.final_readers),
            judge_subscribers=True,
            groups=dict.fromkeys((*members, OBSERVER), group),
            commits_follow_reads=True,
            allowed=ALWAYS_ALLOWED | (_LOST_WITH_THE_POWER if lossy_topics else frozenset()),
            search_steps=SEARCH_STEPS_MAX,
        ),
    )
    assert report.is_good, report.text()
    return not report.unknown


def check_texts_are_there_once(logs: LogText) -> None:
    """Also in a log that lost its end: what is left of it has nothing twice."""
    for place, records in logs.items():
        seen: dict[str, int] = {}
        for offset, text in records:
            assert text not in seen, f"{place}: {text!r} is at {seen[text]} and at {offset}"
            seen[text] = offset


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


def lost(history: History, logs: LogText) -> list[Acknowledged]:
    """What was acknowledged in these logs and is not where it was said to be."""
    there = {place: dict(records) for place, records in logs.items()}
    return [
        each
        for each in acknowledged(history)
        if (each.topic, each.partition) in there
        and there[each.topic, each.partition].get(each.offset) != each.text
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
    history: History, losses_us: Sequence[int], gone: Sequence[Acknowledged]
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
