"""ListOffsets: every special timestamp, and look-ups by time."""

from __future__ import annotations

import pytest
from data_world import START_MS, World

from sprawl.core.errors import ErrorCode
from sprawl.gateway.codec._generated.k02_list_offsets import (
    ListOffsetsPartition,
    ListOffsetsPartitionResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopic,
)
from sprawl.gateway.handlers import k02_list_offsets

LATEST, EARLIEST, MAX_TIMESTAMP, EARLIEST_LOCAL, LATEST_TIERED, PENDING = range(-1, -7, -1)


def request(
    timestamp: int,
    *,
    topic: str = "t",
    index: int = 0,
    epoch: int = -1,
    isolation_level: int = 0,
    replica_id: int = -1,
) -> ListOffsetsRequest:
    wish = ListOffsetsPartition(
        partition_index=index, current_leader_epoch=epoch, timestamp=timestamp
    )
    return ListOffsetsRequest(
        replica_id=replica_id,
        isolation_level=isolation_level,
        topics=[ListOffsetsTopic(name=topic, partitions=[wish])],
    )


async def list_one(
    world: World, wanted: ListOffsetsRequest, version: int = 11
) -> ListOffsetsPartitionResponse:
    response = await world.call(k02_list_offsets, wanted, version)
    assert isinstance(response, ListOffsetsResponse)
    return response.topics[0].partitions[0]


def found(answer: ListOffsetsPartitionResponse) -> tuple[int, int, int]:
    return (answer.offset, answer.timestamp, answer.leader_epoch)


@pytest.mark.parametrize("version", range(1, 12))
async def test_earliest_and_latest_in_every_version(world: World, version: int) -> None:
    world.topic(term=2)
    world.append("a", "b", "c")
    world.partition().delete_records(1)
    epoch = 2 if version >= 4 else -1
    assert found(await list_one(world, request(EARLIEST), version)) == (1, -1, epoch)
    assert found(await list_one(world, request(LATEST), version)) == (3, -1, epoch)


async def test_an_empty_partition(world: World) -> None:
    world.topic()
    answers = {
        timestamp: found(await list_one(world, request(timestamp)))
        for timestamp in (LATEST, EARLIEST, MAX_TIMESTAMP, EARLIEST_LOCAL, 0)
    }
    nothing = (-1, -1, -1)
    assert answers == {
        LATEST: (0, -1, 0),
        EARLIEST: (0, -1, 0),
        MAX_TIMESTAMP: nothing,
        EARLIEST_LOCAL: (0, -1, 0),
        0: nothing,
    }


@pytest.mark.parametrize("timestamp", [LATEST_TIERED, PENDING])
async def test_nothing_is_tiered(world: World, timestamp: int) -> None:
    world.topic()
    world.append("a")
    answer = await list_one(world, request(timestamp))
    assert (answer.error_code, *found(answer)) == (0, -1, -1, -1)


async def test_the_epoch_is_the_one_the_record_was_written_in(world: World) -> None:
    world.topic(term=2)
    world.append("a", timestamp_ms=START_MS)
    world.new_term(5)
    world.append("b", timestamp_ms=START_MS + 10)
    assert found(await list_one(world, request(START_MS))) == (0, START_MS, 2)
    assert found(await list_one(world, request(START_MS + 1))) == (1, START_MS + 10, 5)
    assert found(await list_one(world, request(EARLIEST))) == (0, -1, 2)
    assert found(await list_one(world, request(LATEST))) == (2, -1, 5)


@pytest.mark.parametrize("codec", range(5), ids=["none", "gzip", "snappy", "lz4", "zstd"])
async def test_time_is_looked_up_inside_batches(world: World, codec: int) -> None:
    world.topic()
    world.append("a", "b", "c", timestamps_ms=[100, 300, 200], compression=codec)
    world.append("d", timestamps_ms=[250], compression=codec)
    looked_up = {
        timestamp: found(await list_one(world, request(timestamp)))[:2]
        for timestamp in (0, 100, 101, 201, 300, 301)
    }
    assert looked_up == {
        0: (0, 100),
        100: (0, 100),
        101: (1, 300),
        201: (1, 300),
        300: (1, 300),
        301: (-1, -1),
    }
    assert found(await list_one(world, request(MAX_TIMESTAMP)))[:2] == (1, 300)


async def test_records_before_the_log_start_are_not_found(world: World) -> None:
    world.topic()
    world.append("a", timestamp_ms=500)
    world.append("b", timestamp_ms=100)
    world.partition().delete_records(1)
    assert found(await list_one(world, request(50)))[:2] == (1, 100)
    assert found(await list_one(world, request(200)))[:2] == (-1, -1)


async def test_what_is_not_committed_is_not_listed(
    disk_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = disk_world
    world.topic(flush_messages=1)
    gate = world.hold_syncs(monkeypatch)
    world.append("a", timestamp_ms=100)
    assert found(await list_one(world, request(LATEST)))[0] == 0
    assert found(await list_one(world, request(100)))[0] == -1
    assert found(await list_one(world, request(LATEST, replica_id=-2)))[0] == 1
    gate.open()


@pytest.mark.parametrize(
    ("timestamp", "since"),
    [(MAX_TIMESTAMP, 7), (EARLIEST_LOCAL, 8), (LATEST_TIERED, 9), (PENDING, 11)],
)
async def test_special_timestamps_need_their_version(
    world: World, timestamp: int, since: int
) -> None:
    world.topic()
    before = await list_one(world, request(timestamp), since - 1)
    assert (before.error_code, before.offset) == (ErrorCode.UNSUPPORTED_VERSION, -1)
    assert (await list_one(world, request(timestamp), since)).error_code == 0


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        (request(LATEST, topic="nowhere"), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        (request(LATEST, index=3), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        (request(LATEST, epoch=1), ErrorCode.FENCED_LEADER_EPOCH),
        (request(LATEST, epoch=3), ErrorCode.UNKNOWN_LEADER_EPOCH),
        (request(5, epoch=1), ErrorCode.FENCED_LEADER_EPOCH),
        (request(LATEST, isolation_level=7), ErrorCode.INVALID_REQUEST),
        (request(-7), ErrorCode.UNSUPPORTED_VERSION),
    ],
)
async def test_errors(world: World, wanted: ListOffsetsRequest, code: ErrorCode) -> None:
    world.topic(term=2)
    answer = await list_one(world, wanted)
    assert (answer.error_code, *found(answer)) == (code, -1, -1, -1)


async def test_a_partition_named_twice(world: World) -> None:
    world.topic(partitions=2)
    twice = request(LATEST)
    twice.topics[0].partitions *= 2
    twice.topics[0].partitions.append(ListOffsetsPartition(partition_index=1, timestamp=LATEST))
    response = await world.call(k02_list_offsets, twice, 11)
    assert isinstance(response, ListOffsetsResponse)
    codes = [answer.error_code for answer in response.topics[0].partitions]
    assert codes == [ErrorCode.INVALID_REQUEST, ErrorCode.INVALID_REQUEST, 0]
