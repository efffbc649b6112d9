"""Committed offsets are read when it is certain that no later coordinator has newer ones."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from group_api_world import World
from group_log import FakeLog

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.groups import confirming
from sprawl.core.groups.placement import partition_for
from sprawl.gateway.codec._generated import k09_offset_fetch as k09

GROUPS = ("g", "h", "i")
"""g is somewhere else than h and i are."""


@pytest.fixture
async def world() -> World:
    """One whose reads wait to be confirmed."""
    made = World(FakeLog(partition_count=2))
    await made.start()
    made.commit()
    made.log.confirming = {}
    return made


def ask(world: World, version: int = 8) -> asyncio.Task[Any]:
    if version < 8:
        return asyncio.create_task(
            world.ask(9, version, k09.OffsetFetchRequest(group_id="g", topics=None))
        )
    groups = [k09.OffsetFetchRequestGroup(group_id=name, topics=None) for name in GROUPS]
    return asyncio.create_task(world.ask(9, version, k09.OffsetFetchRequest(groups=groups)))


def confirmation(world: World, group: str) -> asyncio.Future[object]:
    assert world.log.confirming is not None
    return world.log.confirming[partition_for(group, 2)]


async def asked(world: World, count: int) -> None:
    while len(world.log.confirming or ()) < count:
        await asyncio.sleep(0)


async def test_nothing_is_answered_before_it_is_certain_and_each_partition_is_asked_once(
    world: World,
) -> None:
    assert {name: partition_for(name, 2) for name in GROUPS} == {"g": 1, "h": 0, "i": 1}
    answer = ask(world)
    await asked(world, 2)
    confirmation(world, "g").set_result(None)
    await asyncio.sleep(0)
    assert not answer.done()
    confirmation(world, "h").set_result(None)
    groups = (await answer).groups
    assert [group.error_code for group in groups] == [ErrorCode.NONE] * 3
    assert groups[0].topics[0].partitions[0].committed_offset == 7


async def test_a_coordinator_that_was_followed_by_another_does_not_say_what_it_has(
    world: World,
) -> None:
    answer = ask(world)
    await asked(world, 2)
    confirmation(world, "g").set_exception(KafkaFault(ErrorCode.NOT_LEADER_OR_FOLLOWER))
    confirmation(world, "h").set_result(None)
    groups = (await answer).groups
    assert {group.group_id: group.error_code for group in groups} == {
        "g": ErrorCode.NOT_COORDINATOR,
        "h": ErrorCode.NONE,
        "i": ErrorCode.NOT_COORDINATOR,
    }
    assert groups[0].topics == []


async def test_before_version_8_each_partition_has_the_error(world: World) -> None:
    topics = [k09.OffsetFetchRequestTopic(name="t", partition_indexes=[0])]
    request = k09.OffsetFetchRequest(group_id="g", topics=topics)
    answer = asyncio.create_task(world.ask(9, 5, request))
    await asked(world, 1)
    confirmation(world, "g").set_exception(KafkaFault(ErrorCode.NOT_LEADER_OR_FOLLOWER))
    [topic] = (await answer).topics
    [partition] = topic.partitions
    assert (partition.committed_offset, partition.error_code) == (-1, ErrorCode.NOT_COORDINATOR)


async def test_a_group_that_went_elsewhere_while_another_was_waited_for(world: World) -> None:
    answer = ask(world)
    await asked(world, 2)
    confirmation(world, "g").set_result(None)
    await asyncio.sleep(0)
    world.groups.resign(partition_for("g", 2))
    confirmation(world, "h").set_result(None)
    codes = [group.error_code for group in (await answer).groups]
    assert codes == [ErrorCode.NOT_COORDINATOR, ErrorCode.NONE, ErrorCode.NOT_COORDINATOR]


@pytest.mark.parametrize("version", [7, 8])
async def test_who_hears_from_nobody_gives_up(
    world: World, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(confirming, "CONFIRM_S", 0.01)
    answer = await ask(world, version)
    found = answer.groups if version == 8 else [answer]
    assert {each.error_code for each in found} == {ErrorCode.NOT_COORDINATOR}
