"""OffsetForLeaderEpoch: where epochs end, seen by a consumer that checks its position."""

from __future__ import annotations

import pytest
from data_world import World

from sprawl.core.errors import ErrorCode
from sprawl.gateway.codec._generated.k23_offset_for_leader_epoch import (
    OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse,
    OffsetForLeaderPartition,
    OffsetForLeaderTopic,
)
from sprawl.gateway.handlers import k23_offset_for_leader_epoch


async def look_up(
    world: World,
    epoch: int,
    *,
    current: int = -1,
    topic: str = "t",
    index: int = 0,
    version: int = 4,
) -> tuple[int, int, int]:
    """(error code, epoch, end offset) of one partition."""
    wish = OffsetForLeaderPartition(
        partition=index, current_leader_epoch=current, leader_epoch=epoch
    )
    request = OffsetForLeaderEpochRequest(
        replica_id=-1, topics=[OffsetForLeaderTopic(topic=topic, partitions=[wish])]
    )
    response = await world.call(k23_offset_for_leader_epoch, request, version)
    assert isinstance(response, OffsetForLeaderEpochResponse)
    result = response.topics[0].partitions[0]
    assert result.partition == index
    return (result.error_code, result.leader_epoch, result.end_offset)


@pytest.mark.parametrize("version", [2, 3, 4])
async def test_ends_of_epochs(world: World, version: int) -> None:
    world.topic(term=2)
    world.append("a", "b")
    world.new_term(5)
    world.append("c")
    ends = {epoch: await look_up(world, epoch, version=version) for epoch in range(1, 7)}
    assert ends == {
        1: (0, 1, 0),  # older than the log: it ended where the first known one begins
        2: (0, 2, 2),
        3: (0, 2, 2),  # unknown here: the largest below it counts
        4: (0, 2, 2),
        5: (0, 5, 3),
        6: (0, -1, -1),
    }


async def test_an_epoch_without_records(world: World) -> None:
    world.topic(term=2)
    assert await look_up(world, 2) == (0, 2, 0)
    world.append("a")
    world.new_term(4)
    assert await look_up(world, 4) == (0, 4, 1)
    assert await look_up(world, 3) == (0, 2, 1)


async def test_no_epoch(world: World) -> None:
    world.topic()
    world.append("a")
    assert await look_up(world, -1) == (0, -1, -1)


@pytest.mark.parametrize(
    ("current", "code"),
    [(1, ErrorCode.FENCED_LEADER_EPOCH), (2, ErrorCode.NONE), (3, ErrorCode.UNKNOWN_LEADER_EPOCH)],
)
async def test_current_leader_epoch(world: World, current: int, code: ErrorCode) -> None:
    world.topic(term=2)
    assert (await look_up(world, 2, current=current))[0] == code


@pytest.mark.parametrize(("topic", "index"), [("nowhere", 0), ("t", 9)])
async def test_unknown_partition(world: World, topic: str, index: int) -> None:
    world.topic()
    answer = await look_up(world, 0, topic=topic, index=index)
    assert answer == (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1, -1)


async def test_an_unclean_stop_begins_a_new_epoch(disk_world: World) -> None:
    world = disk_world
    world.topic()
    world.append("a")
    await world.restart(clean=False)
    assert world.partition().leader_epoch == 1
    assert await look_up(world, 0) == (0, 0, 1)
    world.append("b")
    assert await look_up(world, 1) == (0, 1, 2)
    await world.restart()
    assert world.partition().leader_epoch == 1
