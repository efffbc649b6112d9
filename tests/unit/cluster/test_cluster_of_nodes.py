"""Whole nodes that form a cluster: what clients of any of them may rely on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from uuid import UUID

import pytest
from cluster_world import ClusterWorld
from kafka import KafkaAdminClient

from sprawl.client.cluster import Cluster
from sprawl.core.cluster import overlay
from sprawl.core.cluster.hints import LeaderHint
from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.ids import BrokerId, LogIndex, LogKey, Term, TopicId
from sprawl.core.raft.configuration import Configuration
from sprawl.core.records.record import encode_batch
from sprawl.core.replication.replica import RaftReplica
from sprawl.core.storage.port import Buffer


def batch(*values: str) -> memoryview:
    return memoryview(encode_batch([(1_000, None, value.encode(), []) for value in values]))


async def append(world: ClusterWorld, topic: str, *values: str) -> int:
    """Write through the leader as acks=all does; the offset of the first record."""
    leader = world.leader(topic)
    assert leader is not None
    partition = world.replica(leader, topic)
    assert partition is not None
    outcome = partition.append_produced(batch(*values), produce_version=12, now_ms=1_000)
    if outcome.commit is not None:
        fault = await outcome.commit
        if fault is not None:
            raise KafkaFault(fault.code, fault.message)
    return outcome.base_offset


async def test_three_nodes_agree_on_topics_and_leaders() -> None:
    async with ClusterWorld(3) as world:
        topic = await world.topic("t", partitions=6)
        for number in world.nodes:
            assert world.broker(number).controller.topics["t"] == topic
        preferred = sorted(replicas[0] for replicas in topic.replicas)
        assert preferred == [1, 1, 2, 2, 3, 3]
        assert all(world.leader("t", index) is not None for index in range(6))


async def test_every_replica_has_what_was_acknowledged() -> None:
    async with ClusterWorld(3) as world:
        await world.topic("t")
        assert await append(world, "t", "a", "b") == 0
        assert await append(world, "t", "c") == 2
        replicas = [world.replica(number, "t") for number in world.nodes]
        await world.until(lambda: all(r is not None and r.high_watermark == 3 for r in replicas))


async def test_a_node_that_stops_hands_over_and_catches_up_later(tmp_path: Path) -> None:
    async with ClusterWorld(3, tmp_path) as world:
        await world.topic("t")
        await append(world, "t", "a")
        first = world.leader("t")
        assert first is not None
        await world.stop(first)
        await world.until(lambda: world.leader("t") is not None)
        assert await append(world, "t", "b") == 1
        await world.start(first)
        await world.until(
            lambda: (r := world.replica(first, "t")) is not None and r.high_watermark == 2
        )


async def test_without_a_majority_nothing_is_acknowledged(tmp_path: Path) -> None:
    async with ClusterWorld(3, tmp_path) as world:
        await world.topic("t")
        leader = world.leader("t")
        assert leader is not None
        for number in [each for each in (3, 2, 1) if each != leader]:
            await world.stop(number)
        partition = world.replica(leader, "t")
        assert partition is not None
        with pytest.raises(KafkaFault) as raised:
            await append_to(partition)
        assert raised.value.code in (
            ErrorCode.NOT_LEADER_OR_FOLLOWER,
            ErrorCode.NOT_ENOUGH_REPLICAS,
            ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        )


async def append_to(partition: object) -> None:
    outcome = partition.append_produced(batch("x"), produce_version=12, now_ms=1_000)  # type: ignore[attr-defined]
    fault = await asyncio.wait_for(outcome.commit, 10)
    if fault is not None:
        raise KafkaFault(fault.code, fault.message)


async def test_a_record_that_finds_no_room_is_told_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlay, "TELL_AGAIN_S", 0.05)
    async with ClusterWorld(2) as world:
        one, two = (world.nodes[number]._running._cluster for number in (1, 2))
        assert one is not None
        assert one.overlay is not None
        assert two is not None
        transport = one._transport
        assert transport is not None
        send, refused = transport.send, []

        def full(node: BrokerId, kind: int, body: Sequence[Buffer]) -> bool:
            if kind == overlay._MESSAGES and not refused:
                refused.append(node)
                return False
            return send(node, kind, body)

        monkeypatch.setattr(transport, "send", full)
        key = LogKey(TopicId(UUID(int=77)), 0)
        hint = LeaderHint(Term(5), 1, one.replica_id, (one.replica_id,))
        one.overlay.lead(key, hint, Configuration.of([one.replica_id]), LogIndex(1))
        await world.until(lambda: two.hints.get(key) == hint)
        assert refused == [2]


async def test_a_whole_cluster_that_stopped_finds_itself_again(tmp_path: Path) -> None:
    world = ClusterWorld(3, tmp_path)
    async with world:
        topic = await world.topic("t", partitions=3)
        await append(world, "t", "kept")
    async with world:
        await world.until(lambda: world.leader("t") is not None)
        assert world.broker(2).controller.topics["t"] == topic
        assert await append(world, "t", "more") == 1


async def test_records_are_deleted_on_all_replicas() -> None:
    async with ClusterWorld(3) as world:
        await world.topic("t")
        await append(world, "t", "a", "b", "c")
        leader = world.leader("t")
        assert leader is not None
        partition = world.replica(leader, "t")
        assert partition is not None
        commit = partition.delete_records(2)
        assert commit is not None
        assert await commit is None
        replicas = [world.replica(number, "t") for number in world.nodes]
        await world.until(lambda: all(r is not None and r.log_start_offset == 2 for r in replicas))


async def test_a_partition_moves_to_other_nodes(tmp_path: Path) -> None:
    async with ClusterWorld(4, tmp_path) as world:
        topic = await world.topic("t", replicas=3)
        await append(world, "t", "a")
        here = world.broker(1).controller.state.brokers_of(topic.replicas[0])
        [new] = {1, 2, 3, 4} - set(map(int, here))
        target = [new, *map(int, here[:2])]
        await world.broker(2).controller.move_partition("t", 0, target)
        await world.until(lambda: not world.broker(1).controller.topics["t"].moving)
        assert sorted(
            world.broker(1).controller.state.brokers_of(
                world.broker(1).controller.topics["t"].replicas[0]
            )
        ) == sorted(target)
        await world.until(lambda: world.leader("t") is not None)
        assert await append(world, "t", "b") == 1
        await world.until(lambda: world.replica(int(here[2]), "t") is None)


async def test_clients_are_told_of_all_brokers() -> None:
    async with ClusterWorld(3) as world:
        await world.topic("t", partitions=3)
        async with Cluster(world.nodes[2].bootstrap) as client:
            assert sorted(node.node_id for node in (await client.metadata(["t"])).nodes) == [
                1,
                2,
                3,
            ]


async def test_the_preferred_replica_leads_when_it_is_asked_for() -> None:
    async with ClusterWorld(3) as world:
        topic = await world.topic("t")
        [preferred, *others] = map(
            int, world.broker(1).controller.state.brokers_of(topic.replicas[0])
        )
        await world.until(lambda: world.leader("t") == preferred)
        partition = world.replica(preferred, "t")
        assert partition is not None
        replica = partition._replication
        assert isinstance(replica, RaftReplica)
        await world.until(lambda: replica.hand_over(topic.replicas[0][1]))
        await world.until(lambda: leaders(world, "t") == {others[0]})

        elect = partial(elected, world.bootstrap, {"t": [0, 7]})
        assert await asyncio.to_thread(elect) == {0: 0, 7: 3}
        assert leaders(world, "t") == {preferred}
        assert await asyncio.to_thread(elect) == {0: 84, 7: 3}
        assert await append(world, "t", "a") == 0


def leaders(world: ClusterWorld, topic: str) -> set[int]:
    """Whom the nodes tell clients to be the leader."""
    return {
        world.broker(number).cluster.leader(world.broker(number).controller.topics[topic], 0)
        for number in world.nodes
    }


def elected(bootstrap: str, places: dict[str, list[int]]) -> dict[int, int]:
    """Ask for the preferred leaders; the error code of each partition."""
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        answer = admin.elect_leaders(0, places, raise_errors=False)
    finally:
        admin.close()
    return {
        each.partition_id: each.error_code
        for topic in answer.replica_election_results
        for each in topic.partition_result
    }
