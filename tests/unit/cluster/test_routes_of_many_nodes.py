"""A cluster of more nodes than are told of a partition: the others find its leader."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
import pytest_asyncio
from cluster_world import PATIENCE_S, ClusterWorld

from sprawl.client.cluster import Cluster
from sprawl.core.cluster.cluster import Cluster as NodesCluster
from sprawl.core.cluster.peers import PeerUnreachable
from sprawl.core.cluster.routing import Routing
from sprawl.core.controller.topics import TopicInfo, TopicSpec
from sprawl.core.ids import BrokerId, LogKey
from sprawl.core.replication.replica import RaftReplica

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]

NODES = 12
PARTITIONS = 24


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def world() -> AsyncIterator[ClusterWorld]:
    async with ClusterWorld(NODES) as made:
        yield made


def cluster_of(world: ClusterWorld, number: int) -> NodesCluster:
    found = world.nodes[number]._running._cluster
    assert found is not None
    return found


def routing_of(world: ClusterWorld, number: int) -> Routing:
    found = cluster_of(world, number).routing
    assert found is not None
    return found


async def made(world: ClusterWorld, name: str, partitions: int = PARTITIONS) -> TopicInfo:
    """A topic whose partitions are led; who knows of that is another matter."""
    spec = TopicSpec(name=name, partition_count=partitions, replication_factor=3)
    topic: TopicInfo = await world.broker(1).controller.create_topic(spec)
    await world.until(
        lambda: (
            all(world.leader(name, index) is not None for index in range(partitions))
            and all(name in world.broker(number).controller.topics for number in world.nodes)
        )
    )
    return topic


async def told(world: ClusterWorld, number: int, topic: str) -> dict[int, int]:
    """The leaders that a client hears of from one node."""
    async with Cluster(world.nodes[number].bootstrap) as client:
        found = (await client.metadata([topic])).topics[topic]
        return {each.partition: each.leader for each in found.partitions}


async def told_in_time(
    world: ClusterWorld, number: int, topic: str, wanted: dict[int, int | None]
) -> None:
    """A client that asks again and again hears of these leaders."""
    async with asyncio.timeout(PATIENCE_S):
        while await told(world, number, topic) != wanted:
            await asyncio.sleep(0.05)


def outsiders(world: ClusterWorld, topic: TopicInfo, index: int = 0) -> list[int]:
    """The nodes that the leader of a partition does not tell."""
    key = LogKey(topic.id, index)
    found = []
    for number in world.nodes:
        cluster = cluster_of(world, number)
        assert cluster.overlay is not None
        is_replica = cluster.replica_id in topic.replicas[index]
        if not is_replica and not cluster.overlay.is_settled(key):
            found.append(number)
    return found


async def test_any_node_tells_all_leaders(world: ClusterWorld) -> None:
    topic = await made(world, "everywhere")
    true = {index: world.leader("everywhere", index) for index in range(PARTITIONS)}
    for number in world.nodes:
        await told_in_time(world, number, "everywhere", true)
    # Which took a search: nobody is told of every partition.
    assert any(outsiders(world, topic, index) for index in range(PARTITIONS))
    assert sum(routing_of(world, each).counters.found_by_dht for each in world.nodes) > 0


async def test_records_lie_on_the_nearest_nodes_and_the_replicas(world: ClusterWorld) -> None:
    topic = await made(world, "records")
    for index in range(PARTITIONS):
        missing = set(outsiders(world, topic, index))
        holders = [each for each in world.nodes if each not in missing]
        assert 8 <= len(holders) <= 11
        for number in holders:
            get = partial(cluster_of(world, number).hints.get, LogKey(topic.id, index))
            await world.until(get)
            hint = get()
            assert hint is not None
            assert hint.in_sync


async def test_a_leader_that_moves_is_found_again(world: ClusterWorld) -> None:
    topic = await made(world, "moving", 1)
    [*others] = outsiders(world, topic)
    before = world.leader("moving")
    assert before is not None
    for number in others:
        await told_in_time(world, number, "moving", {0: before})
    replica = world.replica(before, "moving")
    assert replica is not None
    assert isinstance(replica._replication, RaftReplica)
    await world.until(replica._replication.hand_over)
    await world.until(lambda: world.leader("moving") not in (None, before))
    after = world.leader("moving")
    for number in world.nodes:
        await told_in_time(world, number, "moving", {0: after})


async def test_without_a_record_a_replica_says_who_leads(world: ClusterWorld) -> None:
    topic = await made(world, "asked", 1)
    number, *_ = outsiders(world, topic)
    forget_records(world, topic)
    asked = routing_of(world, number).counters.found_by_replica
    assert await told(world, number, "asked") == {0: world.leader("asked")}
    assert routing_of(world, number).counters.found_by_replica == asked + 1


def forget_records(world: ClusterWorld, topic: TopicInfo) -> None:
    for each in world.nodes:
        overlay = cluster_of(world, each).overlay
        assert overlay is not None
        held: dict[Any, Any] = overlay.dht.records._held
        for key, had in list(held.items()):
            if had.record.claim.log_key.topic_id == topic.id:
                del held[key]


async def test_equal_searches_are_one(world: ClusterWorld) -> None:
    topic = await made(world, "once", 1)
    number, *_ = outsiders(world, topic)
    routing = routing_of(world, number)
    before = routing.counters.sought
    searches = [routing.search([(topic, [0])]) for _ in range(10)]
    assert all(search is not None for search in searches)
    await asyncio.gather(*(search for search in searches if search is not None))
    assert routing.counters.sought == before + 1
    assert routing.search([(topic, [0])]) is None, "what was just found is good for a while"


async def test_a_partition_without_a_leader_is_told_so_and_never_unknown(
    world: ClusterWorld,
) -> None:
    topic = await made(world, "stopped", 1)
    number, *_ = outsiders(world, topic)
    nodes = cluster_of(world, number)
    forget_records(world, topic)
    nodes.hints.forget([LogKey(topic.id, 0)])
    routing = routing_of(world, number)
    routing._calls = Nobody()
    try:
        async with Cluster(world.nodes[number].bootstrap) as client:
            view = await client.metadata(["stopped"])
        assert [each.leader for each in view.topics["stopped"].partitions] == [-1]
        assert routing.counters.not_found == 1
    finally:
        routing._calls = nodes._transport  # type: ignore[assignment]
    await told_in_time(world, number, "stopped", {0: world.leader("stopped")})


class Nobody:
    """No node answers."""

    async def call(self, to: object, method: str, body: bytes, *, timeout_ms: int) -> bytes:
        raise PeerUnreachable(BrokerId(0), "a test", was_sent=False)
