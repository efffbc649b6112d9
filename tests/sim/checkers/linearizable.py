"""Linearizability: is there one order of all operations that a single object could have shown?

Wing and Gong's search with Lowe's memory of the places already tried. Each operation must take
effect between its call and its return; one whose outcome is unknown may take effect at any time
after its call, or never.

    remaining, oldest call first:    a-----|        b and c may go first only while they were called
                                        b------|    before the first return of what remains
                                      c ........    (unknown: no return)

    search(remaining, state): all that returned are placed -> linearizable
                              try each candidate the model accepts; (placed, state) is tried once
                              one that only looks is placed at once, and nothing else tried instead:
                              it is in nobody's way there
                              of unknown ones that do the same, the oldest is tried, where it does
                              change something

Not all reads are linearizable. One that is answered from a copy of the object, as the copy was at
some time, is an operation that may take effect long before its call: `called` is -1. If copies
do not go back, it does not take effect before what the same copy had answered (`follows`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Generic, Protocol, TypeVar

FOREVER = 1 << 62

S = TypeVar("S", bound=Hashable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One call and what came of it.

    Args:
        name: what the model knows it by.
        argument: what it was called with.
        result: what it answered; of no meaning when `returned` is None.
        called: place of the call in the history, or -1.
        returned: place of the answer; None when the outcome is unknown.
        process: who called.
        follows: place of the answer of an operation that took effect before this one.
    """

    name: str
    argument: object = None
    result: object = None
    called: int
    returned: int | None
    process: int = 0
    follows: int | None = None


class Model(Protocol[S]):
    """What one object does, one operation at a time."""

    @property
    def initial(self) -> S:
        """The state before the first operation."""

    def step(self, state: S, operation: Operation) -> S | None:
        """The state after the operation; None when its result cannot come from this state.

        An operation of unknown outcome has no result: any would do.
        """

    def only_looks(self, operation: Operation) -> bool:
        """Whether its answer says that it changed nothing, whatever the state was."""

    def useful(self, operations: Sequence[Operation]) -> list[Operation]:
        """All but those of unknown outcome that could not explain any answer."""


class Verdict(Enum):
    """What the search found."""

    LINEARIZABLE = "linearizable"
    IMPOSSIBLE = "impossible"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The end of one search.

    Args:
        placed: the longest order found, which is a proof when all is well.
        stuck: operations of which none could come next after `placed`.
        steps: how often the model was asked.
    """

    verdict: Verdict
    placed: tuple[Operation, ...] = ()
    stuck: tuple[Operation, ...] = ()
    steps: int = 0

    def explain(self) -> str:
        """One sentence for people."""
        if self.verdict is Verdict.LINEARIZABLE:
            return f"{len(self.placed)} operations fit into one order"
        if self.verdict is Verdict.UNKNOWN:
            return f"no order was found in {self.steps} steps"
        done = ", ".join(map(say, self.placed[-3:])) or "nothing"
        return f"after {done} none of these can come next: {'; '.join(map(say, self.stuck[:6]))}"


def say(operation: Operation) -> str:
    """An operation in a few words."""
    argument = "" if operation.argument is None else repr(operation.argument)
    end = "unknown" if operation.returned is None else repr(operation.result)
    return f"{operation.name}({argument}) -> {end} [process {operation.process}]"


def check_linearizable(
    model: Model[S], operations: Iterable[Operation], *, steps_max: int = 500_000
) -> Outcome:
    """Search for an order.

    Args:
        operations: everything done to one object; failed operations are left out by the caller.
        steps_max: questions to the model before the search gives up with UNKNOWN.
    """
    kept = model.useful(sorted(operations, key=lambda operation: operation.called))
    return _Search(model, kept, steps_max).run()


class _Search(Generic[S]):
    """One depth-first search over the operations of one object.

    Operations with an answer come first in the numbering, those of unknown outcome after them; both
    by the time of their call.
    """

    def __init__(self, model: Model[S], operations: list[Operation], steps_max: int) -> None:
        self._model = model
        self._steps_max = steps_max
        self._steps_left = steps_max
        answered = [o for o in operations if o.returned is not None]
        self._answered_count = len(answered)
        self._operations = answered + [o for o in operations if o.returned is None]
        places = {o.returned: place for place, o in enumerate(answered)}
        self._follows = [None if o.follows is None else places[o.follows] for o in self._operations]
        kinds: dict[tuple[str, object], int] = {}
        self._kinds = [
            kinds.setdefault((o.name, o.argument), place)
            for place, o in enumerate(self._operations)
        ]
        self._looks = [model.only_looks(o) for o in self._operations]
        self._returns = [FOREVER if o.returned is None else o.returned for o in self._operations]
        self._answered = _Remaining(0, len(answered))
        self._unknown = _Remaining(len(answered), len(self._operations))

    def run(self) -> Outcome:
        operations = self._operations
        placed: list[int] = []
        best: list[int] = []
        best_stuck: list[int] = []
        tried: set[tuple[int, int, int, S]] = set()
        stack: list[tuple[deque[int], S]] = [(deque(self._candidates()), self._model.initial)]
        while not self._answered.is_empty:
            pending, state = stack[-1]
            while pending:
                if self._steps_left == 0:
                    return Outcome(verdict=Verdict.UNKNOWN, steps=self._steps_max)
                self._steps_left -= 1
                place = pending.popleft()
                after = self._model.step(state, operations[place])
                if after is None or (place >= self._answered_count and after == state):
                    continue
                if self._looks[place]:
                    pending.clear()
                self._list_of(place).take(place)
                position = (*self._answered.position(), self._unknown.mask, after)
                if position in tried:
                    self._list_of(place).put_back(place)
                    continue
                tried.add(position)
                placed.append(place)
                stack.append((deque(self._candidates()), after))
                break
            else:
                if len(placed) >= len(best):
                    best, best_stuck = placed.copy(), self._candidates()
                stack.pop()
                if not placed:
                    return self._outcome(Verdict.IMPOSSIBLE, best, best_stuck)
                place = placed.pop()
                self._list_of(place).put_back(place)
        return self._outcome(Verdict.LINEARIZABLE, placed, [])

    def _outcome(self, verdict: Verdict, placed: list[int], stuck: list[int]) -> Outcome:
        operations = self._operations
        return Outcome(
            verdict=verdict,
            placed=tuple(operations[place] for place in placed),
            stuck=tuple(operations[place] for place in stuck),
            steps=self._steps_max - self._steps_left,
        )

    def _list_of(self, place: int) -> _Remaining:
        return self._answered if place < self._answered_count else self._unknown

    def _candidates(self) -> list[int]:
        """Operations that may come next; those of unknown outcome last, for few are needed."""
        found: list[int] = []
        first_return = FOREVER
        for place in self._answered:
            if self._operations[place].called > first_return:
                break
            follows = self._follows[place]
            if follows is None or self._answered.mask >> follows & 1:
                found.append(place)
            first_return = min(first_return, self._returns[place])
        kinds: set[int] = set()
        for place in self._unknown:
            if self._operations[place].called > first_return:
                break
            if self._kinds[place] not in kinds:
                kinds.add(self._kinds[place])
                found.append(place)
        return found


class _Remaining:
    """Operations not placed yet: a list linked both ways, to take one out and put it back cheaply.

    Args:
        start: number of the first operation.
        end: number after the last one; it stands for the head of the list.
    """

    def __init__(self, start: int, end: int) -> None:
        self._start = start
        self._head = end - start
        self.mask = 0
        """A bit for each operation taken."""
        self._next: list[int] = [*range(1, self._head + 1), 0]
        self._before: list[int] = [self._head, *range(self._head)]

    @property
    def is_empty(self) -> bool:
        return self._next[self._head] == self._head

    def position(self) -> tuple[int, int]:
        """What was taken: the first that remains, and a mask of those taken after it."""
        first = self._next[self._head]
        return first, self.mask >> first

    def __iter__(self) -> Iterator[int]:
        place = self._next[self._head]
        while place != self._head:
            yield place + self._start
            place = self._next[place]

    def take(self, number: int) -> None:
        place = number - self._start
        before, after = self._before[place], self._next[place]
        self._next[before], self._before[after] = after, before
        self.mask |= 1 << place

    def put_back(self, number: int) -> None:
        place = number - self._start
        self._next[self._before[place]] = place
        self._before[self._next[place]] = place
        self.mask &= ~(1 << place)


def check_by_key(
    model: Model[S],
    operations: Mapping[Hashable, Sequence[Operation]],
    *,
    steps_max: int = 500_000,
) -> dict[Hashable, Outcome]:
    """The same for many independent objects: an object that is good is good whatever others do."""
    return {
        key: check_linearizable(model, found, steps_max=steps_max)
        for key, found in operations.items()
    }
