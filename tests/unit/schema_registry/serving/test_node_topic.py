"""`_schemas` over the partitions of one broker."""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from data_fixtures import disk_world
from data_world import World

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.records.crc import crc32c
from sprawl.schema_registry.serving import limits
from sprawl.schema_registry.serving.node_topic import NodeTopic
from sprawl.schema_registry.serving.topic import Overtaken, Place, TopicRecord

__all__ = ["disk_world"]

NAME = "_schemas"
FOREVER_S = 3_600


@pytest_asyncio.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    await world.start()
    yield world
    await world.stop()


@pytest.fixture
def topic(world: World) -> NodeTopic:
    world.topic(NAME, cleanup_policy=frozenset({"compact"}))
    return NodeTopic(world.broker, lambda _: None)


def produce(world: World, *values: str) -> None:
    world.append(*values, key="k", topic=NAME)


async def test_appends_only_where_the_writer_takes_the_log_to_end(
    world: World, topic: NodeTopic
) -> None:
    assert await topic.append([(b"a", b"1"), (b"b", None)], at=0) == 2
    with pytest.raises(Overtaken):
        topic.append([(b"c", b"2")], at=1)
    produce(world, "3")
    with pytest.raises(Overtaken):
        topic.append([(b"c", b"2")], at=2)
    assert await topic.append([(b"c", b"2")], at=3) == 4
    assert [record.key for record in world.records(topic=NAME)] == [b"a", b"b", b"k", b"c"]


async def test_reads_on_from_an_offset_and_tells_where_it_goes_on(
    world: World, topic: NodeTopic
) -> None:
    assert (await topic.read(None)).next_offset == 0
    await topic.append([(b"a", b"1"), (b"b", None)], at=0)
    await topic.append([(b"c", b"2")], at=2)
    first = await topic.read(None)
    times = [record.timestamp_ms for record in world.records(topic=NAME)]
    assert min(times) >= 0
    assert first.records == [
        TopicRecord(0, b"a", b"1", times[0]),
        TopicRecord(1, b"b", None, times[1]),
        TopicRecord(2, b"c", b"2", times[2]),
    ]
    assert first.next_offset == 3
    assert [each.offset for each in (await topic.read(1)).records] == [1, 2]
    assert await topic.read(3) == ((), 3)


async def test_a_bit_that_flipped_on_disk_is_not_read_as_a_schema(
    disk_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor left out: the id it has would be given again."""
    world = disk_world
    world.topic(NAME, cleanup_policy=frozenset({"compact"}))
    topic = NodeTopic(world.broker, lambda _: None)
    await topic.append([(b"a", b"value")], at=0)
    world.damage(NAME, b"value", b"valuf")
    world.chill(monkeypatch, partition=0)
    with pytest.raises(KafkaFault) as fault:
        await topic.read(0)
    assert fault.value.code is ErrorCode.CORRUPT_MESSAGE


async def test_reads_what_is_on_disk_in_a_thread(
    world: World, topic: NodeTopic, monkeypatch: pytest.MonkeyPatch
) -> None:
    await topic.append([(b"a", b"1")], at=0)
    world.chill(monkeypatch, partition=0)
    time_ms = world.records(topic=NAME)[0].timestamp_ms
    assert (await topic.read(0)).records == [TopicRecord(0, b"a", b"1", time_ms)]


async def test_a_log_that_begins_later_says_so(world: World, topic: NodeTopic) -> None:
    produce(world, "1", "2")
    world.partition(topic=NAME).advance_log_start(1)  # type: ignore[arg-type]
    assert [each.offset for each in (await topic.read(None)).records] == [1]
    with pytest.raises(KafkaFault) as refused:
        await topic.read(0)
    assert refused.value.code is ErrorCode.OFFSET_OUT_OF_RANGE


async def test_a_batch_that_cannot_be_decoded_is_one_line(
    world: World, topic: NodeTopic, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    produce(world, "1")
    broken = bytearray(_batch_of(world))
    broken[-3] ^= 0x7F  # the length of the value, as somebody's client may have written it
    struct.pack_into(">I", broken, 17, crc32c(broken[21:]))
    world.partition(topic=NAME).append_internal(broken, now_ms=world.clock.now_ms())
    produce(world, "3")
    piece = await topic.read(0)
    assert ([each.offset for each in piece.records], piece.next_offset) == ([0, 2], 3)
    assert [record.getMessage().split(" is left")[0] for record in caplog.records] == [
        "_schemas-0: the batch at offset 1"
    ]


def _batch_of(world: World) -> bytes:
    [buffer] = world.partition(topic=NAME).log.read_blocking(0, 1 << 20, up_to_offset=1).buffers
    return bytes(buffer)


async def test_waits_until_something_is_committed_or_somebody_wakes_it(
    world: World, topic: NodeTopic
) -> None:
    waiting = asyncio.ensure_future(topic.wait(0, FOREVER_S))
    await asyncio.sleep(0)
    assert not waiting.done()
    produce(world, "1")
    await waiting
    await topic.wait(0, FOREVER_S)  # there is something at 0
    waiting = asyncio.ensure_future(topic.wait(1, FOREVER_S))
    await asyncio.sleep(0)
    topic.wake()
    await waiting
    topic.wake()
    await topic.wait(1, FOREVER_S)
    await topic.wait(1, 0)


async def test_another_topic_of_the_name_is_another_incarnation(world: World) -> None:
    topic = NodeTopic(world.broker, lambda _: None)
    missing = topic.standing()
    assert missing.place is Place.MISSING
    topic_id = world.topic(NAME)
    first = topic.standing()
    assert (first.place, first.is_current) == (Place.LEADS, True)
    assert topic.standing() == first
    world.delete(topic_id)
    world.topic(NAME)
    numbers = {missing.incarnation, first.incarnation, topic.standing().incarnation}
    assert len(numbers) == 3


@pytest.mark.parametrize("away_ms", [limits.LEADERLESS_MS_MAX, limits.LEADERLESS_MS_MAX + 1])
async def test_a_replica_without_a_leader_for_long_is_read_again(
    world: World, topic: NodeTopic, away_ms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = topic.standing().incarnation
    partition: Any = world.partition(topic=NAME)

    def leaderless(*_: object, **__: object) -> None:
        raise KafkaFault(ErrorCode.NOT_LEADER_OR_FOLLOWER)

    with monkeypatch.context() as patch:
        patch.setattr(type(partition), "check_leader_epoch", leaderless)
        world.clock.advance(away_ms)
        assert topic.standing().incarnation == before
    assert (topic.standing().incarnation != before) is (away_ms > limits.LEADERLESS_MS_MAX)
    assert topic.standing() == topic.standing()
