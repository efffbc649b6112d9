"""ListPartitionReassignments: what is on its way, and what a changed target leaves behind."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

from sprawl.core.controller.topics import TopicInfo
from sprawl.core.ids import ReplicaId, TopicId, TopicName
from sprawl.gateway.codec._generated.k46_list_partition_reassignments import (
    ListPartitionReassignmentsRequest,
)
from sprawl.gateway.handlers.k46_list_partition_reassignments import HANDLER

ONE, TWO, THREE, FOUR = map(ReplicaId, (1, 2, 3, 4))


def listed(**moves: Any) -> list[tuple[list[int], list[int], list[int]]]:
    topic = TopicInfo(
        name=TopicName("t"),
        id=TopicId(UUID(int=1)),
        replicas=((ONE, TWO),),
        founding=((ONE, TWO),),
        configs={},
        **moves,
    )
    state = SimpleNamespace(brokers_of=list)
    controller = SimpleNamespace(topics={"t": topic}, state=state)
    ctx = SimpleNamespace(broker=SimpleNamespace(controller=controller))
    request = ListPartitionReassignmentsRequest(timeout_ms=1_000, topics=None)
    answer = cast("Any", HANDLER.handle)(ctx, request)
    return [
        (each.replicas, each.adding_replicas, each.removing_replicas)
        for each in (partition for topic in answer.topics for partition in topic.partitions)
    ]


def test_a_move() -> None:
    assert listed(moving={0: (ONE, THREE)}) == [([1, 3, 2], [3], [2])]


def test_the_replicas_of_a_target_that_was_changed_are_removed() -> None:
    changed = listed(moving={0: (ONE, FOUR)}, lingering={0: (THREE,)})
    assert changed == [([1, 4, 2, 3], [4], [2, 3])]
    back_again = listed(moving={0: (ONE, THREE)}, lingering={0: (THREE, FOUR)})
    assert back_again == [([1, 3, 2, 4], [3], [2, 4])]


def test_a_move_that_was_stopped_is_not_listed() -> None:
    assert listed(lingering={0: (THREE,)}) == []
