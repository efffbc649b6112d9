"""What an operator does to a cluster: hand over, drain, remove, repair, and look at it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cluster_world import ClusterWorld

from sprawl.cli.cluster_nodes import _drain
from sprawl.client import moves
from sprawl.client.cluster import Cluster
from sprawl.client.clusters import read_status
from sprawl.client.faults import Refused
from sprawl.client.moves import LOST, Candidate, clear, left_on
from sprawl.client.nodes import State, cordon, read_nodes, unregister
from sprawl.core.errors import ErrorCode
from sprawl.faults import StartFault
from sprawl.gateway.codec._generated.k43_elect_leaders import (
    ElectLeadersRequest,
    ElectLeadersResponse,
    TopicPartitions,
)
from sprawl.node import Node

SOON = {"offsets_topic_num_partitions": 1}


async def elect(world: ClusterWorld, asked: int, timeout_ms: int = 10_000) -> dict[int, int]:
    """A preferred election of topic `t` through a node: error codes by partition."""
    async with Cluster(world.nodes[asked].bootstrap) as client:
        topics = [TopicPartitions(topic="t", partitions=[0])]
        request = ElectLeadersRequest(topic_partitions=topics, timeout_ms=timeout_ms)
        connection = await client.node(asked)
        answer = await connection.request(43, request, ElectLeadersResponse)
        [result] = answer.replica_election_results
        return {each.partition_id: each.error_code for each in result.partition_result}


async def led_by_another(world: ClusterWorld) -> int:
    """Have `t` led by a replica that is not the preferred one; which is."""
    broker = world.broker(1)
    topic = broker.controller.topics["t"]
    [preferred, other, _] = broker.controller.state.brokers_of(topic.replicas[0])
    replication: Any = world.replica(preferred, "t")
    await world.until(lambda: len(broker.cluster.partition(topic, 0).isr) == 3)
    assert replication._replication.hand_over(topic.replicas[0][1])
    await world.until(lambda: world._leaders("t", 0) == {int(other)})
    for number in world.nodes:
        view = world.broker(number).cluster
        await world.until(lambda view=view: len(view.partition(topic, 0).isr) == 3)
    return int(preferred)


async def test_a_preferred_election_hands_over_through_any_node() -> None:
    async with ClusterWorld(3) as world:
        await world.topic("t")
        for asked in (1, 2, 3):
            preferred = await led_by_another(world)
            assert await elect(world, asked) == {0: ErrorCode.NONE}
            assert world.leader("t") == preferred
        assert await elect(world, 2) == {0: ErrorCode.ELECTION_NOT_NEEDED}


async def test_a_preferred_replica_that_is_away_is_not_elected(tmp_path: Path) -> None:
    async with ClusterWorld(3, tmp_path) as world:
        topic = await world.topic("t")
        [preferred, other, _] = world.broker(1).controller.state.brokers_of(topic.replicas[0])
        await world.stop(preferred)
        await world.until(lambda: world._leaders("t", 0) - {None, preferred, -1})
        await world.until(lambda: world.broker(other).cluster.leader(topic, 0) >= 0)
        assert await elect(world, other) == {0: ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE}


async def test_a_node_is_drained_and_goes(tmp_path: Path) -> None:
    async with ClusterWorld(4, tmp_path, **SOON) as world:
        await world.topic("t", partitions=4)
        async with Cluster(world.nodes[2].bootstrap) as client:
            with pytest.raises(Refused, match="still holds"):
                await unregister(client, 1)
            assert await _drain(client, 1, keep=False, may_shrink=False) == {
                "node": 1,
                "state": "removed",
                "moved": 3,
            }
            found = await read_status(client)
        assert [each.node_id for each in found.nodes] == [2, 3, 4]
        assert found.is_healthy
        assert found.voters == (2, 3, 4)
        # The removed one is told, says so, and is not let in again.
        await world.until(lambda: health(world.nodes[1])["ready"] is False)
        await world.stop(1)
        with pytest.raises(StartFault, match="was removed from its cluster"):
            await world.start(1)


async def test_a_drain_goes_on_when_the_controller_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have made the move that it did not answer; the next look tells."""
    async with ClusterWorld(3, tmp_path, **SOON) as world:
        await world.topic("t", partitions=2, replicas=2)
        real, asked = moves._alter, 0

        async def answers_once(cluster: Cluster, wanted: Any) -> dict[Any, tuple[int, str | None]]:
            nonlocal asked
            asked += 1
            answers = await real(cluster, wanted)
            if asked > 1:
                return answers
            return dict.fromkeys(answers, (int(ErrorCode.REQUEST_TIMED_OUT), "It may be made yet."))

        monkeypatch.setattr(moves, "_alter", answers_once)
        async with Cluster(world.nodes[2].bootstrap) as client:
            done = await _drain(client, 1, keep=True, may_shrink=False)
            assert done["moved"]
            assert left_on(await client.metadata(), {1}) == 0


async def test_a_drain_that_nobody_answers_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ClusterWorld(3, tmp_path, **SOON) as world:
        await world.topic("t", replicas=2)
        node = world.leader("t")
        assert node is not None

        async def never(cluster: Cluster, wanted: Any) -> dict[Any, tuple[int, str | None]]:
            return dict.fromkeys(wanted, (int(ErrorCode.REQUEST_TIMED_OUT), "It may be made yet."))

        monkeypatch.setattr(moves, "_alter", never)
        monkeypatch.setattr(moves, "PATIENCE_S", 0.2)
        async with Cluster(world.nodes[1].bootstrap) as client:
            with pytest.raises(Refused, match="It may be made yet"):
                await _drain(client, node, keep=True, may_shrink=False)


async def test_a_cordoned_node_is_told_apart_and_may_stay() -> None:
    async with ClusterWorld(2) as world:
        async with Cluster(world.nodes[1].bootstrap) as client:
            await cordon(client, 2, is_on=True)
            assert [each.state for each in await read_nodes(client)] == [State.ALIVE, State.LEAVING]
            await cordon(client, 2, is_on=False)
            assert [each.state for each in await read_nodes(client)] == [State.ALIVE] * 2
        await world.stop(2)
        async with Cluster(world.nodes[1].bootstrap) as client:
            assert [each.state for each in await read_nodes(client)] == [
                State.ALIVE,
                State.UNREACHABLE,
            ]


@pytest.mark.slow
async def test_lost_replicas_are_repaired(tmp_path: Path) -> None:
    async with ClusterWorld(3, tmp_path, **SOON) as world:
        await world.topic("t", partitions=2)
        await world.stop(3)
        (tmp_path / "3").rename(tmp_path / "lost")
        world._settings["replace_node"] = "true"
        await world.start(3)
        async with Cluster(world.nodes[1].bootstrap) as client:
            assert left_on(await client.metadata(), {LOST}) == 2

            async def everybody() -> list[Candidate]:
                return [Candidate(number, None) for number in (1, 2, 3)]

            looks: list[tuple[int, int]] = []
            await clear(client, {LOST}, everybody, lambda *look: looks.append(look))
            assert looks[0] == (2, 0)
            assert looks[-1][0] == 0
            status = await read_status(client)
        assert all(sorted(each.replicas) == [1, 2, 3] for each in status.partitions)


async def test_health_and_metrics_tell_of_the_cluster() -> None:
    async with ClusterWorld(3) as world:
        await world.topic("t", partitions=6)
        facts = [health(world.nodes[number])["cluster"] for number in (1, 2, 3)]
        assert {each["nodes_alive"] for each in facts} == {3}
        assert {each["controller"] for each in facts} == {1}
        assert [each["led"] for each in facts] == [2, 2, 2]
        assert sum(each["followed"] for each in facts) == 12
        assert [each.get("offline") for each in facts] == [0, None, None]
        shown = gauges(world.nodes[2])
        assert shown["sprawl_cluster_nodes_alive"] == 3
        assert shown["sprawl_partitions_led"] == 2
        assert shown["sprawl_partitions_followed"] == 4
        assert shown["sprawl_raft_groups"] == 7
        assert shown["sprawl_controller_leader"] == 0
        assert shown["sprawl_peer_frames_in_total"] > 0


def health(node: Node) -> Any:
    return node._running._health()


def gauges(node: Node) -> dict[str, float]:
    return {name: value for name, _, value in node._running._gauges()}


@pytest.mark.slow
async def test_a_node_that_was_removed_while_it_was_away_hears_of_it(tmp_path: Path) -> None:
    async with ClusterWorld(3, tmp_path) as world:
        await world.stop(3)
        async with Cluster(world.nodes[1].bootstrap) as client:
            await _drain(client, 3, keep=False, may_shrink=False)
        await world.start(3)
        await world.until(lambda: health(world.nodes[3])["ready"] is False)
        await world.stop(3)
        with pytest.raises(StartFault, match="was removed from its cluster"):
            await world.start(3)


async def test_nodes_that_never_voted_and_are_away_do_not_hold_up_the_quorum(
    tmp_path: Path,
) -> None:
    async with ClusterWorld(2, tmp_path, **SOON) as world:
        await world.stop(2)
        for number in (3, 4, 5):
            await world.start(number)
            if number == 3:
                await world.stop(3)
        quorum = world.broker(1).cluster.quorum
        await world.until(lambda: {each.node_id for each in quorum().voters} == {1, 4, 5})
