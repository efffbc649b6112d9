"""How long clients heard nothing, from a history."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import pairwise

from tests.sim.history import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """The longest time in which one client got nothing.

    Args:
        process: the client.
        seconds: between two answers, or between an answer and an end of the time looked at.
    """

    process: int
    seconds: float


def longest_silence(
    history: Iterable[Event], processes: Collection[int], began_us: int, ended_us: int
) -> Silence | None:
    """Of these clients, from one time to another.

    A send that is acknowledged is an answer, and a poll that has records. A client is judged while
    it works: from its first event on, and until its last.

    Returns: None when none of them worked then.
    """
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    heard: dict[int, list[int]] = {}
    for event in history:
        if event.process in processes:
            first.setdefault(event.process, event.at_us)
            last[event.process] = event.at_us
            if _is_answer(event) and began_us <= event.at_us <= ended_us:
                heard.setdefault(event.process, []).append(event.at_us)
    longest: Silence | None = None
    for process in sorted(first):
        begin, end = max(began_us, first[process]), min(ended_us, last[process])
        if begin >= end:
            continue
        times = [begin, *heard.get(process, []), end]
        seconds = max(b - a for a, b in pairwise(times)) / 1e6
        if longest is None or seconds > longest.seconds:
            longest = Silence(process=process, seconds=seconds)
    return longest


def _is_answer(event: Event) -> bool:
    return event.kind == "ok" and (event.op == "send" or (event.op == "poll" and event.value != ()))
