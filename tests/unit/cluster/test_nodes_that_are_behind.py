"""Nodes that follow the controller's log from long ago, and nodes that were removed: neither may
take anything away from the others, and both find out where they stand."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cluster_world import ClusterWorld

from sprawl.core.cluster import registration
from sprawl.core.cluster.address_book import AddressBook
from sprawl.core.cluster.cluster import Cluster
from sprawl.core.cluster.peers import PeerIdentity, PeerRefused
from sprawl.core.cluster.registration import Registration
from sprawl.core.controller.identity import DataDirectory
from sprawl.core.controller.nodes import NodeInfo
from sprawl.core.controller.topics import TopicSpec
from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.ids import BrokerId, ReplicaId
from sprawl.core.storage.memory import MemoryKeyValueStore

ONE_OFFSETS_PARTITION = {"offsets_topic_num_partitions": 1}
NEW = UUID(int=77)


class PowerCut(Exception):
    """The node stops here."""


class FakeController:
    """Takes note of who registers."""

    def __init__(self) -> None:
        self.nodes: dict[BrokerId, object] = {}
        self.registered: list[NodeInfo] = []

    async def register(self, node: NodeInfo, *, may_replace: bool) -> NodeInfo:
        self.registered.append(node)
        await asyncio.sleep(60)
        return node


def cluster_of(world: ClusterWorld, number: int) -> Cluster:
    found: Cluster = world.nodes[number]._running._cluster
    return found


def end_of(world: ClusterWorld, number: int) -> int:
    found: int = world.broker(number).controller.end_offset
    return found


async def all_follow(world: ClusterWorld) -> None:
    """Every node has what is written now, and none takes itself for removed."""
    made = await world.broker(next(iter(world.nodes))).controller.create_topic(
        TopicSpec(name="followed", partition_count=1, replication_factor=1)
    )
    await world.until(
        lambda: all(made.id in world.broker(each).controller.by_id for each in world.nodes)
    )
    assert not [each for each in world.nodes if cluster_of(world, each).registration.is_out]


async def lead(world: ClusterWorld, number: int) -> None:
    """Have the controller of a node lead."""
    wanted = cluster_of(world, number).replica_id
    controller = world.broker(number).controller
    while controller.leader != number:
        if controller.leader in world.nodes:
            replica = cluster_of(world, controller.leader)._metadata_replica
            assert replica is not None
            replica.hand_over(wanted)
        await asyncio.sleep(0.3)


@pytest.mark.parametrize("leader", [1, 3])
async def test_a_node_that_lost_its_disk_takes_nobody_away(tmp_path: Path, leader: int) -> None:
    """It follows the log from its beginning, when there were only nodes 1 and 2."""
    async with ClusterWorld(2, tmp_path, **ONE_OFFSETS_PARTITION) as world:
        await world.start(3)
        await world.start(4)
        await lead(world, leader)
        await world.stop(2)
        (tmp_path / "2").rename(tmp_path / "lost")
        world._settings["replace_node"] = "true"
        await world.start(2)
        await all_follow(world)


@pytest.mark.slow
async def test_a_node_that_was_away_finds_a_leader_that_joined_meanwhile(tmp_path: Path) -> None:
    async with ClusterWorld(3, tmp_path, **ONE_OFFSETS_PARTITION) as world:
        await world.until(lambda: len(cluster_of(world, 1).quorum().voters) == 3)
        await world.stop(3)
        await world.start(4)
        await world.start(5)
        await world.until(lambda: len(cluster_of(world, 1).quorum().voters) == 5)
        await lead(world, 5)
        await world.start(3)
        await all_follow(world)


async def test_a_running_node_asks_for_a_leader_that_it_does_not_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that was cut off while the others let a node in and had it lead."""
    monkeypatch.setattr(registration, "UNLED_S", 0.2)
    async with ClusterWorld(3, tmp_path, **ONE_OFFSETS_PARTITION) as world:
        await lead(world, 1)
        behind = cluster_of(world, 3)
        nodes = [each for each in behind.book.nodes if each.node_id != 1]
        behind.book._take(nodes)
        assert behind.book.node_of(ReplicaId(1)) is None
        await all_follow(world)


async def test_who_says_that_a_node_was_removed_is_not_believed(tmp_path: Path) -> None:
    async with ClusterWorld(3, tmp_path, **ONE_OFFSETS_PARTITION) as world:
        one, two = cluster_of(world, 1), cluster_of(world, 2)
        transport = one._transport
        assert transport is not None
        heard = two.registration._doubt
        asked: list[str] = []

        def doubt(why: str) -> None:
            asked.append(why)
            heard(why)

        two.registration._doubt = doubt  # type: ignore[method-assign]
        transport.send(BrokerId(2), registration._REMOVED, [str(two.replica_id).encode()])
        await world.until(lambda: asked and not two.registration._is_asking)
        assert not two.registration.was_removed()
        await all_follow(world)


async def test_a_removed_node_knows_it_and_has_no_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registration, "PARTING_S", 1.0)
    async with ClusterWorld(4, tmp_path, **ONE_OFFSETS_PARTITION) as world:
        await lead(world, 1)
        leader = world.broker(1).controller
        await world.until(lambda: len(leader.nodes) == 4)
        one, removed = cluster_of(world, 1), cluster_of(world, 4)
        assert one._transport is not None
        assert removed._transport is not None
        ended: list[BrokerId] = []
        one._transport.on_peer(lambda _: None, ended.append)
        await leader.remove_node(4)
        await world.until(lambda: removed.registration.was_removed())
        await world.until(lambda: 4 in ended)
        nodes = dict(leader.nodes)
        stolen = nodes[BrokerId(2)].to_json() | {
            "directory": str(removed.identity.directory_id),
            "replica": 0,
        }
        for command in (
            {
                "do": "create topic",
                "spec": TopicSpec(name="evil", partition_count=1, replication_factor=1).to_json(),
                "validate_only": False,
            },
            {"do": "register", "node": stolen, "may_replace": True},
        ):
            body = json.dumps(command).encode()
            # It may connect anew: its certificate is good.
            call = removed._transport.call
            with pytest.raises(PeerRefused) as raised:
                await call(BrokerId(1), "controller/command", body, timeout_ms=3_000)
            assert raised.value.code is ErrorCode.CLUSTER_AUTHORIZATION_FAILED
        assert leader.nodes == nodes
        assert "evil" not in leader.topics


async def test_a_former_self_that_still_runs_hears_that_it_was_replaced(tmp_path: Path) -> None:
    async with ClusterWorld(3, tmp_path, **ONE_OFFSETS_PARTITION) as world:
        await lead(world, 1)
        leader = world.broker(1).controller
        await world.until(lambda: len(leader.nodes) == 3)
        former = cluster_of(world, 3)
        changed = leader.nodes[BrokerId(3)].to_json() | {"directory": str(NEW), "replica": 0}
        await leader._submit({"do": "register", "node": changed, "may_replace": True})
        await world.until(lambda: former.registration.was_removed())


async def test_a_node_that_is_joining_itself_tells_nobody_that_he_is_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stands where one stood that others know, and who knows no leader asks all of them."""
    monkeypatch.setattr(registration, "UNLED_S", 0.2)
    async with ClusterWorld(3, tmp_path, **ONE_OFFSETS_PARTITION) as world:
        third = cluster_of(world, 3)
        await world.until(lambda: len(third.quorum().voters) == 3)
        for number in (2, 1):
            await world.stop(number)
        (tmp_path / "1").rename(tmp_path / "lost")
        await world.until(lambda: third.log.leader is None)
        said: list[ErrorCode] = []
        ask = Registration._ask_seeds

        async def heard(asking: Registration, *what: Any, **how: Any) -> dict[str, Any]:
            try:
                return await ask(asking, *what, **how)
            except KafkaFault as fault:
                said.append(fault.code)
                raise

        monkeypatch.setattr(Registration, "_ask_seeds", heard)
        seed = f"127.0.0.1:{world._peer_ports[3]}"
        world._settings |= {"replace_node": "true", "join": seed}
        joining = asyncio.ensure_future(world.start(1))
        await world.until(lambda: len(said) >= 3 or third.registration.is_out)
        assert not third.registration.is_out
        await world.start(2)
        await joining
        await all_follow(world)


async def test_who_comes_before_the_founder_has_registered_waits_for_it() -> None:
    """Whoever registers first is replica 1, and so is the founder."""
    controller: Any = FakeController()
    peer = PeerIdentity(node_id=BrokerId(2), directory_id=NEW, incarnation=1)
    node = NodeInfo(node_id=BrokerId(2), replica_id=ReplicaId(0), directory_id=NEW, endpoints={})
    body = json.dumps({"node": node.to_json(), "may_replace": False}).encode()
    kv = MemoryKeyValueStore()
    founder = Registration(
        node_id=BrokerId(1), kv=kv, book=AddressBook(kv), start=lambda job: job.close()
    )
    founder.begin(controller)
    asked = asyncio.ensure_future(founder._take_in(peer, memoryview(body)))
    await asyncio.sleep(0.1)
    assert not controller.registered
    controller.nodes[BrokerId(1)] = None
    await asyncio.sleep(0.1)
    assert controller.registered
    asked.cancel()


@pytest.mark.parametrize("before", [(DataDirectory, "adopt"), (Registration, "begin")])
async def test_a_crash_while_joining_founds_no_second_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: tuple[type, str]
) -> None:
    async with ClusterWorld(1, tmp_path, **ONE_OFFSETS_PARTITION) as world:

        def crash(*_: object) -> None:
            raise PowerCut

        with monkeypatch.context() as patch:
            patch.setattr(*before, crash)
            with pytest.raises(PowerCut):
                await world.start(2)
        await world.start(2)  # without --join
        joined = cluster_of(world, 2)
        assert joined.replica_id == world.broker(1).controller.nodes[BrokerId(2)].replica_id != 1
        assert world.broker(2).cluster_id == world.broker(1).cluster_id
        await all_follow(world)
