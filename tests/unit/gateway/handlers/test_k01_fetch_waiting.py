"""Fetches that wait, and those that read cold data."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from data_world import World
from fetching import V, fetch, partition, read, request, settle, size_of

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.log.partition_log import PartitionLog
from sprawl.gateway.codec._generated.k01_fetch import (
    FetchResponse,
)
from sprawl.gateway.handlers import k01_fetch

if TYPE_CHECKING:
    pass


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
