"""Whole nodes: a node is not let go while it may hold what others lack.

The partition arrives on node 4 and is there alone, but the word of it is late, and the controller
hears first that the move is stopped, or goes elsewhere.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from cluster_world import ClusterWorld

from sprawl.cli.cluster_nodes import _drain
from sprawl.client.cluster import Cluster
from sprawl.client.moves import read_moves
from sprawl.core.cluster.arrivals import Arrivals
from sprawl.core.controller.topics import TopicSpec
from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.ids import LogKey
from sprawl.core.records.record import encode_batch

SETTINGS = {"offsets_topic_num_partitions": 1}
LOOKS_S = 3.0
"""Enough for an impatient `drain` to go too far."""


class Words:
    """Those of leaders to the controller, which may be late."""

    def __init__(self) -> None:
        self.are_late = True


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> Words:
    found, look = Words(), Arrivals.look

    def late(arrivals: Arrivals, key: LogKey) -> None:
        if not found.are_late:
            look(arrivals, key)

    monkeypatch.setattr(Arrivals, "look", late)
    return found


async def append(world: ClusterWorld, text: str) -> int:
    """Append to topic `t` where it is led, and give the offset once it is committed."""
    await world.until(lambda: world.leader("t") is not None)
    leader = world.leader("t")
    assert leader is not None
    partition = world.replica(leader, "t")
    assert partition is not None
    batch = encode_batch([(1_000, None, text.encode(), [])])
    outcome = partition.append_produced(memoryview(batch), produce_version=12, now_ms=1_000)
    if outcome.commit is not None:
        assert await outcome.commit is None
    return int(outcome.base_offset)


async def alone_on_node_4(world: ClusterWorld) -> None:
    await world.start(4)
    controller = world.broker(1).controller
    await controller.create_topic(TopicSpec(name="t", assignments={0: [3]}))
    await world.until(lambda: "t" in world.broker(3).controller.topics)
    world.broker(3).partitions.find("t", 0)  # opens it
    assert await append(world, "a") == 0
    await controller.move_partition("t", 0, [4])
    await world.until(lambda: is_alone(world))
    assert controller.topics["t"].moving


def is_alone(world: ClusterWorld) -> bool:
    """Whether node 4 has the partition's only replica."""
    replica = world.replica(4, "t")
    if replica is None or not replica.is_leader:
        return False
    own = world.nodes[4]._running._cluster.replica_id
    configuration = replica._replication.configuration
    return not configuration.is_joint and set(configuration.members) == {own}


async def test_a_node_is_not_removed_that_has_the_only_copy(tmp_path: Path, words: Words) -> None:
    async with ClusterWorld(3, tmp_path, **SETTINGS) as world:
        await alone_on_node_4(world)
        controller = world.broker(1).controller
        await controller.move_partition("t", 0, None)
        async with Cluster(world.nodes[1].bootstrap) as client:
            assert await read_moves(client) == {}
        with pytest.raises(KafkaFault, match="may still hold 1 replica") as raised:
            await controller.remove_node(4)
        assert raised.value.code is ErrorCode.INVALID_REQUEST
        words.are_late = False
        await world.until(lambda: controller.topics["t"].is_settled(0))
        await controller.remove_node(4)
        assert world.leader("t") == 3
        assert await append(world, "b") == 1


@pytest.mark.parametrize("is_stopped", [True, False])
async def test_drain_waits_for_what_is_left_of_other_moves(
    tmp_path: Path, words: Words, *, is_stopped: bool
) -> None:
    async with ClusterWorld(3, tmp_path, **SETTINGS) as world:
        await alone_on_node_4(world)
        if is_stopped:
            await world.broker(1).controller.move_partition("t", 0, None)
        async with Cluster(world.nodes[1].bootstrap) as client:
            drain = asyncio.ensure_future(_drain(client, 4, keep=False, may_shrink=False))
            await asyncio.wait([drain], timeout=LOOKS_S)
            assert not drain.done()
            assert 4 in world.broker(1).controller.nodes
            words.are_late = False
            assert (await drain)["state"] == "removed"
        assert world.leader("t") in (1, 2, 3)
        assert await append(world, "b") == 1
