"""What single objects do: a register, a set of topics, one topic, a map of configs, unique ids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import cast

from tests.sim.checkers.linearizable import Operation, Outcome, Verdict

Items = tuple[tuple[str, Hashable], ...]


def _all_but_unknown(operations: Sequence[Operation], *names: str) -> list[Operation]:
    """Without those of unknown outcome, save for the named ones, which change something."""
    return [o for o in operations if o.returned is not None or o.name in names]


@dataclass(frozen=True, slots=True)
class Held:
    """What a register holds; wrapped, since None may be held."""

    value: object


@dataclass(frozen=True, slots=True)
class Register:
    """write(value); read() -> value. A group's offset of a partition is one.

    Args:
        first: what is read before anything was written.
    """

    first: Hashable = None

    @property
    def initial(self) -> Held:
        """See Model."""
        return Held(self.first)

    def step(self, state: Held, operation: Operation) -> Held | None:
        """See Model."""
        if operation.name == "write":
            return Held(operation.argument)
        assert operation.name == "read", operation.name
        return state if operation.returned is None or operation.result == state.value else None

    def useful(self, operations: Sequence[Operation]) -> list[Operation]:
        """A write of unknown outcome that nobody read may as well never have taken effect."""
        seen = {o.result for o in operations if o.name == "read" and o.returned is not None}
        kept = _all_but_unknown(operations, "write")
        return [o for o in kept if o.returned is not None or o.argument in seen]


@dataclass(frozen=True, slots=True)
class TopicSet:
    """create(name) and delete(name) -> did it; exists(name) -> bool; list() -> frozenset of names.

    `did it` is False for TOPIC_ALREADY_EXISTS and UNKNOWN_TOPIC_OR_PARTITION: definite answers that
    say what the state was.
    """

    initial: frozenset[str] = frozenset()

    def step(self, state: frozenset[str], operation: Operation) -> frozenset[str] | None:
        """See Model."""
        name = operation.name
        if name == "list":
            return state if operation.returned is None or operation.result == state else None
        topic = cast("str", operation.argument)
        if name == "exists":
            is_there = topic in state
            return state if operation.returned is None or operation.result == is_there else None
        if name == "create":
            did, after = topic not in state, state | {topic}
        else:
            assert name == "delete", name
            did, after = topic in state, state - {topic}
        return after if operation.returned is None or operation.result == did else None

    def useful(self, operations: Sequence[Operation]) -> list[Operation]:
        """See Model."""
        return _all_but_unknown(operations, "create", "delete")


class Absent(Enum):
    """There is no topic: None would say that an operation does not fit."""

    ABSENT = "absent"


ABSENT = Absent.ABSENT


@dataclass(frozen=True, slots=True)
class TopicState:
    """A topic as the controller knows it."""

    partitions: int
    configs: Items = ()


@dataclass(frozen=True, slots=True)
class TopicLife:
    """All that is done to one topic name:

    create(partitions) and delete() -> did it; grow(total) -> did it; set((name, value)) -> did it;
    describe() -> TopicState, or None where there is no topic.

    `did it` is False for TOPIC_ALREADY_EXISTS, INVALID_PARTITIONS (it has as many, or more) and
    UNKNOWN_TOPIC_OR_PARTITION: definite answers that say what the state was. A grow that finds no
    topic answers None, to tell the two apart.
    """

    initial: TopicState | Absent = ABSENT

    def step(self, state: TopicState | Absent, operation: Operation) -> TopicState | Absent | None:
        """See Model."""
        answer, after = self._outcome(state, operation)
        return after if operation.returned is None or operation.result == answer else None

    def _outcome(
        self, state: TopicState | Absent, operation: Operation
    ) -> tuple[object, TopicState | Absent]:
        """What the operation answers in this state, and the state after it."""
        match operation.name, state:
            case "describe", TopicState():
                return state, state
            case "describe", _:
                return None, state
            case "create", TopicState():
                return False, state
            case "create", _:
                return True, TopicState(cast("int", operation.argument))
            case "delete", TopicState():
                return True, ABSENT
            case "grow", TopicState(partitions, configs):
                total = cast("int", operation.argument)
                if total <= partitions:
                    return False, state
                return True, TopicState(total, configs)
            case "grow", _:
                return None, state
            case "set", TopicState(partitions, configs):
                name, value = cast("tuple[str, Hashable]", operation.argument)
                return True, TopicState(partitions, _items(dict(configs) | {name: value}))
            case (("delete" | "set"), _):
                return False, state
            case other, _:
                raise AssertionError(other)

    def useful(self, operations: Sequence[Operation]) -> list[Operation]:
        """See Model."""
        return _all_but_unknown(operations, "create", "delete", "grow", "set")


@dataclass(frozen=True, slots=True)
class ConfigMap:
    """set((name, value)), delete(name), compare_and_set((name, old, new)) -> did it;
    get(name) -> value or None; describe() -> ((name, value), ...) in the order of the names.
    """

    initial: Items = ()

    def step(self, state: Items, operation: Operation) -> Items | None:
        """See Model."""
        held = dict(state)
        argument = operation.argument
        match operation.name:
            case "set":
                name, value = cast("tuple[str, Hashable]", argument)
                return _items(held | {name: value})
            case "delete":
                held.pop(cast("str", argument), None)
                return _items(held)
            case "compare_and_set":
                name, old, new = cast("tuple[str, Hashable, Hashable]", argument)
                did = held.get(name) == old
                if operation.returned is not None and operation.result != did:
                    return None
                return _items(held | {name: new}) if did else state
            case "get":
                seen: object = held.get(cast("str", argument))
            case "describe":
                seen = state
            case other:
                raise AssertionError(other)
        return state if operation.returned is None or operation.result == seen else None

    def useful(self, operations: Sequence[Operation]) -> list[Operation]:
        """See Model."""
        return _all_but_unknown(operations, "set", "delete", "compare_and_set")


def _items(held: dict[str, Hashable]) -> Items:
    return tuple(sorted(held.items()))


@dataclass(frozen=True, slots=True)
class ProducerEpochs:
    """init() -> (producer id, epoch) for one transactional id: InitProducerId, KIP-360.

    Each one fences those before: the same id with a higher epoch, or another id from epoch 0 on.
    """

    initial: tuple[int, int] = (-1, -1)

    def step(self, state: tuple[int, int], operation: Operation) -> tuple[int, int] | None:
        """See Model."""
        producer_id, epoch = state
        if operation.returned is None:
            return producer_id, epoch + 1
        got_id, got_epoch = cast("tuple[int, int]", operation.result)
        if got_id == producer_id:
            return (got_id, got_epoch) if got_epoch > epoch else None
        return (got_id, got_epoch) if got_epoch == 0 else None

    def useful(self, operations: Sequence[Operation]) -> list[Operation]:
        """A lost answer leaves a gap between epochs, which is allowed anyway."""
        return _all_but_unknown(operations)


def check_unique_ids(operations: Sequence[Operation], *, ascending: bool = False) -> Outcome:
    """next() -> id: no id is given twice (producer ids, group ids).

    An order always exists for unique ids, so no search is needed: ids are compared.

    Args:
        ascending: an id that is asked for after another was answered is higher. Producer ids come
            in blocks per node and need not.
    """
    answered = [o for o in operations if o.returned is not None]
    counts = Counter(o.result for o in answered)
    stuck = [o for o in answered if counts[o.result] > 1]
    if ascending and not stuck:
        stuck = _descending(answered)
    verdict = Verdict.IMPOSSIBLE if stuck else Verdict.LINEARIZABLE
    placed = tuple(o for o in answered if o not in stuck)
    return Outcome(verdict=verdict, placed=placed, stuck=tuple(stuck), steps=len(answered))


def _descending(answered: Sequence[Operation]) -> list[Operation]:
    """The first operation called after a higher id was answered, with that answer."""
    returns = sorted(answered, key=lambda o: o.returned or 0)
    place = 0
    highest: Operation | None = None
    for operation in sorted(answered, key=lambda o: o.called):
        while place < len(returns) and (returns[place].returned or 0) < operation.called:
            if highest is None or cast("int", returns[place].result) > cast("int", highest.result):
                highest = returns[place]
            place += 1
        if highest is not None and cast("int", operation.result) < cast("int", highest.result):
            return [highest, operation]
    return []
