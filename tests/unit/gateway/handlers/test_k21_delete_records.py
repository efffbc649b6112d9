"""DeleteRecords: how far it may go, and what it leaves."""

from __future__ import annotations

import pytest
from data_world import World

from sprawl.core.errors import ErrorCode
from sprawl.gateway.codec._generated.k21_delete_records import (
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsResponse,
    DeleteRecordsTopic,
)
from sprawl.gateway.handlers import k21_delete_records


async def delete(
    world: World, offset: int, *, topic: str = "t", index: int = 0, version: int = 2
) -> tuple[int, int]:
    """(error code, low watermark) of one partition."""
    wish = DeleteRecordsPartition(partition_index=index, offset=offset)
    request = DeleteRecordsRequest(topics=[DeleteRecordsTopic(name=topic, partitions=[wish])])
    response = await world.call(k21_delete_records, request, version)
    assert isinstance(response, DeleteRecordsResponse)
    result = response.topics[0].partitions[0]
    return (result.error_code, result.low_watermark)


@pytest.mark.parametrize("version", [0, 1, 2])
async def test_moves_the_log_start_offset(world: World, version: int) -> None:
    world.topic()
    world.append("a", "b", "c")
    assert await delete(world, 2, version=version) == (0, 2)
    assert world.partition().log_start_offset == 2
    assert world.values() == ["c"]


async def test_minus_one_deletes_all_that_is_committed(world: World) -> None:
    world.topic()
    world.append("a", "b")
    assert await delete(world, -1) == (0, 2)
    assert world.values() == []


async def test_it_never_moves_back(world: World) -> None:
    world.topic()
    world.append("a", "b", "c")
    await delete(world, 2)
    assert await delete(world, 1) == (0, 2)


async def test_offsets_go_on_where_they_were(world: World) -> None:
    world.topic()
    world.append("a", "b")
    await delete(world, -1)
    world.append("c")
    assert [(record.offset, record.value) for record in world.records()] == [(2, b"c")]


@pytest.mark.parametrize("offset", [-2, 4])
async def test_out_of_range(world: World, offset: int) -> None:
    world.topic()
    world.append("a", "b", "c")
    assert await delete(world, offset) == (ErrorCode.OFFSET_OUT_OF_RANGE, -1)


@pytest.mark.parametrize(("topic", "index"), [("nowhere", 0), ("t", 1)])
async def test_unknown_partition(world: World, topic: str, index: int) -> None:
    world.topic()
    answer = await delete(world, 0, topic=topic, index=index)
    assert answer == (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1)


async def test_a_compacted_topic_keeps_its_records(world: World) -> None:
    world.topic("compacted", cleanup_policy=frozenset({"compact"}))
    world.topic("both", cleanup_policy=frozenset({"compact", "delete"}))
    assert await delete(world, 0, topic="compacted") == (ErrorCode.POLICY_VIOLATION, -1)
    assert await delete(world, 0, topic="both") == (0, 0)


async def test_internal_topics_are_out_of_bounds(world: World) -> None:
    world.topic("__consumer_offsets")
    answer = await delete(world, -1, topic="__consumer_offsets")
    assert answer == (ErrorCode.INVALID_TOPIC_EXCEPTION, -1)


async def test_it_survives_a_restart(disk_world: World) -> None:
    world = disk_world
    world.topic()
    world.append("a", "b", "c")
    await delete(world, 2)
    await world.restart()
    assert world.partition().log_start_offset == 2
    assert world.values() == ["c"]
