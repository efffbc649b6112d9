"""What Metadata tells of a cluster: who is there, who leads, who is in sync."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast
from uuid import UUID

from sprawl.core.broker import Endpoint
from sprawl.core.cluster.address_book import AddressBook
from sprawl.core.cluster.hints import LeaderHint, LeaderHints
from sprawl.core.cluster.view import BrokerView, ClusterView, PartitionView, Quorum
from sprawl.core.controller.nodes import NodeInfo
from sprawl.core.controller.state import ControllerState, node_record
from sprawl.core.controller.topics import TopicInfo
from sprawl.core.ids import BrokerId, LogKey, ReplicaId, Term, TopicId, TopicName
from sprawl.core.storage.memory import MemoryKeyValueStore

TOPIC = TopicInfo(
    name=TopicName("t"),
    id=TopicId(UUID(int=7)),
    replicas=((ReplicaId(11), ReplicaId(12), ReplicaId(13)),),
    founding=((ReplicaId(11), ReplicaId(12), ReplicaId(13)),),
    configs={},
)


def node(number: int) -> NodeInfo:
    return NodeInfo(
        node_id=BrokerId(number),
        replica_id=ReplicaId(10 + number),
        directory_id=UUID(int=number),
        endpoints={"PLAINTEXT": Endpoint(f"host{number}", 9092)},
        peer=Endpoint(f"host{number}", 9093),
    )


class World:
    """Three nodes, seen from the first one."""

    def __init__(self) -> None:
        self.alive = {1, 2, 3}
        self.hints = LeaderHints()
        state = ControllerState()
        for number in (1, 2, 3):
            state.apply(node_record(node(number)))
        self.view = ClusterView(
            node_id=BrokerId(1),
            state=state,
            hints=self.hints,
            partitions=cast("Any", None),
            endpoints=node(1).endpoints,
            rack=None,
            is_alive=lambda each: each in self.alive,
            controller=lambda: BrokerId(3),
            quorum=cast("Callable[[], Quorum]", None),
        )

    def lead(self, leader: int, *in_sync: int, term: int = 4) -> None:
        replicas = tuple(ReplicaId(10 + each) for each in in_sync)
        hint = LeaderHint(Term(term), term, ReplicaId(10 + leader), replicas)
        self.hints.merge(LogKey(TOPIC.id, 0), hint)


def test_a_partition_nobody_was_heard_of_has_no_leader() -> None:
    assert World().view.partition(TOPIC, 0) == PartitionView(-1, -1, [1, 2, 3], [], [])


def test_a_leader_is_believed_while_it_can_be_reached() -> None:
    world = World()
    world.lead(2, 1, 2, 3)
    assert world.view.partition(TOPIC, 0) == PartitionView(2, 4, [1, 2, 3], [1, 2, 3], [])
    world.alive = {1, 3}
    assert world.view.partition(TOPIC, 0) == PartitionView(-1, 4, [1, 2, 3], [], [2])


def test_a_follower_that_is_gone_is_not_in_sync_whatever_a_sleeping_leader_says() -> None:
    world = World()
    world.lead(2, 1, 2, 3)
    world.alive = {1, 2}
    assert world.view.partition(TOPIC, 0) == PartitionView(2, 4, [1, 2, 3], [1, 2], [3])


def test_brokers_that_cannot_be_reached_are_left_out() -> None:
    world = World()
    world.alive = {3}
    assert world.view.brokers("PLAINTEXT") == [
        BrokerView(1, "host1", 9092, None),
        BrokerView(3, "host3", 9092, None),
    ]
    assert world.view.brokers("SSL") == []


def test_a_controller_out_of_reach_is_stood_in_for() -> None:
    world = World()
    assert world.view.controller_id() == 3
    world.alive = {2}
    assert world.view.controller_id() == 1


def test_addresses_outlive_a_restart() -> None:
    kv = MemoryKeyValueStore()
    AddressBook(kv).update([node(1), node(2)], ReplicaId(13))
    book = AddressBook(kv)
    assert str(book.address(BrokerId(2))) == "host2:9093"
    assert (book.node_of(ReplicaId(12)), book.node_of(ReplicaId(99))) == (2, None)
    assert book.directory(BrokerId(1)) == UUID(int=1)
    book.update([node(1)], ReplicaId(13))
    assert AddressBook(kv).address(BrokerId(2)) is None


def test_an_address_book_that_cannot_be_read_is_begun_anew() -> None:
    kv = MemoryKeyValueStore()
    kv.put(b"cluster/nodes", b"{")
    assert AddressBook(kv).nodes == []


def test_nodes_that_are_away_are_told_apart() -> None:
    world = World()
    world.alive.discard(2)
    assert [each.node_id for each in world.view.brokers("PLAINTEXT")] == [1, 3]
    assert world.view.unreachable_brokers("PLAINTEXT") == [BrokerView(2, "host2", 9092, None)]
    assert world.view.unreachable_brokers("OTHER") == []


def test_a_target_that_was_changed_is_shown_until_the_move_has_arrived() -> None:
    world = World()
    one, two, three = ReplicaId(11), ReplicaId(12), ReplicaId(13)
    moves = replace(
        TOPIC, replicas=((one,),), moving={0: (two,)}, lingering={0: (three,)}, asked_at={0: 1}
    )
    assert world.view.partition(moves, 0).replicas == [1, 2, 3]
    stays = replace(moves, moving={})
    assert world.view.partition(stays, 0).replicas == [1]


def test_who_leads_a_single_replica_is_asked_for_while_its_move_may_have_arrived() -> None:
    world = World()
    stays = replace(TOPIC, replicas=((ReplicaId(12),),), lingering={0: (ReplicaId(13),)})
    assert world.view.leader(stays, 0) == -1
    world.lead(3, 3)
    assert world.view.leader(stays, 0) == 3
