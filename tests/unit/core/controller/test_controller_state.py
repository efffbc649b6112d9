"""The controller's rules, without a log or a loop."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from sprawl.core.controller.state import (
    PRODUCER_ID_BLOCK,
    ControllerState,
    TopicSpec,
    decode_record,
    encode_record,
)
from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.ids import BrokerId


@pytest.fixture
def state() -> ControllerState:
    return ControllerState(BrokerId(1))


def create(state: ControllerState, name: str, *, seed: int = 1, **spec: Any) -> None:
    record = state.plan_topic(
        TopicSpec(name=name, **spec), default_partitions=3, default_replicas=1, rng=Random(seed)
    )
    state.apply(decode_record(encode_record(record)))


def refused(state: ControllerState, name: str, **spec: Any) -> KafkaFault:
    with pytest.raises(KafkaFault) as raised:
        create(state, name, **spec)
    return raised.value


def test_a_topic_has_the_defaults_it_does_not_name(state: ControllerState) -> None:
    create(state, "orders", configs={"retention.ms": "5"})
    topic = state.topics["orders"]
    assert (topic.partition_count, dict(topic.configs)) == (3, {"retention.ms": "5"})
    assert state.by_id[topic.id] is topic


@pytest.mark.parametrize("name", ["", ".", "..", "a b", "a/b", "ä", "x" * 250])
def test_kafkas_rules_for_names(state: ControllerState, name: str) -> None:
    assert refused(state, name).code is ErrorCode.INVALID_TOPIC_EXCEPTION


def test_names_that_metrics_would_confuse_collide(state: ControllerState) -> None:
    create(state, "a.b")
    assert "collides with existing topic: a.b" in refused(state, "a_b").message
    state.apply(state.plan_removal(state.topics["a.b"]))
    create(state, "a_b")


def test_an_existing_topic_is_refused(state: ControllerState) -> None:
    create(state, "t")
    fault = refused(state, "t")
    assert (fault.code, fault.message) == (
        ErrorCode.TOPIC_ALREADY_EXISTS,
        "Topic 't' already exists.",
    )


@pytest.mark.parametrize(
    ("spec", "code"),
    [
        ({"partition_count": 0}, ErrorCode.INVALID_PARTITIONS),
        ({"partition_count": -2}, ErrorCode.INVALID_PARTITIONS),
        ({"partition_count": 1_000_000}, ErrorCode.INVALID_PARTITIONS),
        ({"replication_factor": 0}, ErrorCode.INVALID_REPLICATION_FACTOR),
        ({"replication_factor": 2}, ErrorCode.INVALID_REPLICATION_FACTOR),
        ({"assignments": {0: [2]}}, ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        ({"assignments": {0: []}}, ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        ({"assignments": {0: [1, 1]}}, ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        ({"assignments": {1: [1]}}, ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        ({"assignments": {0: [1]}, "partition_count": 1}, ErrorCode.INVALID_REQUEST),
    ],
)
def test_counts_and_assignments(state: ControllerState, spec: Any, code: ErrorCode) -> None:
    assert refused(state, "t", **spec).code is code
    assert not state.topics


def test_an_assignment_says_the_number_of_partitions(state: ControllerState) -> None:
    create(state, "t", assignments={0: [1], 1: [1]})
    assert list(state.topics["t"].partitions) == [0, 1]


def test_partitions_can_only_grow(state: ControllerState) -> None:
    create(state, "t")
    for count in (3, 2):
        with pytest.raises(KafkaFault) as raised:
            state.plan_partitions("t", count, None)
        assert raised.value.code is ErrorCode.INVALID_PARTITIONS
    with pytest.raises(KafkaFault) as raised:
        state.plan_partitions("t", 5, [[1]])
    assert raised.value.code is ErrorCode.INVALID_REPLICA_ASSIGNMENT
    before = state.topics["t"].id
    state.apply(state.plan_partitions("t", 5, [[1], [1]]))
    assert (state.topics["t"].partition_count, state.topics["t"].id) == (5, before)


def test_a_topic_created_again_has_another_id(state: ControllerState) -> None:
    create(state, "t", seed=1)
    first = state.topics["t"]
    state.apply(state.plan_removal(first))
    assert not state.topics
    assert not state.by_id
    create(state, "t", seed=2)
    assert state.topics["t"].id != first.id


def test_producer_ids_come_in_blocks(state: ControllerState) -> None:
    state.apply(state.plan_producer_ids())
    assert state.next_producer_id == PRODUCER_ID_BLOCK


def test_a_snapshot_rebuilds_the_state(state: ControllerState) -> None:
    create(state, "a", seed=1, configs={"cleanup.policy": "compact"})
    create(state, "b", seed=2)
    state.apply(state.plan_partitions("b", 7, None))
    state.apply(state.plan_topic_configs("b", {"retention.ms": "9"}))
    state.apply(state.plan_broker_configs("", {"message.max.bytes": "5"}))
    state.apply(state.plan_producer_ids())
    copy = ControllerState(BrokerId(1))
    for record in state.snapshot():
        copy.apply(decode_record(encode_record(record)))
    assert copy.topics == state.topics
    assert copy.by_id == state.by_id
    assert copy.broker_configs == state.broker_configs
    assert copy.next_producer_id == state.next_producer_id


@pytest.mark.parametrize("data", [b"", b"[]", b'{"type":"topic"}', b'{"version":2}', b"\xff"])
def test_a_record_of_another_version_is_not_guessed_at(data: bytes) -> None:
    with pytest.raises(ValueError):
        decode_record(data)
