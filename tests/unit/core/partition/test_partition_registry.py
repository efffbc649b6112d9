"""The registry: which partitions exist, when they are opened, and what a stop leaves behind."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from data_world import World, batch

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.ids import PartitionId, TopicId, TopicName, TopicPartition
from sprawl.core.log.config import LogConfig
from sprawl.core.log.partition_log import PartitionLog
from sprawl.core.partition.placement import ALONE


def tp(topic: str, partition: int = 0) -> TopicPartition:
    return TopicPartition(TopicName(topic), PartitionId(partition))


async def test_a_partition_is_found_by_name_and_by_id(world: World) -> None:
    topic_id = world.topic(partitions=2)
    found = world.partitions.find("t", 1)
    assert found.tp == tp("t", 1)
    assert world.partitions.find(topic_id, 1) is found


@pytest.mark.parametrize(
    ("topic", "index", "code"),
    [
        ("nowhere", 0, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        (UUID(int=77), 0, ErrorCode.UNKNOWN_TOPIC_ID),
        ("t", 2, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        ("t", -1, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
    ],
)
async def test_what_is_not_hosted(
    world: World, topic: str | UUID, index: int, code: ErrorCode
) -> None:
    world.topic(partitions=2)
    with pytest.raises(KafkaFault) as raised:
        world.partitions.find(topic, index)
    assert raised.value.code == code


async def test_logs_are_opened_when_first_used(world: World) -> None:
    world.topic(partitions=3)
    assert list(world.partitions.opened()) == []
    assert world.partitions.leader_epoch(tp("t", 2)) == 0
    assert list(world.partitions.opened()) == []
    world.append("a", partition=2)
    assert [partition.tp for partition in world.partitions.opened()] == [tp("t", 2)]


async def test_more_partitions_leave_the_first_ones_as_they_are(world: World) -> None:
    topic_id = world.topic()
    first = world.partition()
    world.append("a")
    world.partitions.add_topic(TopicName("t"), topic_id, LogConfig(), [ALONE] * 3)
    assert world.partition() is first
    world.append("b", partition=2)
    assert (world.values(), world.values(partition=2)) == (["a"], ["b"])


async def test_config_changes_apply_to_open_and_to_unopened_partitions(world: World) -> None:
    world.topic(partitions=2)
    world.append("a")
    world.partitions.update_config(TopicName("t"), LogConfig(max_message_bytes=10))
    for index in (0, 1):
        with pytest.raises(KafkaFault) as raised:
            world.append("b", partition=index)
        assert raised.value.code == ErrorCode.MESSAGE_TOO_LARGE


async def test_a_recreated_topic_starts_empty(disk_world: World) -> None:
    world = disk_world
    first = world.topic()
    world.append("old")
    world.partitions.remove_topic(first)
    second = world.topic()
    assert second != first
    assert world.values() == []
    world.append("new")
    assert world.values() == ["new"]


async def test_removing_a_topic_that_was_never_opened_deletes_its_data(disk_world: World) -> None:
    world = disk_world
    topic_id = world.topic(partitions=2)
    world.append("a")
    await world.restart()
    world.partitions.remove_topic(topic_id)
    assert world.partitions.partition_count(TopicName("t")) == 0
    world.partitions.add_topic(TopicName("t"), topic_id, LogConfig(), [ALONE] * 2)
    assert world.values() == []


async def test_a_removal_that_comes_again_leaves_the_topic_of_the_same_name(
    disk_world: World,
) -> None:
    """A node that follows the controller's log again removes again what it removed before."""
    gone = TopicId(UUID(int=999))
    disk_world.topic("t")
    disk_world.append("kept")
    await disk_world.partitions.close()
    disk_world.reopen()
    disk_world.partitions.add_topic(TopicName("t"), gone, LogConfig(), [ALONE])
    disk_world.partitions.remove_topic(gone)
    await disk_world.start()
    assert disk_world.values() == ["kept"]


async def test_removing_an_unknown_topic_changes_nothing(world: World) -> None:
    world.topic()
    world.append("a")
    world.partitions.remove_topic(TopicId(UUID(int=99)))
    assert world.values() == ["a"]


async def test_a_clean_restart_keeps_everything(disk_world: World) -> None:
    world = disk_world
    world.topic(partitions=2)
    world.append("a", "b")
    world.append("c", partition=1)
    await world.restart()
    assert list(world.partitions.opened()) == [], "nothing to recover, so nothing is opened"
    assert (world.values(), world.values(partition=1)) == (["a", "b"], ["c"])
    assert world.partition().leader_epoch == 0
    world.append("d")
    assert world.values() == ["a", "b", "d"]


async def test_producers_are_known_after_a_restart(disk_world: World) -> None:
    world = disk_world
    world.topic()
    fields = {"producer_id": 7, "producer_epoch": 0}
    world.append("a", base_sequence=0, **fields)
    for clean in (True, False):
        await world.restart(clean=clean)
        world.append("a", base_sequence=0, **fields)
        assert world.values() == ["a"]
    with pytest.raises(KafkaFault) as raised:
        world.append("c", base_sequence=2, **fields)
    assert raised.value.code == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


async def test_an_unclean_restart_recovers_before_it_serves(disk_world: World) -> None:
    world = disk_world
    world.topic(partitions=2)
    world.append("a")
    await world.restart(clean=False)
    assert [partition.tp for partition in world.partitions.opened()] == [tp("t"), tp("t", 1)]
    assert world.values() == ["a"], "the operating system did not crash, so nothing is lost"


async def test_every_unclean_stop_raises_every_epoch_by_one(disk_world: World) -> None:
    world = disk_world
    world.topic(partitions=2)
    world.append("a")
    epochs = []
    for clean in (False, True, False):
        await world.restart(clean=clean)
        epochs.append([world.partitions.leader_epoch(tp("t", index)) for index in (0, 1)])
    assert epochs == [[1, 1], [1, 1], [2, 2]]
    world.append("b")
    read = world.partition().log.read_blocking(1, 1 << 20, up_to_offset=2)
    assert memoryview(read.buffers[0])[12:16] == (2).to_bytes(4, "big")


async def test_a_log_ahead_of_the_stored_term_is_believed(disk_world: World) -> None:
    world = disk_world
    world.topic()
    world.new_term(5)
    world.append("a")
    await world.restart()
    assert world.partition().leader_epoch == 5
    await world.restart()
    assert world.partitions.leader_epoch(tp("t")) == 5, "it is stored now"
    world.append("b")
    assert world.values() == ["a", "b"]


async def test_a_stop_answers_who_waits(disk_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world = disk_world
    world.topic(flush_messages=1)
    gate = world.hold_syncs(monkeypatch)
    outcome = world.partition().append_produced(
        memoryview(bytearray(batch("a"))), produce_version=12, now_ms=world.clock.now_ms()
    )
    assert outcome.commit is not None
    stopping = asyncio.ensure_future(world.partitions.close())
    gate.open()
    assert await outcome.commit is None, "the stop syncs what was appended"
    await stopping


async def test_usage_counts_bytes_of_every_partition(world: World) -> None:
    world.topic(partitions=2)
    world.append("a" * 1000, partition=1)
    sizes = {usage.tp: usage.size_bytes for usage in world.partitions.usage()}
    assert sizes.keys() == {tp("t"), tp("t", 1)}
    assert sizes[tp("t", 1)] > 1000 > sizes[tp("t")]


async def test_a_log_that_cannot_be_opened_is_a_storage_error_until_it_can(
    disk_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = disk_world
    world.topic()
    world.append("a")
    await world.restart()

    def broken(**_: object) -> PartitionLog:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(PartitionLog, "open", broken)
    with pytest.raises(KafkaFault) as raised:
        world.partitions.find("t", 0)
    assert raised.value.code == ErrorCode.KAFKA_STORAGE_ERROR
    monkeypatch.undo()
    assert world.values() == ["a"]


async def test_a_broken_log_does_not_keep_the_node_from_starting(
    disk_world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world = disk_world
    world.topic(partitions=3)
    world.append("a", partition=2)
    opening = PartitionLog.open

    def broken(**fields: Any) -> PartitionLog:
        if fields["tp"].partition == 1:
            raise OSError(5, "Input/output error")
        return opening(**fields)

    monkeypatch.setattr(PartitionLog, "open", broken)
    await world.restart(clean=False)
    assert [partition.tp for partition in world.partitions.opened()] == [tp("t"), tp("t", 2)]
    assert "t-1" in caplog.text
    assert world.values(partition=2) == ["a"]


async def test_a_stopping_node_does_not_claim_that_topics_are_gone(world: World) -> None:
    world.topic()
    world.append("a")
    await world.partitions.close()
    with pytest.raises(KafkaFault) as raised:
        world.partitions.find("t", 0)
    assert raised.value.code == ErrorCode.NOT_LEADER_OR_FOLLOWER


async def test_sealed_segments_are_synced_behind_the_appends(disk_world: World) -> None:
    world = disk_world
    world.topic(segment_bytes=1_000)
    for index in range(10):
        world.append(f"{index}" * 300)
    partition = world.partition()
    assert partition.high_watermark == 10, "no append waits for it"
    async with asyncio.timeout(10):
        while partition.log.pending_sync:
            await asyncio.sleep(0.001)
    assert partition.log.synced_offset >= 9


async def test_directories_of_no_topic_are_named_and_kept(
    disk_world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world = disk_world
    stray = tmp_path / "logs" / "lost-7"
    stray.mkdir()
    world.topic()
    world.append("a")
    await world.restart()
    assert "lost-7" in caplog.text
    assert "t-0" not in caplog.text
    assert stray.exists()
