"""Pipelined batches of an idempotent producer around a refusal: KIP-98, and what librdkafka makes
of OUT_OF_ORDER_SEQUENCE_NUMBER."""

from __future__ import annotations

import errno

import pytest
from data_world import World, batch

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.ids import TopicId, TopicName
from sprawl.core.log.config import LogConfig
from sprawl.core.log.partition_log import PartitionLog
from sprawl.core.partition import refusals
from sprawl.core.partition.placement import ALONE
from sprawl.core.storage.disk import DiskFile
from sprawl.gateway.codec._generated import k00_produce as k00
from sprawl.gateway.handlers import k00_produce

LARGEST = 2**31 - 1


def send(
    world: World,
    sequence: int,
    *values: str,
    producer: int = 7,
    epoch: int = 0,
    is_damaged: bool = False,
) -> ErrorCode | int:
    """The offset a batch got, or why it got none."""
    fields = {"producer_id": producer, "producer_epoch": epoch, "base_sequence": sequence}
    data = bytearray(batch(*(values or ("v",)), **fields))
    data[-1] ^= is_damaged
    try:
        outcome = world.partition().append_produced(
            memoryview(data), produce_version=12, now_ms=world.clock.now_ms()
        )
    except KafkaFault as fault:
        return fault.code
    return outcome.base_offset


def want_replicas(world: World, count: int) -> None:
    """With two wanted, the only replica refuses acks=all."""
    world.partitions.update_config(TopicName("t"), LogConfig(min_insync_replicas=count))


def refused_world(world: World, sequence: int = 1) -> World:
    """Producer 7 has sequences before `sequence` in the log, and a batch from there on refused."""
    world.topic()
    assert send(world, sequence - 1) == 0
    want_replicas(world, 2)
    assert send(world, sequence) is ErrorCode.NOT_ENOUGH_REPLICAS
    want_replicas(world, 1)
    return world


def test_what_follows_a_refused_batch_is_refused_alike_until_it_came(world: World) -> None:
    refused_world(world)
    assert send(world, 2) is ErrorCode.NOT_ENOUGH_REPLICAS
    assert send(world, 3) is ErrorCode.NOT_ENOUGH_REPLICAS
    assert [send(world, sequence) for sequence in (1, 2, 3)] == [1, 2, 3]
    assert send(world, 5) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


def test_the_first_of_several_refused_batches_counts(world: World) -> None:
    refused_world(world)
    want_replicas(world, 2)
    assert send(world, 2) is ErrorCode.NOT_ENOUGH_REPLICAS
    want_replicas(world, 1)
    assert send(world, 3) is ErrorCode.NOT_ENOUGH_REPLICAS
    assert send(world, 1, "a", "b") == 1
    assert send(world, 3) == 3


def test_a_gap_that_nobody_here_made_is_out_of_order(world: World) -> None:
    refused_world(world, sequence=4)
    assert send(world, 5) is ErrorCode.NOT_ENOUGH_REPLICAS
    assert send(world, 5, producer=8) == 1
    assert send(world, 7, producer=8) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert send(world, 2) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


def test_a_producer_that_is_new_here_begins_with_what_was_refused(world: World) -> None:
    """librdkafka takes everything before an acknowledged batch for acknowledged."""
    world.topic()
    want_replicas(world, 2)
    assert send(world, 0) is ErrorCode.NOT_ENOUGH_REPLICAS
    want_replicas(world, 1)
    assert send(world, 1) is ErrorCode.NOT_ENOUGH_REPLICAS
    assert [send(world, sequence) for sequence in (0, 1)] == [0, 1]


def test_a_producer_whose_state_is_gone_goes_on_where_it_was(world: World) -> None:
    world.topic()
    assert send(world, 41) == 0
    want_replicas(world, 2)
    assert send(world, 6, producer=8) is ErrorCode.NOT_ENOUGH_REPLICAS
    want_replicas(world, 1)
    assert [send(world, sequence, producer=8) for sequence in (6, 7)] == [1, 2]


def no_room(*_: object) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_what_follows_a_batch_that_found_no_room_does_not_overtake_it(
    disk_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A smaller one may find some."""
    world = disk_world
    world.topic()
    assert send(world, 0, producer=8) == 0
    with monkeypatch.context() as patch:
        patch.setattr(DiskFile, "append", no_room)
        assert send(world, 0) is ErrorCode.KAFKA_STORAGE_ERROR
    assert send(world, 1) is ErrorCode.KAFKA_STORAGE_ERROR
    assert [send(world, sequence) for sequence in (0, 1)] == [1, 2]


def test_what_follows_a_batch_that_was_damaged_on_its_way_does_not_overtake_it(
    world: World,
) -> None:
    """Its producer sends it again."""
    world.topic()
    assert send(world, 0, is_damaged=True) is ErrorCode.CORRUPT_MESSAGE
    assert send(world, 1) is ErrorCode.CORRUPT_MESSAGE
    assert [send(world, sequence) for sequence in (0, 1)] == [0, 1]


def test_a_batch_that_is_refused_for_good_holds_nothing_up(world: World) -> None:
    """Its producer has heard of that before it hears of the next."""
    world.topic(max_message_bytes=100)
    assert send(world, 0, "x" * 100) is ErrorCode.MESSAGE_TOO_LARGE
    assert send(world, 1) == 0


async def produce(world: World, sequence: int, topic: TopicId | None = None) -> ErrorCode:
    """By the name "t", or the id that is given, through the handler."""
    records = batch("v", producer_id=7, producer_epoch=0, base_sequence=sequence)
    sent = k00.TopicProduceData(
        partition_data=[k00.PartitionProduceData(index=0, records=records)],
        **({"name": "t"} if topic is None else {"topic_id": topic}),
    )
    wish = k00.ProduceRequest(acks=-1, timeout_ms=1_000, topic_data=[sent])
    answer = await world.call(k00_produce, wish, 12 if topic is None else 13)
    assert isinstance(answer, k00.ProduceResponse)
    return ErrorCode(answer.responses[0].partition_responses[0].error_code)


async def test_what_came_before_its_topic_was_known_counts(world: World) -> None:
    unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert await produce(world, 0) is unknown
    world.topic()
    assert await produce(world, 1) is unknown
    assert [await produce(world, sequence) for sequence in (0, 1)] == [ErrorCode.NONE] * 2


@pytest.mark.parametrize("by_id", [False, True], ids=["by name", "by id"])
async def test_what_came_before_the_partition_was_here_counts(world: World, by_id: bool) -> None:
    topic_id = world.elsewhere("t", [[1]])
    topic = topic_id if by_id else None
    absent = ErrorCode.NOT_LEADER_OR_FOLLOWER
    assert await produce(world, 0, topic) is absent
    world.partitions.add_topic(TopicName("t"), topic_id, LogConfig(), [ALONE])
    assert await produce(world, 1, topic) is absent
    assert [await produce(world, sequence, topic) for sequence in (0, 1)] == [ErrorCode.NONE] * 2


async def test_what_follows_a_fault_of_ours_does_not_overtake_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.topic()
    with monkeypatch.context() as patch:
        patch.setattr(PartitionLog, "append_batch", lambda *_, **__: 1 // 0)
        assert await produce(world, 0) is ErrorCode.KAFKA_STORAGE_ERROR
    assert await produce(world, 1) is ErrorCode.KAFKA_STORAGE_ERROR
    assert [await produce(world, sequence) for sequence in (0, 1)] == [ErrorCode.NONE] * 2


def test_a_refused_batch_that_does_not_come_again_is_forgotten(world: World) -> None:
    refused_world(world)
    world.clock.advance(refusals.REFUSED_MS)
    assert send(world, 2) is ErrorCode.NOT_ENOUGH_REPLICAS
    world.clock.advance(1)
    assert send(world, 2) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


def test_a_wall_clock_that_jumps_forgets_nothing(world: World) -> None:
    refused_world(world)
    world.clock.wall_ms += 2 * refusals.REFUSED_MS
    assert send(world, 2) is ErrorCode.NOT_ENOUGH_REPLICAS


def test_a_new_epoch_forgets_what_was_refused(world: World) -> None:
    refused_world(world)
    assert send(world, 3, epoch=1) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert send(world, 0, epoch=1) == 1
    assert send(world, 3, epoch=1) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


def test_sequences_begin_again_after_the_largest(world: World) -> None:
    refused_world(world, sequence=LARGEST)
    assert send(world, 0) is ErrorCode.NOT_ENOUGH_REPLICAS
    assert send(world, LARGEST) == 1
    assert send(world, 0) == 2
    assert send(world, 2) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


def test_what_is_remembered_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "REFUSALS_MAX", 2)
    refused_world(world)
    for producer in (8, 9):
        assert send(world, 0, producer=producer) > 0
    want_replicas(world, 2)
    for producer in (8, 9):
        assert send(world, 1, producer=producer) is ErrorCode.NOT_ENOUGH_REPLICAS
    want_replicas(world, 1)
    assert send(world, 2) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert send(world, 2, producer=8) is ErrorCode.NOT_ENOUGH_REPLICAS


def test_a_refused_batch_that_is_none_changes_nothing(world: World) -> None:
    world.topic()
    want_replicas(world, 2)
    for data in (b"", b"x" * 100):
        with pytest.raises(KafkaFault) as raised:
            world.partition().append_produced(
                memoryview(bytearray(data)), produce_version=12, now_ms=0
            )
        assert raised.value.code is ErrorCode.NOT_ENOUGH_REPLICAS
