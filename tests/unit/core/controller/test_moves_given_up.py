"""Moves that are stopped or changed: who may belong to the group still, and when that ends."""

from __future__ import annotations

from random import Random
from uuid import UUID

import pytest

from sprawl.core.broker import Endpoint
from sprawl.core.controller import planning
from sprawl.core.controller.nodes import NodeInfo
from sprawl.core.controller.placement import IdSpace
from sprawl.core.controller.state import (
    UNKNOWN_OFFSET,
    ControllerState,
    Record,
    decode_record,
    encode_record,
)
from sprawl.core.controller.topics import Replicas, TopicInfo, TopicSpec
from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.ids import BrokerId, ReplicaId


class Log:
    """A metadata log, and the state that its records made: nodes 1 to 6 are replicas 1 to 6, and
    the topic `t` has one partition."""

    def __init__(self, *on: int) -> None:
        self.state = ControllerState()
        self.records: list[Record] = []
        for number in range(1, 7):
            node = NodeInfo(
                node_id=BrokerId(number),
                replica_id=ReplicaId(0),
                directory_id=UUID(int=number),
                endpoints={"PLAINTEXT": Endpoint(f"host{number}", 9092)},
            )
            self.append(planning.plan_registration(self.state, node, may_replace=False))
        spec = TopicSpec(name="t", assignments={0: list(on)})
        self.append(
            planning.plan_topic(
                self.state,
                spec,
                default_partitions=1,
                default_replicas=1,
                rng=Random(1),
                space=IdSpace("test", {}),
            )
        )

    def append(self, record: Record | None) -> None:
        assert record is not None
        self.records.append(record)
        self.state.apply(decode_record(encode_record(record)))

    @property
    def end_offset(self) -> int:
        return len(self.records)

    @property
    def topic(self) -> TopicInfo:
        return self.state.topics["t"]

    def move(self, *to: int) -> None:
        self._ask(list(to))

    def stop(self) -> None:
        self._ask(None)

    def _ask(self, to: list[int] | None) -> None:
        self.append(planning.plan_move(self.state, "t", 0, to, end_offset=self.end_offset))

    def word(self) -> tuple[Replicas, int]:
        """What a leader says that sees all of this and has the replicas wanted."""
        return self.topic.wanted(0), self.end_offset

    def hears(self, word: tuple[Replicas, int | None]) -> bool:
        """Whether the controller takes a leader's word."""
        replicas, as_of = word
        found = planning.plan_arrival(self.state, self.topic.id, 0, replicas, as_of=as_of)
        if found is not None:
            self.append(found)
        return found is not None

    @property
    def kept(self) -> set[int]:
        """Nodes that cannot be removed."""
        kept = set()
        for number in self.state.nodes:
            try:
                planning.plan_node_removal(self.state, number)
            except KafkaFault:
                kept.add(int(number))
        return kept


def test_a_stopped_move_keeps_its_target_until_the_leader_is_back() -> None:
    log = Log(3)
    log.move(4)
    log.stop()
    assert log.kept == {3, 4}
    with pytest.raises(KafkaFault, match=r"may still hold 1 replica\(s\), of t-0 for one: a move"):
        planning.plan_node_removal(log.state, 4)
    assert log.hears(log.word())
    assert log.kept == {3}
    assert log.topic.replicas[0] == (3,)
    assert log.topic.is_settled(0)
    assert not log.hears(log.word())


def test_a_stopped_move_is_over_for_clients() -> None:
    log = Log(3)
    log.move(4)
    log.stop()
    assert log.topic.wanted(0) == (3,)
    with pytest.raises(KafkaFault) as raised:
        log.stop()
    assert raised.value.code is ErrorCode.NO_REASSIGNMENT_IN_PROGRESS
    assert planning.plan_move(log.state, "t", 0, [3], end_offset=log.end_offset) is None


def test_every_target_is_kept_until_the_last_one_is_reached() -> None:
    log = Log(1, 2)
    log.move(1, 4)
    log.move(1, 5)
    log.move(6, 2)
    assert log.kept == {1, 2, 4, 5, 6}
    assert log.hears(log.word())
    assert log.kept == {2, 6}
    assert log.topic.replicas[0] == (6, 2)


def test_moving_back_is_stopping() -> None:
    log = Log(3)
    log.move(4)
    log.move(3)
    assert not log.topic.moving
    assert log.kept == {3, 4}


def test_a_target_among_the_replicas_leaves_nothing_behind() -> None:
    log = Log(1, 2, 3)
    log.move(1, 2)
    log.stop()
    assert log.topic.is_settled(0)
    assert log.kept == {1, 2, 3}


def test_a_word_from_before_the_last_change_counts_for_nothing() -> None:
    """The leader said that it was back; but then the partition moved again, and back again."""
    log = Log(3)
    log.move(4)
    log.stop()
    late = log.word()
    log.move(4)
    log.stop()
    assert not log.hears(late)
    assert log.kept == {3, 4}
    assert log.hears(log.word())


def test_a_word_of_an_arrival_is_not_taken_for_the_next_one_there() -> None:
    log = Log(3)
    log.move(4)
    late = log.word()
    log.stop()
    log.move(4)
    assert not log.hears(late)
    assert log.topic.replicas[0] == (3,)


def test_an_older_program_ends_moves_but_lets_nothing_go_that_was_given_up() -> None:
    """It does not say what it knew, and does not make certain that it leads."""
    log = Log(3)
    log.move(4)
    assert log.hears((log.topic.moving[0], None))
    log.move(5)
    log.stop()
    assert not log.hears((log.topic.replicas[0], None))
    assert log.kept == {4, 5}


def test_a_log_of_an_older_program_keeps_them_too() -> None:
    log = Log(1, 2)
    log.move(1, 4)
    log.stop()
    state = ControllerState()
    for record in log.records:
        state.apply({key: value for key, value in record.items() if key != "asked_at"})
    log.state = state
    assert log.topic.asked_at == {0: UNKNOWN_OFFSET}
    assert log.kept == {1, 2, 4}
    assert log.hears(log.word())
    assert log.kept == {1, 2}


@pytest.mark.parametrize("is_stopped", [False, True])
def test_a_checkpoint_holds_what_may_be_left(*, is_stopped: bool) -> None:
    log = Log(1, 2)
    log.move(1, 4)
    log.move(1, 5)
    log.move(6, 2)
    if is_stopped:
        log.stop()
    rebuilt = ControllerState()
    for record in log.state.snapshot():
        rebuilt.apply(decode_record(encode_record(record)))
    assert rebuilt.topics == log.state.topics
    log.state = rebuilt
    assert log.kept == {1, 2, 4, 5, 6}
