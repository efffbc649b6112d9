"""The controller's rules, without a log or a loop."""

from __future__ import annotations

from random import Random
from typing import Any
from uuid import UUID

import pytest

from sprawl.core.config.broker import BrokerConfig
from sprawl.core.controller import planning
from sprawl.core.controller.configs import BROKER, plan_replacement
from sprawl.core.controller.nodes import NodeInfo
from sprawl.core.controller.placement import IdSpace
from sprawl.core.controller.state import (
    PRODUCER_ID_BLOCK,
    ControllerState,
    decode_record,
    encode_record,
    node_record,
)
from sprawl.core.controller.topics import TopicSpec
from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.ids import BrokerId, ReplicaId

NOWHERE = IdSpace("test", {})
"""It is not known where nodes stand."""


@pytest.fixture
def state() -> ControllerState:
    made = ControllerState()
    made.apply(node_record(node(1)))
    return made


def node(number: int, *, directory: int | None = None, rack: str | None = None) -> NodeInfo:
    return NodeInfo(
        node_id=BrokerId(number),
        replica_id=ReplicaId(number),
        directory_id=UUID(int=directory or number),
        endpoints={},
        rack=rack,
    )


def create(state: ControllerState, name: str, *, seed: int = 1, **spec: Any) -> None:
    record = planning.plan_topic(
        state,
        TopicSpec(name=name, **spec),
        default_partitions=3,
        default_replicas=1,
        rng=Random(seed),
        space=NOWHERE,
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
    state.apply(planning.plan_removal(state.topics["a.b"]))
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
            planning.plan_partitions(state, "t", count, None, NOWHERE)
        assert raised.value.code is ErrorCode.INVALID_PARTITIONS
    with pytest.raises(KafkaFault) as raised:
        planning.plan_partitions(state, "t", 5, [[1]], NOWHERE)
    assert raised.value.code is ErrorCode.INVALID_REPLICA_ASSIGNMENT
    before = state.topics["t"].id
    state.apply(planning.plan_partitions(state, "t", 5, [[1], [1]], NOWHERE))
    assert (state.topics["t"].partition_count, state.topics["t"].id) == (5, before)


def test_a_topic_created_again_has_another_id(state: ControllerState) -> None:
    create(state, "t", seed=1)
    first = state.topics["t"]
    state.apply(planning.plan_removal(first))
    assert not state.topics
    assert not state.by_id
    create(state, "t", seed=2)
    assert state.topics["t"].id != first.id


def test_producer_ids_come_in_blocks(state: ControllerState) -> None:
    state.apply(planning.plan_producer_ids(state))
    assert state.next_producer_id == PRODUCER_ID_BLOCK


def test_a_snapshot_rebuilds_the_state(state: ControllerState) -> None:
    create(state, "a", seed=1, configs={"cleanup.policy": "compact"})
    create(state, "b", seed=2)
    state.apply(planning.plan_partitions(state, "b", 7, None, NOWHERE))
    by = BrokerConfig.from_overrides({})
    state.apply(plan_replacement(state, 2, "b", {"retention.ms": "9"}, defaults=by))
    state.apply(plan_replacement(state, BROKER, "", {"message.max.bytes": "5"}, defaults=by))
    state.apply(planning.plan_producer_ids(state))
    copy = ControllerState()
    for record in state.snapshot():
        copy.apply(decode_record(encode_record(record)))
    assert copy.topics == state.topics
    assert copy.by_id == state.by_id
    assert copy.broker_configs == state.broker_configs
    assert copy.next_producer_id == state.next_producer_id
    assert (copy.nodes, copy.next_replica_id) == (state.nodes, state.next_replica_id)


@pytest.mark.parametrize("data", [b"", b"[]", b'{"type":"topic"}', b'{"version":2}', b"\xff"])
def test_a_record_of_another_version_is_not_guessed_at(data: bytes) -> None:
    with pytest.raises(ValueError):
        decode_record(data)
