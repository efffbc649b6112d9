"""Fetch: what a consumer reads, and what it is told instead of data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from data_world import World, values_of
from fetching import V, fetch, fetch_one, order, partition, read, request, size_of

from sprawl.core.errors import ErrorCode
from sprawl.core.partition.partition import Partition
from sprawl.gateway.codec._generated.k01_fetch import (
    FetchResponse,
    ReplicaState,
)
from sprawl.gateway.handlers import k01_fetch

if TYPE_CHECKING:
    from sprawl.core.log.reading import LogRead


@pytest.mark.parametrize("version", range(4, 19))
async def test_reads_back_what_was_produced_in_every_version(world: World, version: int) -> None:
    topic_id = world.topic()
    world.append("a", "b")
    world.append("c")
    data = await fetch_one(world, request(partition(), topic_id=topic_id), version)
    assert values_of(data.records) == ["a", "b", "c"]
    assert (data.error_code, data.high_watermark, data.last_stable_offset) == (0, 3, 3)
    assert data.log_start_offset == (0 if version >= 5 else -1)
    assert data.aborted_transactions is None


async def test_starts_with_the_batch_that_holds_the_offset(world: World) -> None:
    world.topic()
    world.append("a", "b", "c")
    world.append("d")
    data = await fetch_one(world, request(partition(offset=2)))
    assert values_of(data.records) == ["a", "b", "c", "d"]


async def test_at_the_end_there_is_nothing_to_read(world: World) -> None:
    world.topic()
    world.append("a")
    data = await fetch_one(world, request(partition(offset=1)))
    assert (data.error_code, bytes(data.records or b"")) == (0, b"")
    assert data.records is not None, "old clients take null for a damaged answer"


@pytest.mark.parametrize(
    "offset", [-1, 0, 4], ids=["negative", "below the start", "beyond the end"]
)
async def test_out_of_range(world: World, offset: int) -> None:
    world.topic()
    world.append("a", "b", "c")
    world.partition().delete_records(2)
    data = await fetch_one(world, request(partition(offset=offset)))
    assert data.error_code == ErrorCode.OFFSET_OUT_OF_RANGE
    assert data.high_watermark == -1


async def test_uncommitted_records_are_not_seen(
    disk_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = disk_world
    world.topic(flush_messages=1)
    gate = world.hold_syncs(monkeypatch)
    world.append("a")
    for offset in (0, 1):
        data = await fetch_one(world, request(partition(offset=offset)))
        assert (data.error_code, data.high_watermark, values_of(data.records)) == (0, 0, [])
    answering = world.start_call(k01_fetch, request(partition(), max_wait_ms=10_000), V)
    gate.open()
    response = await answering
    assert isinstance(response, FetchResponse)
    assert read(response) == {0: ["a"]}


# --- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("topic", "index"), [("nowhere", 0), ("t", 5), ("t", -1)])
async def test_unknown_partition_is_answered_at_once(world: World, topic: str, index: int) -> None:
    world.topic()
    wanted = request(partition(index), topic=topic, max_wait_ms=60_000)
    assert (await fetch_one(world, wanted)).error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


async def test_unknown_topic_id(world: World) -> None:
    world.topic()
    wanted = request(partition(), topic_id=UUID(int=9), max_wait_ms=60_000)
    data = await fetch_one(world, wanted, 13)
    assert data.error_code == ErrorCode.UNKNOWN_TOPIC_ID


@pytest.mark.parametrize("version", [14, 18])
async def test_other_brokers_are_refused(world: World, version: int) -> None:
    topic_id = world.topic()
    world.append("a")
    wanted = request(partition(), topic_id=topic_id)
    if version < 15:
        wanted.replica_id = 1
    else:
        wanted.replica_state = ReplicaState(replica_id=1)
    data = await fetch_one(world, wanted, version)
    assert data.error_code == ErrorCode.NOT_LEADER_OR_FOLLOWER


async def test_unknown_isolation_level(world: World) -> None:
    world.topic()
    data = await fetch_one(world, request(partition(), isolation_level=2))
    assert data.error_code == ErrorCode.INVALID_REQUEST


@pytest.mark.parametrize(
    ("epoch", "code"),
    [
        (-1, ErrorCode.NONE),
        (2, ErrorCode.FENCED_LEADER_EPOCH),
        (3, ErrorCode.NONE),
        (4, ErrorCode.UNKNOWN_LEADER_EPOCH),
    ],
)
@pytest.mark.parametrize("version", [9, 12, 18])
async def test_leader_epoch_check(world: World, version: int, epoch: int, code: ErrorCode) -> None:
    topic_id = world.topic(term=3)
    world.append("a")
    wanted = request(partition(current_leader_epoch=epoch), topic_id=topic_id)
    response = await fetch(world, wanted, version)
    data = response.responses[0].partitions[0]
    assert data.error_code == code
    fenced = code == ErrorCode.FENCED_LEADER_EPOCH
    hint = (data.current_leader.leader_id, data.current_leader.leader_epoch)
    assert hint == ((world.broker.node_id, 3) if fenced and version >= 12 else (-1, -1))
    endpoints = [(node.node_id, node.host, node.port) for node in response.node_endpoints]
    assert endpoints == ([(world.broker.node_id, "here", 9092)] if fenced and version >= 16 else [])


async def test_a_diverged_copy_is_told_where_to_cut(world: World) -> None:
    world.topic(term=3)
    world.append("a", "b")
    world.new_term(5)
    world.append("c")
    behind = await fetch_one(world, request(partition(offset=2, last_fetched_epoch=3)))
    assert (behind.diverging_epoch.epoch, values_of(behind.records)) == (-1, ["c"])
    wanted = request(partition(offset=3, last_fetched_epoch=4), max_wait_ms=60_000)
    data = await fetch_one(world, wanted)
    assert (data.error_code, values_of(data.records)) == (0, [])
    assert (data.diverging_epoch.epoch, data.diverging_epoch.end_offset) == (3, 2)
    newer = await fetch_one(world, request(partition(offset=3, last_fetched_epoch=6)))
    assert newer.error_code == ErrorCode.OFFSET_OUT_OF_RANGE


async def test_read_committed_gets_a_list_of_aborted_transactions(world: World) -> None:
    world.topic()
    world.append("a")
    data = await fetch_one(world, request(partition(), isolation_level=1))
    assert (values_of(data.records), data.aborted_transactions) == (["a"], [])


# --- limits --------------------------------------------------------------------------------------


async def test_max_bytes_is_shared_in_request_order(world: World) -> None:
    world.topic(partitions=3)
    for index in range(3):
        world.append("a" * 100, partition=index)
        world.append("b" * 100, partition=index)
    room = 3 * size_of("a" * 100)
    response = await fetch(world, request(partition(2), partition(0), partition(1), max_bytes=room))
    counts = {index: len(values) for index, values in read(response).items()}
    assert counts == {2: 2, 0: 1, 1: 0}
    assert order(response) == [2, 0, 1]


async def test_an_answer_is_never_larger_than_the_read_buffers_allow(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.topic(partitions=3)
    for index in range(3):
        world.append("a" * 100, partition=index)
    monkeypatch.setattr(k01_fetch, "FETCH_ANSWER_BYTES_MAX", 2 * size_of("a" * 100))
    response = await fetch(world, request(*map(partition, range(3)), max_bytes=1 << 30))
    assert {index: len(values) for index, values in read(response).items()} == {0: 1, 1: 1, 2: 0}


async def test_a_full_answer_looks_into_no_further_partition(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.topic(partitions=10)
    for index in range(10):
        world.append("a" * 100, partition=index)
    looked: list[int] = []
    read_partition = Partition.read

    def counted(self: Partition, *args: Any, **kwargs: Any) -> LogRead | None:
        looked.append(self.tp.partition)
        return read_partition(self, *args, **kwargs)

    monkeypatch.setattr(Partition, "read", counted)
    room = 3 * size_of("a" * 100) - 1
    response = await fetch(world, request(*map(partition, range(10)), max_bytes=room))
    counts = {index: len(values) for index, values in read(response).items()}
    assert counts == {0: 1, 1: 1, **dict.fromkeys(range(2, 10), 0)}
    assert looked == [0, 1, 2]


async def test_partition_max_bytes(world: World) -> None:
    world.topic(partitions=2)
    for index in (0, 1):
        for _ in range(3):
            world.append("a" * 100, partition=index)
    room = 2 * size_of("a" * 100) + 1
    response = await fetch(
        world, request(*(partition(i, partition_max_bytes=room) for i in (0, 1)))
    )
    assert {index: len(values) for index, values in read(response).items()} == {0: 2, 1: 2}


async def test_the_first_batch_is_returned_however_large_it_is(world: World) -> None:
    world.topic(partitions=3)
    world.append("a" * 1000, partition=1)
    world.append("b" * 1000, partition=2)
    response = await fetch(
        world,
        request(*(partition(i, partition_max_bytes=10) for i in range(3)), max_bytes=10),
    )
    assert read(response) == {0: [], 1: ["a" * 1000], 2: []}


async def test_limits_of_zero_still_return_the_first_batch(world: World) -> None:
    world.topic()
    world.append("a")
    world.append("b")
    wanted = request(partition(partition_max_bytes=0), max_bytes=0)
    assert values_of((await fetch_one(world, wanted)).records) == ["a"]


async def test_the_brokers_cap_holds_whatever_is_asked(world: World) -> None:
    world.topic()
    world.config.fetch_max_bytes = 2 * size_of("a" * 100)
    for _ in range(5):
        world.append("a" * 100)
    data = await fetch_one(world, request(partition()))
    assert len(values_of(data.records)) == 2


async def test_records_are_the_buffers_of_the_log(world: World) -> None:
    world.topic()
    world.append("a")
    answer = world.handle(k01_fetch, request(partition()), V)
    assert isinstance(answer, FetchResponse)
    records = answer.responses[0].partitions[0].records
    kept = world.partition().log.read(0, 1 << 20, up_to_offset=1)
    assert isinstance(records, list)
    assert kept is not None
    assert [memoryview(part).obj for part in records] == [
        memoryview(part).obj for part in kept.buffers
    ]


@pytest.mark.parametrize("version", [11, 12, 15, 16, 18])
async def test_the_leader_elsewhere_is_told(world: World, version: int) -> None:
    world.other_broker(2, host="second")
    topic_id = world.elsewhere("far", [(2, 3), (2, 3)])
    world.hint(topic_id, 0, leader=2, term=5)
    wanted = request(partition(), partition(index=1), topic="far", topic_id=topic_id)
    response = await fetch(world, wanted, version)
    known, unknown = response.responses[0].partitions
    assert known.error_code == unknown.error_code == ErrorCode.NOT_LEADER_OR_FOLLOWER
    hint = (known.current_leader.leader_id, known.current_leader.leader_epoch)
    assert hint == ((2, 5) if version >= 12 else (-1, -1))
    assert unknown.current_leader.leader_id == -1
    endpoints = [(node.node_id, node.host, node.port) for node in response.node_endpoints]
    assert endpoints == ([(2, "second", 9002)] if version >= 16 else [])


async def test_a_topic_that_is_on_its_way_here_is_not_unknown(world: World) -> None:
    topic_id = world.elsewhere("soon", [(1,)])
    data = (await fetch(world, request(partition(), topic_id=topic_id), 13)).responses[0]
    assert data.partitions[0].error_code == ErrorCode.NOT_LEADER_OR_FOLLOWER
    beyond = (await fetch(world, request(partition(index=1), topic_id=topic_id), 13)).responses[0]
    assert beyond.partitions[0].error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
