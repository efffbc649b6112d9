"""Whole nodes: replicas that cannot be served entry by entry get a copy of the log."""

from __future__ import annotations

from pathlib import Path

import pytest
from cluster_world import ClusterWorld

from sprawl.core.errors import KafkaFault
from sprawl.core.partition.partition import Partition
from sprawl.core.records.batch import iter_batches
from sprawl.core.records.record import decode_records, encode_batch


async def write(world: ClusterWorld, topic: str, *records: tuple[str, str]) -> None:
    """A batch for each record, acknowledged by acks=all."""
    leader = world.leader(topic)
    assert leader is not None
    partition = world.replica(leader, topic)
    assert partition is not None
    for key, value in records:
        data = encode_batch([(1_000, key.encode(), value.encode(), [])])
        outcome = partition.append_produced(memoryview(data), produce_version=12, now_ms=1_000)
        fault = None if outcome.commit is None else await outcome.commit
        if fault is not None:
            raise KafkaFault(fault.code, fault.message)


def contents(partition: Partition) -> list[tuple[int, bytes | None, bytes | None]]:
    """Every record from the log start to the high watermark."""
    found = []
    offset, end = partition.log_start_offset, partition.high_watermark
    while offset < end:
        read = partition.read_blocking(offset, 1 << 20, up_to_offset=end, min_one=True)
        data = b"".join(read.buffers)
        if not data:
            break
        for position, _ in iter_batches(data):
            for record in decode_records(data, position):
                if record.offset >= offset:
                    found.append((record.offset, record.key, record.value))
        offset = read.next_offset
    return found


def replica(world: ClusterWorld, number: int, topic: str) -> Partition:
    found = world.replica(number, topic)
    assert found is not None
    return found


def led(world: ClusterWorld, topic: str) -> Partition:
    leader = world.leader(topic)
    assert leader is not None
    return replica(world, leader, topic)


@pytest.mark.parametrize("deleted", [20, 40])
@pytest.mark.parametrize("on_disk", [True, False])
async def test_a_shortened_topic_moves_to_a_new_node(
    tmp_path: Path, deleted: int, on_disk: bool
) -> None:
    async with ClusterWorld(4, tmp_path if on_disk else None) as world:
        topic = await world.topic("t", segment_bytes="1048576")
        await write(world, "t", *[(f"k{at}", f"{at}" + "." * 100_000) for at in range(40)])
        commit = led(world, "t").delete_records(deleted)
        assert commit is not None
        assert await commit is None
        await world.until(lambda: led(world, "t").log.first_index > 10)
        here = list(map(int, world.broker(1).controller.state.brokers_of(topic.replicas[0])))
        [new] = {1, 2, 3, 4} - set(here)
        await world.broker(2).controller.move_partition("t", 0, [new, *here[:2]])
        await world.until(lambda: not world.broker(1).controller.topics["t"].moving)
        await world.until(lambda: world.leader("t") is not None)
        await write(world, "t", ("after", "the move"))
        moved = replica(world, new, "t")
        await world.until(lambda: moved.high_watermark == 41)
        kept = replica(world, here[0], "t")
        await world.until(lambda: kept.high_watermark == 41)
        assert moved.log.first_index > 10
        assert moved.log_start_offset == kept.log_start_offset == deleted
        assert contents(moved) == contents(kept)
        assert len(contents(moved)) == 41 - deleted
        assert moved.log.epochs.starts()[-1] == kept.log.epochs.starts()[-1]
        if on_disk:
            before = contents(moved)
            await world.stop(new)
            await world.start(new)
            await world.until(
                lambda: (r := world.replica(new, "t")) is not None and r.high_watermark == 41
            )
            assert contents(replica(world, new, "t")) == before


async def test_a_node_that_was_down_catches_up_with_a_compacted_topic(tmp_path: Path) -> None:
    async with ClusterWorld(3, tmp_path) as world:
        configs = {
            "cleanup_policy": "compact",
            "segment_bytes": "1048576",
            "min_cleanable_dirty_ratio": "0.0",
        }
        await world.topic("t", **configs)
        await write(world, "t", *[(f"k{at % 3}", f"{at}" + "." * 100_000) for at in range(10)])
        down = next(each for each in (2, 3) if each != world.leader("t"))
        await world.stop(down)
        await world.until(lambda: world.leader("t") is not None)
        await write(world, "t", *[(f"k{at % 3}", f"{at}" + "." * 100_000) for at in range(10, 60)])
        leader = led(world, "t")
        await world.broker(1).partitions.housekeeping.compact()
        for number in world.nodes:
            await world.broker(number).partitions.housekeeping.compact()
        assert any(each.is_compacted for each in leader.log.segments)
        await world.start(down)
        await world.until(
            lambda: (r := world.replica(down, "t")) is not None and r.high_watermark == 60
        )
        await write(world, "t", ("after", "the copy"))
        back = replica(world, down, "t")
        await world.until(lambda: back.high_watermark == 61)
        assert any(each.is_compacted for each in back.log.segments)
        assert contents(back) == contents(led(world, "t"))
        # All nodes start again on compacted logs.
        for number in list(world.nodes):
            await world.stop(number)
            await world.start(number)
        await world.until(lambda: world.leader("t") is not None)
        await write(world, "t", ("after", "the restart"))
        assert contents(led(world, "t"))[-1][2] == b"the restart"


async def test_a_move_that_was_compacted_since_survives_a_restart(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The entry of the last configuration, where a restarted replica begins, was compacted."""
    async with ClusterWorld(4, tmp_path) as world:
        configs = {
            "cleanup_policy": "compact",
            "segment_bytes": "1048576",
            "min_cleanable_dirty_ratio": "0.0",
        }
        topic = await world.topic("t", **configs)
        await write(world, "t", ("k", "first"))
        here = list(map(int, world.broker(1).controller.state.brokers_of(topic.replicas[0])))
        [new] = {1, 2, 3, 4} - set(here)
        await world.broker(2).controller.move_partition("t", 0, [new, *here[:2]])
        await world.until(lambda: not world.broker(1).controller.topics["t"].moving)
        await world.until(lambda: world.leader("t") is not None)
        await write(world, "t", *[(f"k{at % 3}", f"{at}" + "." * 100_000) for at in range(30)])
        nodes = [new, *here[:2]]
        await world.until(lambda: all(replica(world, n, "t").high_watermark == 31 for n in nodes))
        for number in world.nodes:
            await world.broker(number).partitions.housekeeping.compact()
        for number in nodes:
            assert replica(world, number, "t").log.segments[0].is_compacted
        for number in list(world.nodes):
            await world.stop(number)
            await world.start(number)
        await world.until(lambda: world.leader("t") is not None)
        await write(world, "t", ("after", "the restart"))
        for number in nodes:
            await world.until(lambda n=number: replica(world, n, "t").high_watermark == 32)
    assert not [each for each in caplog.records if each.exc_info]
