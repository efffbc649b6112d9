"""An internal topic as a coordinator sees it."""

from __future__ import annotations

import asyncio

import pytest
from data_world import World

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.ids import TopicName
from sprawl.core.partition.internal import InternalTopic

NAME = "__consumer_offsets"


def offsets_of(world: World) -> InternalTopic:
    return InternalTopic(world.partitions, TopicName(NAME), world.clock)


async def test_there_are_no_partitions_before_the_topic_exists(world: World) -> None:
    offsets = offsets_of(world)
    with pytest.raises(KafkaFault) as raised:
        await offsets.append(0, [(b"k", b"v")])
    assert raised.value.code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


async def test_reads_back_what_was_appended(world: World) -> None:
    world.topic(NAME, partitions=3, cleanup_policy=frozenset({"compact"}))
    offsets = offsets_of(world)
    assert await offsets.append(1, [(b"k1", b"v1"), (b"k2", None)]) == 0
    assert await offsets.append(1, [(b"k3", b"v3")]) == 2
    read = [(record.offset, record.key, record.value) for record in offsets.read_all(1)]
    assert read == [(0, b"k1", b"v1"), (1, b"k2", None), (2, b"k3", b"v3")]
    assert list(offsets.read_all(0)) == []


async def test_appends_are_in_the_log_in_the_order_of_the_calls(disk_world: World) -> None:
    world = disk_world
    world.topic(NAME, flush_messages=1)
    offsets = offsets_of(world)
    first, second = (offsets.append(0, [(key, b"v")]) for key in (b"1", b"2"))
    assert (await second, await first) == (1, 0)
    assert [record.key for record in offsets.read_all(0)] == [b"1", b"2"]


async def test_is_empty_until_something_is_in_the_log(world: World) -> None:
    world.topic(NAME, partitions=2)
    offsets = offsets_of(world)
    assert offsets.is_empty(0)
    await offsets.append(0, [(b"k", b"v")])
    assert not offsets.is_empty(0)
    assert offsets.is_empty(1)


async def test_is_settled_when_everything_is_committed(
    disk_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = disk_world
    world.topic(NAME, flush_messages=1)
    offsets = offsets_of(world)
    await offsets.settle(0)
    gate = world.hold_syncs(monkeypatch)
    appending = asyncio.ensure_future(offsets.append(0, [(b"k", b"v")]))
    settling = asyncio.ensure_future(offsets.settle(0))
    await asyncio.sleep(0.01)
    assert not settling.done()
    assert list(offsets.read_all(0)) == []
    gate.open()
    await asyncio.gather(settling, appending)
    assert [record.key for record in offsets.read_all(0)] == [b"k"]


async def test_what_a_sync_may_have_lost_is_never_settled(
    disk_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = disk_world
    world.topic(NAME, flush_messages=1)
    offsets = offsets_of(world)
    world.fail_syncs(monkeypatch)
    appending = asyncio.ensure_future(offsets.append(0, [(b"k", b"v")]))
    for waiting in (offsets.settle(0), appending, offsets.settle(0)):
        with pytest.raises(KafkaFault) as raised:
            await waiting
        assert raised.value.code == ErrorCode.KAFKA_STORAGE_ERROR


async def test_reads_logs_larger_than_one_read(world: World) -> None:
    world.topic(NAME)
    offsets = offsets_of(world)
    for index in range(30):
        await offsets.append(0, [(b"%d" % index, b"x" * 100_000)])
    assert [int(record.key or b"") for record in offsets.read_all(0)] == list(range(30))


async def test_what_is_not_what_was_written_is_not_read_back(disk_world: World) -> None:
    """A group would go on at an offset that nobody committed."""
    world = disk_world
    world.topic(NAME)
    offsets = offsets_of(world)
    await offsets.append(0, [(b"k", b"value")])
    log = world.damage(NAME, b"value", b"valuf")
    with pytest.raises(KafkaFault) as raised:
        list(offsets.read_all(0))
    assert raised.value.code == ErrorCode.CORRUPT_MESSAGE
    assert log.is_suspect, "who watches the log has it checked"


async def test_a_failed_sync_is_told(disk_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world = disk_world
    world.topic(NAME, flush_messages=1)
    world.fail_syncs(monkeypatch)
    with pytest.raises(KafkaFault) as raised:
        await offsets_of(world).append(0, [(b"k", b"v")])
    assert raised.value.code == ErrorCode.KAFKA_STORAGE_ERROR
