"""Background work: what is deleted, and that one bad partition does not stop the rest."""

from __future__ import annotations

import logging

import pytest
from data_world import START_MS, World

from sprawl.core.log.partition_log import PartitionLog

DAY_MS = 86_400_000


async def test_retention_deletes_old_segments(disk_world: World) -> None:
    world = disk_world
    world.topic(retention_ms=DAY_MS)
    world.append("old", timestamp_ms=START_MS)
    world.clock.advance(DAY_MS + 1)
    await world.partitions.housekeeping.retain()
    assert world.values() == []
    partition = world.partition()
    assert (partition.log_start_offset, partition.high_watermark) == (1, 1)


async def test_retention_leaves_what_is_young(disk_world: World) -> None:
    world = disk_world
    world.topic(retention_ms=DAY_MS)
    world.append("young", timestamp_ms=START_MS)
    world.clock.advance(DAY_MS - 1)
    await world.partitions.housekeeping.retain()
    assert world.values() == ["young"]


async def test_retention_finds_partitions_that_nobody_used_since_the_start(
    disk_world: World,
) -> None:
    world = disk_world
    world.topic(retention_ms=DAY_MS)
    world.append("old", timestamp_ms=START_MS)
    await world.restart()
    world.clock.advance(DAY_MS + 1)
    await world.partitions.housekeeping.retain()
    assert world.values() == []


async def test_compaction_keeps_the_last_value_of_each_key(disk_world: World) -> None:
    world = disk_world
    world.topic(cleanup_policy=frozenset({"compact"}), segment_bytes=2_000)
    for round_ in range(20):
        for key in ("a", "b"):
            world.append(f"{key}{round_}" + "." * 100, key=key)
    before = len(world.values())
    await world.partitions.housekeeping.compact()
    left = world.records()
    assert len(left) < before
    last = {record.key: record.value for record in left}
    assert {key: (value or b"")[:3] for key, value in last.items()} == {b"a": b"a19", b"b": b"b19"}
    assert world.partition().high_watermark == 40


async def test_a_partition_that_fails_does_not_stop_the_round(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world.topic(partitions=3)
    seen = []

    def broken(log: PartitionLog, now_ms: int, *, up_to_offset: int) -> None:
        seen.append(log.tp.partition)
        if log.tp.partition == 1:
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(PartitionLog, "delete_old_segments", broken)
    with caplog.at_level(logging.ERROR):
        await world.partitions.housekeeping.retain()
    assert seen == [0, 1, 2]
    assert "t-1" in caplog.text


async def test_stopping_twice_is_fine(world: World) -> None:
    await world.partitions.housekeeping.stop()
    await world.partitions.housekeeping.stop()
