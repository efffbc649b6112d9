"""Nodes of different programs side by side, and the cluster's level as clients raise it."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cluster_world import ClusterWorld
from kafka import KafkaAdminClient
from kafka.errors import InvalidUpdateVersionError

from sprawl.client.cluster import Cluster
from sprawl.client.clusters import read_status
from sprawl.client.faults import Refused
from sprawl.client.features import FeatureLevel, highest_level, raise_level, read_level
from sprawl.core.controller import features
from sprawl.core.controller.features import FEATURE, SUPPORTED, UNTOLD, Levels
from sprawl.core.controller.state import encode_record, node_record
from sprawl.core.errors import ErrorCode
from sprawl.core.storage.rocksdb import RocksKeyValueStore
from sprawl.faults import StartFault
from sprawl.node import Node
from sprawl.platform import STORE

OLD, NEW = Levels(1, 1), Levels(1, 2)


class Programs:
    """Which program the nodes run that are started next."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch

    def use(self, levels: Levels) -> None:
        self._patch.setattr(features, "SUPPORTED", levels)


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> Programs:
    return Programs(monkeypatch)


def states(world: ClusterWorld) -> list[Any]:
    return [world.broker(number).controller.state for number in world.nodes]


async def at_level(world: ClusterWorld, level: int) -> None:
    await world.until(lambda: all(each.level == level for each in states(world)))


def described(bootstrap: str) -> dict[str, Any]:
    """What `kafka-features describe` shows of `sprawl.version`."""
    with closing(KafkaAdminClient(bootstrap_servers=bootstrap)) as admin:
        found: dict[str, Any] = admin.describe_features()[FEATURE]
    return found


def updated(bootstrap: str, level: int, **asked: Any) -> dict[str, str]:
    with closing(KafkaAdminClient(bootstrap_servers=bootstrap)) as admin:
        answer: dict[str, str] = admin.update_features({FEATURE: level}, **asked)
    return answer


async def replace_program(world: ClusterWorld, number: int) -> None:
    await world.stop(number)
    await world.start(number)
    await world.until(lambda: all(each.nodes[number].levels == NEW for each in states(world)))


async def test_a_cluster_is_upgraded_node_by_node_and_then_raised(
    tmp_path: Path, programs: Programs
) -> None:
    programs.use(OLD)
    async with ClusterWorld(3, tmp_path) as world:
        assert await asyncio.to_thread(described, world.bootstrap) == {
            "supported": (1, 1),
            "finalized": (1, 1),
            "finalized_epoch": states(world)[0].level_epoch,
        }
        programs.use(NEW)
        for number in (3, 2):
            await replace_program(world, number)
        async with Cluster(world.nodes[3].bootstrap) as client:
            assert await read_level(client) == FeatureLevel(1, NEW)
            with pytest.raises(Refused, match=r"Broker 1 only supports versions 1-1") as refused:
                await raise_level(client, 2)
            assert refused.value.code is ErrorCode.INVALID_UPDATE_VERSION
            assert (await read_status(client)).upgrade_to is None
            await replace_program(world, 1)
            status = await read_status(client)
            assert (status.level, status.upgrade_to) == (1, 2)
        before = states(world)[0].level_epoch
        update = partial(asyncio.to_thread, updated, world.bootstrap)
        assert await update(2, validate_only=True) == {FEATURE: "OK"}
        assert {each.level for each in states(world)} == {1}
        assert await update(2) == {FEATURE: "OK"}
        await at_level(world, 2)
        raised = await asyncio.to_thread(described, world.bootstrap)
        assert (raised["supported"], raised["finalized"]) == ((1, 2), (2, 2))
        assert raised["finalized_epoch"] > before
        with pytest.raises(InvalidUpdateVersionError, match="without setting the upgrade type"):
            await update(1)


async def test_a_program_that_does_not_know_the_level_cannot_take_part(
    tmp_path: Path, programs: Programs
) -> None:
    programs.use(NEW)
    refusal = r"The cluster is at sprawl\.version 2, but the program of node \d knows 1-1 only\."
    async with ClusterWorld(2, tmp_path) as world:
        await at_level(world, 2)
        await world.stop(2)
        programs.use(OLD)
        with pytest.raises(StartFault, match=refusal) as back:
            await world.start(2)
        assert back.value.next_step == "install the version of Sprawl that the other nodes run"
        # Its own log said so; a node without one hears it from the controller.
        (tmp_path / "2").rename(tmp_path / "away")
        with pytest.raises(StartFault, match=refusal) as fresh:
            await world.start(2)
        assert fresh.value.next_step == "install the version of Sprawl that the other nodes run"
        shutil.rmtree(tmp_path / "2")
        (tmp_path / "away").rename(tmp_path / "2")
        programs.use(NEW)
        await world.start(2)


async def forget(world: ClusterWorld, number: int) -> int:
    """Have the controller, as one from before levels would, forget a node's; where it leads."""
    leader = int(world.broker(1).controller.leader)
    controller = world.broker(leader).controller
    forgotten = replace(controller.nodes[number], levels=UNTOLD)
    await controller._log.append([encode_record(node_record(forgotten))])
    return leader


def are_known(world: ClusterWorld, number: int) -> bool:
    return all(each.nodes[number].levels == SUPPORTED for each in states(world))


async def test_a_node_tells_its_levels_again_when_the_controller_forgot_them(
    tmp_path: Path,
) -> None:
    async with ClusterWorld(3, tmp_path) as world:
        for number in (1, 2, 3):
            await forget(world, number)
            await world.until(partial(are_known, world, number))
        # The controller that forgot still led when the node looked: it tells the next one.
        number, next_leader = {1, 2, 3} - {int(world.broker(1).controller.leader)}
        registration: Any = world.nodes[number]._running._cluster.registration
        announced, registration._announced = registration._announced, None
        leader = await forget(world, number)
        await world.until(lambda: all(e.nodes[number].levels == UNTOLD for e in states(world)))
        registration._announced = announced
        replica: Any = world.nodes[leader]._running._cluster._metadata_replica
        to = states(world)[0].nodes[next_leader].replica_id
        await world.until(lambda: replica.hand_over(to))
        await world.until(lambda: world.broker(number).controller.leader == next_leader)
        await world.until(partial(are_known, world, number))


async def test_the_highest_level_that_every_node_knows_is_found(
    tmp_path: Path, programs: Programs
) -> None:
    programs.use(OLD)
    async with ClusterWorld(2, tmp_path) as world:
        for number, levels in ((1, Levels(1, 4)), (2, Levels(1, 3))):
            programs.use(levels)
            await world.stop(number)
            await world.start(number)
        await world.until(lambda: all(e.nodes[1].levels.max == 4 for e in states(world)))
        async with Cluster(world.nodes[1].bootstrap) as client:
            now = await read_level(client)
            assert now == FeatureLevel(1, Levels(1, 4))
            assert await highest_level(client, now) == 3
            await raise_level(client, 3)
            assert await highest_level(client, FeatureLevel(3, Levels(1, 4))) is None


async def test_records_from_before_the_log_are_taken_over_and_found_no_new_cluster(
    tmp_path: Path,
) -> None:
    topic = {"version": 1, "id": str(UUID(int=7)), "name": "t", "partitions": 2, "configs": {}}
    kv = RocksKeyValueStore(tmp_path / STORE)
    kv.put(b"controller/record/0", encode_record({"type": "topic", **topic}), sync=True)
    kv.close()
    for _ in range(2):
        async with Node(data_dir=tmp_path) as node:
            state = node._running.broker.controller.state
            assert state.topics["t"].partition_count == 2
            assert state.level == 1
