"""Fetch: what a consumer reads, how long it waits, and what it is told instead of data."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from data_world import World, batch, values_of

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.ids import ZERO_UUID
from sprawl.core.log.partition_log import PartitionLog
from sprawl.core.partition.partition import Partition
from sprawl.gateway.codec._generated.k01_fetch import (
    FetchPartition,
    FetchRequest,
    FetchResponse,
    FetchTopic,
    ForgottenTopic,
    PartitionData,
    ReplicaState,
)
from sprawl.gateway.handlers import k01_fetch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sprawl.core.log.reading import LogRead

V = 12


def partition(index: int = 0, offset: int = 0, **fields: int) -> FetchPartition:
    return FetchPartition(
        partition=index,
        fetch_offset=offset,
        partition_max_bytes=fields.pop("partition_max_bytes", 1 << 20),
        **fields,  # type: ignore[arg-type]
    )


def request(
    *partitions: FetchPartition, topic: str = "t", topic_id: UUID = ZERO_UUID, **fields: int
) -> FetchRequest:
    topics = [FetchTopic(topic=topic, topic_id=topic_id, partitions=list(partitions))]
    return FetchRequest(
        topics=topics if partitions else [],
        max_wait_ms=fields.pop("max_wait_ms", 0),
        min_bytes=fields.pop("min_bytes", 1),
        **fields,  # type: ignore[arg-type]
    )


async def fetch(world: World, wanted: FetchRequest, version: int = V) -> FetchResponse:
    response = await world.call(k01_fetch, wanted, version)
    assert isinstance(response, FetchResponse)
    return response


async def fetch_one(world: World, wanted: FetchRequest, version: int = V) -> PartitionData:
    response = await fetch(world, wanted, version)
    return response.responses[0].partitions[0]


def read(response: FetchResponse) -> dict[int, list[str]]:
    """The values in the answer, by partition."""
    return {
        data.partition_index: values_of(data.records)
        for topic in response.responses
        for data in topic.partitions
    }


def order(response: FetchResponse) -> list[int]:
    return [data.partition_index for topic in response.responses for data in topic.partitions]


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


def size_of(*values: str) -> int:
    return len(batch(*values))


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


# --- waiting -------------------------------------------------------------------------------------


async def settle() -> None:
    """Let everything that is ready to run, run."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_an_append_wakes_a_fetch(world: World) -> None:
    world.topic(partitions=3)
    answering = world.start_call(
        k01_fetch, request(*(partition(i) for i in range(3)), max_wait_ms=60_000), V
    )
    await settle()
    assert not answering.done()
    world.append("a", partition=1)
    response = await answering
    assert isinstance(response, FetchResponse)
    assert read(response) == {0: [], 1: ["a"], 2: []}


async def test_min_bytes_counts_all_partitions(world: World) -> None:
    world.topic(partitions=2)
    world.append("a")
    wanted = request(partition(0), partition(1), max_wait_ms=60_000, min_bytes=3 * size_of("a"))
    answering = world.start_call(k01_fetch, wanted, V)
    world.append("b")
    await settle()
    assert not answering.done()
    world.append("c", partition=1)
    response = await answering
    assert isinstance(response, FetchResponse)
    assert read(response) == {0: ["a", "b"], 1: ["c"]}


async def test_max_wait_returns_what_there_is(world: World) -> None:
    world.topic()
    world.append("a")
    wanted = request(partition(), max_wait_ms=20, min_bytes=1 << 20)
    answering = world.start_call(k01_fetch, wanted, V)
    world.append("b")
    response = await answering
    assert isinstance(response, FetchResponse)
    assert read(response) == {0: ["a", "b"]}


async def test_min_bytes_0_never_waits(world: World) -> None:
    world.topic()
    assert not world.must_wait(k01_fetch, request(partition(), min_bytes=0, max_wait_ms=60_000), V)


async def test_data_at_hand_is_answered_without_waiting(world: World) -> None:
    world.topic()
    world.append("a")
    assert not world.must_wait(k01_fetch, request(partition(), max_wait_ms=60_000), V)


async def test_a_fetch_of_nothing_never_waits(world: World) -> None:
    assert not world.must_wait(k01_fetch, request(max_wait_ms=60_000), V)


@pytest.mark.parametrize(
    ("version", "code"),
    [(12, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION), (13, ErrorCode.UNKNOWN_TOPIC_ID)],
)
async def test_deleting_the_topic_wakes_its_fetches(
    world: World, version: int, code: ErrorCode
) -> None:
    topic_id = world.topic()
    wanted = request(partition(), topic_id=topic_id, max_wait_ms=60_000)
    answering = world.start_call(k01_fetch, wanted, version)
    await settle()
    world.delete(topic_id)
    response = await answering
    assert isinstance(response, FetchResponse)
    assert response.responses[0].partitions[0].error_code == code


async def test_a_cancelled_fetch_leaves_no_waiter_behind(world: World) -> None:
    world.topic(partitions=2)
    answering = world.start_call(
        k01_fetch, request(partition(0), partition(1), max_wait_ms=60_000), V
    )
    await settle()
    assert [world.partition(i).waiter_count for i in (0, 1)] == [1, 1]
    answering.cancel()
    await asyncio.wait([answering])
    assert [world.partition(i).waiter_count for i in (0, 1)] == [0, 0]


async def test_many_waiting_fetches_are_all_woken(world: World) -> None:
    world.topic()
    answering = [
        world.start_call(k01_fetch, request(partition(), max_wait_ms=60_000), V) for _ in range(100)
    ]
    await settle()
    world.append("a")
    responses = await asyncio.gather(*answering)
    assert all(read(response) == {0: ["a"]} for response in responses)


async def test_cold_data_is_read_off_the_loop(
    disk_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = disk_world
    world.topic(partitions=2)
    world.append("a")
    world.append("b", partition=1)
    world.chill(monkeypatch, partition=0)
    assert world.must_wait(k01_fetch, request(partition(0), partition(1)), V)
    response = await fetch(world, request(partition(0), partition(1)))
    assert read(response) == {0: ["a"], 1: ["b"]}


async def test_what_is_committed_during_a_cold_read_is_not_missed(
    disk_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = disk_world
    world.topic(partitions=2)
    world.append("a", partition=1)
    world.chill(monkeypatch, partition=1)
    gate = world.hold_cold_reads(monkeypatch)
    wanted = request(
        partition(0), partition(1), max_wait_ms=60_000, min_bytes=size_of("a") + size_of("b")
    )
    answering = world.start_call(k01_fetch, wanted, V)
    await settle()
    world.append("b", partition=0)
    gate.open()
    response = await answering
    assert isinstance(response, FetchResponse)
    assert read(response) == {0: ["b"], 1: ["a"]}


async def test_a_failing_cold_read_fails_its_partition_only(
    disk_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = disk_world
    world.topic(partitions=2)
    world.append("a")
    world.append("b", partition=1)
    world.chill(monkeypatch, partition=0)

    def broken(*_: object, **__: object) -> None:
        raise KafkaFault(ErrorCode.KAFKA_STORAGE_ERROR)

    monkeypatch.setattr(PartitionLog, "read_blocking", broken)
    response = await fetch(world, request(partition(0), partition(1)))
    codes = [data.error_code for data in response.responses[0].partitions]
    assert codes == [ErrorCode.KAFKA_STORAGE_ERROR, 0]
    assert read(response) == {0: [], 1: ["b"]}


# --- sessions ------------------------------------------------------------------------------------


async def open_session(world: World, partitions: Iterable[int], topic_id: UUID, v: int) -> int:
    wanted = request(*(partition(i) for i in partitions), topic_id=topic_id, session_epoch=0)
    return (await fetch(world, wanted, v)).session_id


@pytest.mark.parametrize("version", [7, 12, 13, 18])
async def test_a_session_lists_only_partitions_with_news(world: World, version: int) -> None:
    topic_id = world.topic(partitions=3)
    session_id = await open_session(world, range(3), topic_id, version)
    assert session_id > 0
    world.append("a", partition=1)
    response = await fetch(world, request(session_id=session_id, session_epoch=1), version)
    assert response.session_id == session_id
    assert read(response) == {1: ["a"]}


async def test_a_session_waits_for_partitions_the_request_does_not_list(world: World) -> None:
    topic_id = world.topic(partitions=2)
    session_id = await open_session(world, range(2), topic_id, V)
    wanted = request(session_id=session_id, session_epoch=1, max_wait_ms=60_000)
    answering = world.start_call(k01_fetch, wanted, V)
    await settle()
    world.append("a", partition=1)
    response = await answering
    assert isinstance(response, FetchResponse)
    assert read(response) == {1: ["a"]}


async def test_a_session_serves_every_partition_with_a_small_max_bytes(world: World) -> None:
    topic_id = world.topic(partitions=4)
    session_id = await open_session(world, range(4), topic_id, V)
    for index in range(4):
        for _ in range(4):
            world.append("a" * 100, partition=index)
    served = []
    for epoch in range(1, 5):
        wanted = request(session_id=session_id, session_epoch=epoch, max_bytes=size_of("a" * 100))
        response = await fetch(world, wanted)
        served += [index for index, values in read(response).items() if values]
    assert sorted(served) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("session_id", "epoch", "version", "code"),
    [
        (None, 5, 12, ErrorCode.INVALID_FETCH_SESSION_EPOCH),
        (12345, 1, 12, ErrorCode.FETCH_SESSION_ID_NOT_FOUND),
        (None, 1, 13, ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR),
    ],
)
async def test_session_errors_are_top_level(
    world: World, session_id: int | None, epoch: int, version: int, code: ErrorCode
) -> None:
    opened = await open_session(world, range(1), world.topic(), 12)
    wanted = request(session_id=session_id or opened, session_epoch=epoch)
    response = await fetch(world, wanted, version)
    assert (response.error_code, response.session_id, response.responses) == (code, 0, [])


async def test_forgotten_partitions_are_read_no_more(world: World) -> None:
    topic_id = world.topic(partitions=2)
    session_id = await open_session(world, range(2), topic_id, V)
    world.append("a", partition=0)
    world.append("b", partition=1)
    wanted = request(session_id=session_id, session_epoch=1)
    wanted.forgotten_topics_data = [ForgottenTopic(topic="t", partitions=[0])]
    assert read(await fetch(world, wanted)) == {1: ["b"]}


async def test_a_session_of_a_recreated_topic_is_told_so(world: World) -> None:
    topic_id = world.topic()
    session_id = await open_session(world, range(1), topic_id, 13)
    world.delete(topic_id)
    world.topic()
    response = await fetch(world, request(session_id=session_id, session_epoch=1), 13)
    assert response.responses[0].partitions[0].error_code == ErrorCode.UNKNOWN_TOPIC_ID


async def test_brokers_in_one_process_have_their_own_sessions(
    world: World, other_world: World
) -> None:
    session_id = await open_session(world, range(1), world.topic(), V)
    other_world.topic()
    response = await fetch(other_world, request(session_id=session_id, session_epoch=1))
    assert response.error_code == ErrorCode.FETCH_SESSION_ID_NOT_FOUND


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
