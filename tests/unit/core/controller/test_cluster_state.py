"""Nodes, placement and moves: what the controller decides once there is more than one node."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random
from uuid import UUID

import pytest

from sprawl.core.config.broker import BrokerConfig
from sprawl.core.controller import planning
from sprawl.core.controller.configs import BROKER, plan_replacement
from sprawl.core.controller.nodes import NodeInfo
from sprawl.core.controller.placement import IdSpace
from sprawl.core.controller.state import ControllerState, Record, decode_record, encode_record
from sprawl.core.controller.topics import TopicSpec
from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.ids import BrokerId, ReplicaId

NOWHERE = IdSpace("test", {})
"""It is not known where nodes stand."""


def node(number: int, *, directory: int | None = None, rack: str | None = None) -> NodeInfo:
    return NodeInfo(
        node_id=BrokerId(number),
        replica_id=ReplicaId(0),
        directory_id=UUID(int=directory or number),
        endpoints={},
        rack=rack,
    )


def apply(state: ControllerState, record: Record | None) -> None:
    assert record is not None
    state.apply(decode_record(encode_record(record)))


def configure(state: ControllerState, broker: int, configs: dict[str, str]) -> None:
    defaults = BrokerConfig.from_overrides({})
    apply(state, plan_replacement(state, BROKER, str(broker), configs, defaults=defaults))


def register(state: ControllerState, each: NodeInfo, *, may_replace: bool = False) -> ReplicaId:
    apply(state, planning.plan_registration(state, each, may_replace=may_replace))
    return state.nodes[each.node_id].replica_id


def cluster(count: int, *, racks: int = 0) -> ControllerState:
    state = ControllerState()
    for number in range(1, count + 1):
        register(state, node(number, rack=f"r{number % racks}" if racks else None))
    return state


def create(state: ControllerState, name: str, partitions: int, replicas: int) -> None:
    spec = TopicSpec(name=name, partition_count=partitions, replication_factor=replicas)
    record = planning.plan_topic(
        state,
        spec,
        default_partitions=1,
        default_replicas=1,
        rng=Random(len(state.topics)),
        space=NOWHERE,
    )
    apply(state, record)


def test_a_directory_keeps_its_replica_id_and_a_new_one_gets_another() -> None:
    state = cluster(3)
    assert [each.replica_id for each in state.nodes.values()] == [1, 2, 3]
    moved = node(2, rack="elsewhere")
    assert register(state, moved) == 2
    with pytest.raises(KafkaFault) as raised:
        register(state, node(2, directory=99))
    assert raised.value.code is ErrorCode.DUPLICATE_BROKER_REGISTRATION
    assert register(state, node(2, directory=99), may_replace=True) == 4
    assert state.brokers_of([ReplicaId(2), ReplicaId(4)]) == [-1, 2]


def test_registering_again_unchanged_writes_nothing() -> None:
    state = cluster(2)
    assert planning.plan_registration(state, node(1), may_replace=False) is None


def test_a_removed_nodes_replica_id_is_not_given_again() -> None:
    state = cluster(3)
    apply(state, planning.plan_node_removal(state, 3))
    rebuilt = ControllerState()
    for record in state.snapshot():
        apply(rebuilt, record)
    assert register(rebuilt, node(4)) == 4


def test_replicas_and_leaders_are_spread_evenly() -> None:
    state = cluster(5)
    for number in range(10):
        create(state, f"t{number}", 3, 3)
    replicas = Counter(r for t in state.topics.values() for each in t.replicas for r in each)
    leaders = Counter(each[0] for t in state.topics.values() for each in t.replicas)
    assert all(len(set(each)) == 3 for t in state.topics.values() for each in t.replicas)
    assert max(replicas.values()) - min(replicas.values()) <= 2
    assert max(leaders.values()) - min(leaders.values()) <= 1


def test_a_partition_is_on_as_many_racks_as_there_are() -> None:
    state = cluster(6, racks=3)
    create(state, "t", 20, 3)
    for replicas in state.topics["t"].replicas:
        assert len({state.by_replica[each].rack for each in replicas}) == 3


def test_more_replicas_than_nodes_are_refused_as_kafka_does() -> None:
    with pytest.raises(KafkaFault) as raised:
        create(cluster(2), "t", 1, 3)
    assert raised.value.code is ErrorCode.INVALID_REPLICATION_FACTOR
    assert "only 2 broker(s) are registered" in raised.value.message


def test_new_partitions_have_as_many_replicas_as_the_first() -> None:
    state = cluster(3)
    create(state, "t", 1, 2)
    apply(state, planning.plan_partitions(state, "t", 4, None, NOWHERE))
    assert [len(each) for each in state.topics["t"].replicas] == [2, 2, 2, 2]


def test_a_move_begins_and_arrives() -> None:
    state = cluster(4)
    apply(
        state,
        planning.plan_topic(
            state,
            TopicSpec(name="t", assignments={0: [1, 2, 3]}),
            default_partitions=1,
            default_replicas=1,
            rng=Random(1),
            space=NOWHERE,
        ),
    )
    apply(state, planning.plan_move(state, "t", 0, [2, 3, 4], end_offset=7))
    topic = state.topics["t"]
    assert (topic.replicas[0], topic.wanted(0)) == ((1, 2, 3), (2, 3, 4))
    assert planning.plan_move(state, "t", 0, [2, 3, 4], end_offset=7) is None
    elsewhere = (ReplicaId(1), ReplicaId(2))
    assert planning.plan_arrival(state, topic.id, 0, elsewhere, as_of=8) is None
    rebuilt = ControllerState()
    for record in state.snapshot():
        apply(rebuilt, record)
    assert rebuilt.topics == state.topics
    apply(state, planning.plan_arrival(state, topic.id, 0, topic.moving[0], as_of=8))
    assert (state.topics["t"].replicas[0], state.topics["t"].moving) == ((2, 3, 4), {})


def test_a_move_can_be_stopped_once() -> None:
    state = cluster(3)
    create(state, "t", 1, 1)
    [here] = state.brokers_of(state.topics["t"].replicas[0])
    there = next(each for each in state.nodes if each != here)
    apply(state, planning.plan_move(state, "t", 0, [there], end_offset=7))
    apply(state, planning.plan_move(state, "t", 0, None, end_offset=7))
    assert not state.topics["t"].moving
    with pytest.raises(KafkaFault) as raised:
        planning.plan_move(state, "t", 0, None, end_offset=7)
    assert raised.value.code is ErrorCode.NO_REASSIGNMENT_IN_PROGRESS


def test_a_leaving_node_gets_nothing_new_and_goes_when_it_is_empty() -> None:
    state = cluster(3)
    create(state, "t", 3, 1)
    apply(state, planning.plan_leaving(state, 2))
    create(state, "u", 6, 1)
    assert 2 not in {node for each in state.topics["u"].replicas for node in each}
    with pytest.raises(KafkaFault, match="still holds 1 replica"):
        planning.plan_node_removal(state, 2)


def test_a_cordoned_node_gets_no_new_replicas_until_it_is_let_in_again() -> None:
    state = cluster(3)
    configure(state, 3, {"cordoned.log.dirs": "*"})
    assert [state.is_leaving(BrokerId(number)) for number in (1, 2, 3)] == [False, False, True]
    create(state, "t", 6, 2)
    assert ReplicaId(3) not in {
        each for replicas in state.topics["t"].replicas for each in replicas
    }
    with pytest.raises(KafkaFault, match="only 2 broker"):
        create(state, "u", 1, 3)
    configure(state, 3, {})
    create(state, "u", 1, 3)


def test_a_removed_node_is_not_let_in_with_what_it_had() -> None:
    state = cluster(3)
    configure(state, 3, {"cordoned.log.dirs": "*"})
    apply(state, planning.plan_node_removal(state, 3))
    came_back = replace(node(3), replica_id=ReplicaId(3))
    with pytest.raises(KafkaFault) as raised:
        planning.plan_registration(state, came_back, may_replace=False)
    assert raised.value.code is ErrorCode.BROKER_ID_NOT_REGISTERED
    assert register(state, node(3, directory=33)) == 4
    assert not state.is_leaving(BrokerId(3))


def test_a_replaced_data_directory_is_not_let_in_again() -> None:
    state = cluster(2)
    register(state, node(2, directory=22), may_replace=True)
    with pytest.raises(KafkaFault) as raised:
        planning.plan_registration(
            state, replace(node(2), replica_id=ReplicaId(2)), may_replace=True
        )
    assert raised.value.code is ErrorCode.BROKER_ID_NOT_REGISTERED
