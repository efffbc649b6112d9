"""What single objects do: a register, one topic."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import cast

from tests.sim.checkers.linearizable import Operation

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

    def only_looks(self, operation: Operation) -> bool:
        """See Model."""
        return operation.name == "read"

    def useful(self, operations: Sequence[Operation]) -> list[Operation]:
        """A write of unknown outcome that nobody read may as well never have taken effect."""
        seen = {o.result for o in operations if o.name == "read" and o.returned is not None}
        kept = _all_but_unknown(operations, "write")
        return [o for o in kept if o.returned is not None or o.argument in seen]


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
    describe() -> TopicState, partitions() -> their number, configs() -> Items; or None where there
    is no topic.

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
            case "partitions", TopicState(partitions, _):
                return partitions, state
            case "configs", TopicState(_, configs):
                return configs, state
            case (("describe" | "partitions" | "configs"), _):
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

    def only_looks(self, operation: Operation) -> bool:
        """A refusal changed nothing either."""
        return operation.returned is not None and operation.result is not True

    def useful(self, operations: Sequence[Operation]) -> list[Operation]:
        """See Model."""
        return _all_but_unknown(operations, "create", "delete", "grow", "set")


def _items(held: dict[str, Hashable]) -> Items:
    return tuple(sorted(held.items()))
