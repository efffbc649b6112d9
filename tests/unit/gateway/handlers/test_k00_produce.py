"""Produce: what a producer is told, version by version, and what ends up in the log."""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import pytest
from data_world import START_MS, World, batch

from sprawl.core.errors import ErrorCode, KafkaFault, PeerFault
from sprawl.core.ids import ZERO_UUID, ReplicaId, TopicName
from sprawl.core.storage.disk import DiskFile
from sprawl.gateway.codec._generated.k00_produce import (
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
)
from sprawl.gateway.handlers import k00_produce

if TYPE_CHECKING:
    from sprawl.core.partition.partition import Partition


def request(
    records: bytes | None,
    *,
    topic: str = "t",
    topic_id: UUID = ZERO_UUID,
    partition: int = 0,
    acks: int = -1,
    timeout_ms: int = 1_000,
) -> ProduceRequest:
    data = PartitionProduceData(index=partition, records=records)
    return ProduceRequest(
        acks=acks,
        timeout_ms=timeout_ms,
        topic_data=[TopicProduceData(name=topic, topic_id=topic_id, partition_data=[data])],
    )


async def produce(
    world: World, records: bytes | None, *, version: int = 12, **fields: object
) -> PartitionProduceResponse:
    """Produce to one partition; its part of the answer."""
    response = await world.call(k00_produce, request(records, **fields), version)  # type: ignore[arg-type]
    assert isinstance(response, ProduceResponse)
    return response.responses[0].partition_responses[0]


@pytest.mark.parametrize("version", range(3, 14))
async def test_offsets_count_records_in_every_version(world: World, version: int) -> None:
    topic_id = world.topic()
    for base_offset in (0, 3, 6):
        answer = await produce(
            world, batch("a", "b", "c"), version=version, topic="t", topic_id=topic_id
        )
        assert (answer.error_code, answer.base_offset) == (0, base_offset)
        assert answer.log_append_time_ms == -1
        assert answer.log_start_offset == (0 if version >= 5 else -1)
    assert world.values() == ["a", "b", "c"] * 3


@pytest.mark.parametrize("acks", [1, -1])
async def test_a_batch_is_answered_at_once_on_one_replica(world: World, acks: int) -> None:
    world.topic()
    assert not world.must_wait(k00_produce, request(batch("a"), acks=acks), 12)


async def test_acks_0_appends_without_an_answer(world: World) -> None:
    world.topic()
    assert await world.call(k00_produce, request(batch("a"), acks=0), 12) is None
    assert world.values() == ["a"]


async def test_acks_0_failure_closes_the_connection(world: World) -> None:
    with pytest.raises(PeerFault, match="nowhere"):
        await world.call(k00_produce, request(batch("a"), topic="nowhere", acks=0), 12)


@pytest.mark.parametrize("acks", [2, -2, 32767])
async def test_other_acks_are_refused_and_append_nothing(world: World, acks: int) -> None:
    world.topic()
    answer = await produce(world, batch("a"), acks=acks)
    assert answer.error_code == ErrorCode.INVALID_REQUIRED_ACKS
    assert answer.base_offset == -1
    assert world.values() == []


@pytest.mark.parametrize(
    ("topic", "partition"), [("nowhere", 0), ("t", 1), ("t", -1)], ids=["topic", "high", "negative"]
)
async def test_unknown_partition(world: World, topic: str, partition: int) -> None:
    world.topic()
    answer = await produce(world, batch("a"), topic=topic, partition=partition)
    assert answer.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert answer.base_offset == -1


async def test_unknown_topic_id(world: World) -> None:
    world.topic()
    answer = await produce(world, batch("a"), version=13, topic_id=UUID(int=99))
    assert answer.error_code == ErrorCode.UNKNOWN_TOPIC_ID


async def test_one_refused_partition_leaves_the_others_alone(world: World) -> None:
    world.topic(partitions=2)
    both = request(batch("a"))
    both.topic_data[0].partition_data.append(PartitionProduceData(index=7, records=batch("b")))
    both.topic_data[0].partition_data.append(PartitionProduceData(index=1, records=batch("c")))
    response = await world.call(k00_produce, both, 12)
    assert isinstance(response, ProduceResponse)
    codes = [answer.error_code for answer in response.responses[0].partition_responses]
    assert codes == [0, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, 0]
    assert (world.values(), world.values(partition=1)) == (["a"], ["c"])


async def test_the_error_says_what_is_wrong(world: World) -> None:
    world.topic()
    damaged = bytearray(batch("a"))
    damaged[-1] ^= 0xFF
    answer = await produce(world, bytes(damaged))
    assert answer.error_code == ErrorCode.CORRUPT_MESSAGE
    assert answer.error_message
    assert world.values() == []


@pytest.mark.parametrize(
    ("records", "code"),
    [
        (None, ErrorCode.INVALID_RECORD),
        (b"", ErrorCode.INVALID_RECORD),
        (batch("a") + batch("b"), ErrorCode.INVALID_RECORD),
        (batch("x" * 2_000_000), ErrorCode.MESSAGE_TOO_LARGE),
    ],
    ids=["null", "empty", "two batches", "too large"],
)
async def test_what_the_log_does_not_take(
    world: World, records: bytes | None, code: ErrorCode
) -> None:
    world.topic()
    assert (await produce(world, records)).error_code == code
    assert world.values() == []


async def test_a_compacted_topic_names_the_records_without_a_key(world: World) -> None:
    world.topic(cleanup_policy=frozenset({"compact"}))
    answer = await produce(world, batch("a", "b"))
    assert answer.error_code == ErrorCode.INVALID_RECORD
    assert [error.batch_index for error in answer.record_errors] == [0, 1]
    assert (await produce(world, batch("a", key="k"))).error_code == 0


async def test_log_append_time_is_stamped_and_told(world: World) -> None:
    world.topic(message_timestamp_type="LogAppendTime")
    world.clock.advance(5_000)
    answer = await produce(world, batch("a", timestamp_ms=1))
    assert answer.log_append_time_ms == START_MS + 5_000
    assert [record.timestamp_ms for record in world.records()] == [START_MS + 5_000]


async def test_a_topic_may_ask_for_another_compression(world: World) -> None:
    world.topic(compression_type="zstd")
    assert (await produce(world, batch("a", "b"))).error_code == 0
    assert (await produce(world, batch("c"))).base_offset == 2
    assert world.codecs() == [4, 4]
    assert world.values() == ["a", "b", "c"]


# --- idempotence ---------------------------------------------------------------------------------


def idempotent(sequence: int, *values: str, producer_id: int = 7, epoch: int = 0) -> bytes:
    return batch(*values, producer_id=producer_id, producer_epoch=epoch, base_sequence=sequence)


async def test_a_duplicate_gets_the_offset_of_the_original(world: World) -> None:
    world.topic()
    for sequence in range(5):
        await produce(world, idempotent(sequence, f"v{sequence}"))
    for sequence in (4, 0, 2):
        answer = await produce(world, idempotent(sequence, f"v{sequence}"))
        assert (answer.error_code, answer.base_offset) == (0, sequence)
    assert world.values() == ["v0", "v1", "v2", "v3", "v4"]


@pytest.mark.parametrize("sequence", [0, 7], ids=["older than the window", "a gap"])
async def test_out_of_order(world: World, sequence: int) -> None:
    world.topic()
    for earlier in range(6):
        await produce(world, idempotent(earlier, "v"))
    answer = await produce(world, idempotent(sequence, "late"))
    assert answer.error_code == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert answer.log_start_offset == 0
    assert (await produce(world, idempotent(6, "next"))).base_offset == 6


async def test_an_old_epoch_is_refused_and_a_new_one_starts_at_zero(world: World) -> None:
    world.topic()
    await produce(world, idempotent(0, "a", epoch=1))
    old = await produce(world, idempotent(1, "b", epoch=0))
    assert old.error_code == ErrorCode.INVALID_PRODUCER_EPOCH
    assert (await produce(world, idempotent(0, "c", epoch=2))).error_code == 0
    assert world.values() == ["a", "c"]


async def test_an_idle_producer_is_not_punished_by_expiry(world: World) -> None:
    """Redpanda#22670: after its state has expired, a producer goes on where it was."""
    world.topic()
    for sequence in range(3):
        await produce(world, idempotent(sequence, "v"))
    world.clock.advance(86_400_001)
    await world.partitions.housekeeping.expire_producers()
    assert (await produce(world, idempotent(3, "w"))).error_code == 0
    assert world.values() == ["v", "v", "v", "w"]


async def test_a_producer_that_is_not_idle_keeps_its_window(world: World) -> None:
    world.topic()
    await produce(world, idempotent(0, "v"))
    world.clock.advance(86_399_999)
    await world.partitions.housekeeping.expire_producers()
    assert (await produce(world, idempotent(0, "v"))).base_offset == 0
    assert world.values() == ["v"]


async def test_a_transactional_batch_has_no_transaction_to_belong_to(world: World) -> None:
    world.topic()
    answer = await produce(
        world,
        batch("a", producer_id=7, producer_epoch=0, base_sequence=0, is_transactional=True),
    )
    assert answer.error_code == ErrorCode.INVALID_TXN_STATE
    assert world.values() == []


# --- waiting for the disk ------------------------------------------------------------------------


async def test_flush_messages_1_answers_after_the_sync(disk_world: World) -> None:
    world = disk_world
    world.topic(flush_messages=1)
    answering = world.start_call(k00_produce, request(batch("a")), 12)
    partition = world.partition()
    assert partition.high_watermark == 0, "nobody reads what may still be lost"
    response = await answering
    assert isinstance(response, ProduceResponse)
    assert response.responses[0].partition_responses[0].error_code == 0
    assert partition.log.synced_offset == partition.high_watermark == 1


async def test_a_duplicate_waits_for_the_commit_of_its_original(
    disk_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = disk_world
    world.topic(flush_messages=1)
    gate = world.hold_syncs(monkeypatch)
    first = world.start_call(k00_produce, request(idempotent(0, "a")), 12)
    second = world.start_call(k00_produce, request(idempotent(0, "a")), 12)
    assert world.must_wait(k00_produce, request(idempotent(0, "a")), 12)
    gate.open()
    for response in await asyncio.gather(first, second):
        assert isinstance(response, ProduceResponse)
        answer = response.responses[0].partition_responses[0]
        assert (answer.error_code, answer.base_offset) == (0, 0)
    assert world.values() == ["a"]
    assert not world.must_wait(k00_produce, request(idempotent(0, "a")), 12)


async def test_producers_share_a_sync(disk_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world = disk_world
    world.topic(flush_messages=1)
    syncs = world.count_syncs(monkeypatch)
    await asyncio.gather(
        *(world.start_call(k00_produce, request(batch(f"v{i}")), 12) for i in range(50))
    )
    assert len(world.values()) == 50
    assert 1 <= len(syncs) <= 3


async def test_a_sync_that_outlasts_the_timeout(
    disk_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = disk_world
    world.topic(flush_messages=1)
    gate = world.hold_syncs(monkeypatch)
    answer = await produce(world, batch("a"), timeout_ms=1)
    assert answer.error_code == ErrorCode.REQUEST_TIMED_OUT
    gate.open()


async def test_a_failed_sync_ends_appends_but_not_reads(
    disk_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = disk_world
    world.topic(flush_messages=1)
    await produce(world, batch("kept"))
    world.fail_syncs(monkeypatch)
    assert (await produce(world, batch("lost"))).error_code == ErrorCode.KAFKA_STORAGE_ERROR
    monkeypatch.undo()
    assert (await produce(world, batch("later"))).error_code == ErrorCode.KAFKA_STORAGE_ERROR
    assert world.values() == ["kept"]


async def test_a_full_disk_refuses_batches_until_there_is_room(
    disk_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = disk_world
    world.topic()
    await produce(world, idempotent(0, "a"))

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(DiskFile, "append", full)
    refused = await produce(world, idempotent(1, "b"))
    assert refused.error_code == ErrorCode.KAFKA_STORAGE_ERROR
    assert world.values() == ["a"]
    monkeypatch.undo()
    retried = await produce(world, idempotent(1, "b"))
    assert (retried.error_code, retried.base_offset) == (0, 1)
    assert world.values() == ["a", "b"]


async def test_flush_ms_syncs_by_itself(disk_world: World) -> None:
    world = disk_world
    world.topic(flush_ms=1)
    await produce(world, batch("a"))
    partition = world.partition()
    async with asyncio.timeout(10):
        while partition.log.synced_offset < 1:
            await asyncio.sleep(0.001)


async def test_a_deleted_topic_answers_who_waits_for_a_commit(
    disk_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = disk_world
    topic_id = world.topic(flush_messages=1)
    gate = world.hold_syncs(monkeypatch)
    answering = world.start_call(k00_produce, request(batch("a")), 12)
    world.delete(topic_id)
    gate.open()
    response = await answering
    assert isinstance(response, ProduceResponse)
    answer = response.responses[0].partition_responses[0]
    assert answer.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert world.partitions.partition_count(TopicName("t")) == 0


def hint_of(answer: PartitionProduceResponse) -> tuple[int, int]:
    return (answer.current_leader.leader_id, answer.current_leader.leader_epoch)


@pytest.mark.parametrize("version", [9, 10, 12, 13])
async def test_several_leaders_elsewhere_are_told_in_one_answer(world: World, version: int) -> None:
    world.other_broker(2, host="second")
    world.other_broker(3, host="third")
    topic_id = world.elsewhere("far", [(2, 3), (3, 2), (2, 3), (2, 3)])
    world.hint(topic_id, 0, leader=2, term=5)
    world.hint(topic_id, 1, leader=3, term=7)
    world.hint(topic_id, 3, leader=2, term=9)
    data = [PartitionProduceData(index=index, records=batch("a")) for index in (0, 1, 2, 3, 4)]
    wanted = ProduceRequest(
        acks=-1,
        timeout_ms=1_000,
        topic_data=[TopicProduceData(name="far", topic_id=topic_id, partition_data=data)],
    )
    response = await world.call(k00_produce, wanted, version)
    assert isinstance(response, ProduceResponse)
    answers = response.responses[0].partition_responses
    moved = [ErrorCode.NOT_LEADER_OR_FOLLOWER] * 4
    unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert [each.error_code for each in answers] == [*moved, unknown]
    nobody = (-1, -1)
    hints = [(2, 5), (3, 7), nobody, (2, 9), nobody] if version >= 10 else [nobody] * 5
    assert [hint_of(each) for each in answers] == hints
    nodes = [(each.node_id, each.host, each.port, each.rack) for each in response.node_endpoints]
    both = [(2, "second", 9002, "r2"), (3, "third", 9003, "r3")]
    assert nodes == (both if version >= 10 else [])


async def test_a_leader_that_cannot_be_reached_is_not_named(world: World) -> None:
    world.other_broker(2)
    topic_id = world.elsewhere("far", [(2, 3)])
    world.hint(topic_id, 0, leader=2, term=5)
    world.alive.clear()
    answer = await produce(world, batch("a"), topic="far")
    assert answer.error_code == ErrorCode.NOT_LEADER_OR_FOLLOWER
    assert hint_of(answer) == (-1, 5)


async def test_a_stale_hint_to_this_broker_is_not_passed_on(world: World) -> None:
    topic_id = world.elsewhere("far", [(1, 2)])
    world.hint(topic_id, 0, leader=1, term=5)
    response = await world.call(k00_produce, request(batch("a"), topic="far"), 12)
    assert isinstance(response, ProduceResponse)
    answer = response.responses[0].partition_responses[0]
    assert answer.error_code == ErrorCode.NOT_LEADER_OR_FOLLOWER
    assert hint_of(answer) == (-1, -1)
    assert response.node_endpoints == []


class Deposed:
    """A replica that took a batch as leader, and was deposed before it was committed."""

    def __init__(self, partition: Partition) -> None:
        self.is_leader = True
        self.acks: list[int] = []
        self.commit: asyncio.Future[KafkaFault | None] = asyncio.get_running_loop().create_future()
        partition._replication = cast("Any", self)

    def check_writable(self, size_bytes: int, *, acks: int) -> None:
        """It still leads."""

    def appended(self, *, acks: int) -> asyncio.Future[KafkaFault | None]:
        self.acks.append(acks)
        return self.commit

    def sync(self) -> None:
        """There is nothing to save."""

    def close(self, fault: KafkaFault, *, forget: bool = False) -> None:
        """Nobody waits."""


@pytest.mark.parametrize(
    "code", [ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND]
)
async def test_a_leader_deposed_before_the_commit_names_its_successor(
    world: World, code: ErrorCode
) -> None:
    topic_id = world.topic()
    world.other_broker(2)
    replica = Deposed(world.partition())
    answering = world.start_call(k00_produce, request(batch("a"), timeout_ms=10_000), 12)
    world._know("t", topic_id, [(ReplicaId(1), ReplicaId(2))])
    world.hint(topic_id, 0, leader=2, term=8)
    replica.is_leader = False
    replica.commit.set_result(KafkaFault(code))
    response = await answering
    assert isinstance(response, ProduceResponse)
    answer = response.responses[0].partition_responses[0]
    moved = code == ErrorCode.NOT_LEADER_OR_FOLLOWER
    assert (answer.error_code, hint_of(answer)) == (code, (2, 8) if moved else (-1, -1))
    assert [each.node_id for each in response.node_endpoints] == ([2] if moved else [])


@pytest.mark.parametrize("acks", [0, 1, -1])
async def test_the_replication_learns_which_acks_a_batch_is_for(world: World, acks: int) -> None:
    world.topic()
    replica = Deposed(world.partition())
    replica.commit.set_result(None)
    await world.call(k00_produce, request(batch("a"), acks=acks), 12)
    assert replica.acks == [acks]


@pytest.mark.parametrize("where", ["append", "commit", "cancelled"])
async def test_a_fault_of_ours_in_one_partition_is_never_told_as_unknown(
    world: World, where: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world.topic(partitions=2)
    replica = Deposed(world.partition(0))
    if where == "append":
        monkeypatch.setattr(replica, "appended", lambda **_: 1 // 0)
    elif where == "commit":
        replica.commit.set_exception(ZeroDivisionError())
    else:
        replica.commit.cancel()
    data = [PartitionProduceData(index=index, records=batch("a")) for index in (0, 1)]
    wanted = ProduceRequest(
        acks=-1, timeout_ms=1_000, topic_data=[TopicProduceData(name="t", partition_data=data)]
    )
    response = await world.call(k00_produce, wanted, 12)
    assert isinstance(response, ProduceResponse)
    broken, sound = response.responses[0].partition_responses
    assert broken.error_code == ErrorCode.KAFKA_STORAGE_ERROR
    assert (sound.error_code, sound.base_offset) == (0, 0)
    assert "t-0: a fault of the broker" in caplog.text
