"""Registries of three nodes over one replicated topic: who leads writes, everybody reads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from cluster_world import ClusterWorld
from registry_world import FieldsFormat
from schemas_topic_world import registering, versions

from sprawl.schema_registry.schemas import SchemaType
from sprawl.schema_registry.service import NotTheLeader, StoreFault, StoreTimeout
from sprawl.schema_registry.serving import limits
from sprawl.schema_registry.serving.node_topic import NodeTopic
from sprawl.schema_registry.serving.service import TopicRegistry

LOOK_S = 0.02


def serve(
    world: ClusterWorld,
    number: int,
    replication_factor: int = 3,
    *,
    url_of: Callable[[int], str | None] = lambda node: f"node:{node}",
) -> TopicRegistry:
    topic = NodeTopic(
        world.broker(number),
        url_of,
        replication_factor=lambda: replication_factor,
    )
    service = TopicRegistry(
        topic,
        lambda: dict.fromkeys(SchemaType, FieldsFormat()),
        executor=ThreadPoolExecutor,
    )
    service.start()
    return service


async def write(services: dict[int, TopicRegistry], at: int, subject: str, text: str) -> Any:
    """As a client does: sent on to who leads, and again when that is not known."""
    while True:
        try:
            return await services[at].write(registering(subject, text))
        except NotTheLeader as sent_on:
            if sent_on.leader_url is not None:
                at = int(sent_on.leader_url.partition(":")[2])
        except (StoreFault, StoreTimeout):
            pass
        if at not in services:
            at = min(services)
        await asyncio.sleep(LOOK_S)


async def seen(service: TopicRegistry, subject: str, count: int) -> list[Any]:
    while True:
        if service.is_ready:
            found = await service.read(versions(subject))
            if len(found) == count:
                return found
        await asyncio.sleep(LOOK_S)


async def test_writes_reach_the_leader_and_every_node_reads_them_also_after_it_is_gone() -> None:
    async with ClusterWorld(3) as world:
        services = {number: serve(world, number) for number in (1, 2, 3)}
        try:
            stored = [await write(services, 1 + n % 3, "s", f"a f{n}?") for n in range(6)]
            assert [each.id for each in stored] == [1, 2, 3, 4, 5, 6]
            for service in services.values():
                assert await seen(service, "s", 6) == stored
            leader = next(n for n, each in services.items() if each.counts().is_leader)
            await services.pop(leader).stop()
            await world.stop(leader)
            first = min(services)
            stored.append(await write(services, first, "s", "a late?"))
            assert stored[-1].id == 7
            for service in services.values():
                assert await seen(service, "s", 7) == stored
        finally:
            for service in services.values():
                await service.stop()


async def test_a_follower_that_was_away_answers_when_it_has_caught_up(tmp_path: Path) -> None:
    async with ClusterWorld(3, tmp_path) as world:
        services = {number: serve(world, number) for number in (1, 2, 3)}
        try:
            stored = [await write(services, 1, "s", "a")]
            away = next(n for n in (2, 3) if not services[n].counts().is_leader)
            await services.pop(away).stop()
            await world.stop(away)
            stored.append(await write(services, 1, "s", "a b?"))
            await world.start(away)
            services[away] = serve(world, away)
            assert await seen(services[away], "s", 2) == stored
        finally:
            for service in services.values():
                await service.stop()


async def test_a_node_without_a_replica_sends_on_to_the_one_that_leads() -> None:
    async with ClusterWorld(2) as world:
        services = {number: serve(world, number, replication_factor=1) for number in (1, 2)}
        try:
            await write(services, 1, "s", "a")
            leader = next(n for n, each in services.items() if each.counts().is_leader)
            other = services[3 - leader]
            while other.is_ready:  # it still takes the topic for one that does not exist
                await asyncio.sleep(LOOK_S)
            for asked in (other.read(versions("s")), other.write(registering("s", "a"))):
                with pytest.raises(NotTheLeader) as sent_on:
                    await asked
                assert sent_on.value.leader_url == f"node:{leader}"
        finally:
            for service in services.values():
                await service.stop()


async def test_a_leader_without_a_registry_is_told_by_name_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with ClusterWorld(3) as world:
        services = {number: serve(world, number, url_of=lambda _: None) for number in (1, 2, 3)}
        try:
            leader = None
            while leader is None:
                for each in services.values():
                    with suppress(NotTheLeader, StoreFault, StoreTimeout):
                        await each.write(registering("s", "a"))
                leader = next((n for n, each in services.items() if each.counts().is_leader), None)
            follower = next(each for n, each in services.items() if n != leader)
            monkeypatch.setattr(limits, "WRITE_WAIT_S", 0.2)
            with pytest.raises(NotTheLeader) as sent_on:
                await follower.write(registering("s", "b"))
            assert sent_on.value.leader_url is None
            advice = sent_on.value.advice
            assert advice.startswith(f"Node {leader} leads _schemas and has no schema registry")
            assert "schema.registry.port" in advice
        finally:
            for service in services.values():
                await service.stop()
