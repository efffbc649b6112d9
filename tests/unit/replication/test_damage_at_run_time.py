"""Whole nodes: damage of a log on one disk is found while they run, by whoever reads it."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest
from cluster_world import ClusterWorld

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.ids import Offset
from sprawl.core.log.checking import check_log
from sprawl.core.log.frames import EntryType, walk
from sprawl.core.log.segment import SEGMENT_HEADER_BYTES
from sprawl.core.partition.partition import Partition
from sprawl.core.raft.node import RaftNode
from sprawl.core.records.record import encode_batch
from sprawl.core.replication.replica import RaftReplica

BASE_OFFSET, LENGTH, TERM, MAGIC, VALUE = 7, 9, 15, 16, 80
"""Bytes of a batch; the third one and the first are in no checksum."""
COUNT = 30


async def write(world: ClusterWorld, topic: str, value: str) -> None:
    """A batch of 100 kB, acknowledged by acks=all by whoever leads; twice after a change."""
    while True:
        await world.until(lambda: world.leader(topic) is not None)
        leader = world.leader(topic)
        assert leader is not None
        data = encode_batch([(1_000, b"k", value.encode() + b"." * 100_000, [])])
        try:
            found = replica(world, leader, topic).append_produced(
                memoryview(data), produce_version=12, now_ms=1_000
            )
        except KafkaFault as fault:
            if fault.code is not ErrorCode.NOT_LEADER_OR_FOLLOWER:
                raise
            await asyncio.sleep(0.02)
            continue
        fault = None if found.commit is None else await found.commit
        if fault is None:
            return


def replica(world: ClusterWorld, number: int, topic: str) -> Partition:
    found = world.replica(number, topic)
    assert found is not None
    return found


def positions(partition: Partition) -> list[tuple[Path, int]]:
    """Where each batch of the sealed segments stands."""
    log = partition.log
    return [
        (Path(str(log.directory.path)) / segment.file.name, frame.position)
        for segment in log.segments[:-1]
        for frame in walk(segment.file, SEGMENT_HEADER_BYTES, segment.end.size_bytes)
        if frame.type is EntryType.DATA
    ]


def flip(place: tuple[Path, int], at: int) -> None:
    path, position = place
    with path.open("r+b") as file:
        file.seek(position + at)
        byte = file.read(1)[0]
        file.seek(position + at)
        file.write(bytes([byte ^ 1]))


async def topic_of_sealed_segments(world: ClusterWorld, **configs: str) -> int:
    """Write a topic; returns who leads it."""
    await world.topic("t", segment_bytes="1048576", **configs)
    await world.topic("other", replicas=3)
    for at in range(COUNT):
        await write(world, "t", str(at))
    leader = world.leader("t")
    assert leader is not None
    await settle(world)
    return leader


async def settle(world: ClusterWorld) -> None:
    """Every replica has everything, on its disk only."""
    for number in world.nodes:
        here = replica(world, number, "t")
        await world.until(lambda here=here: here.high_watermark >= COUNT)
        here.log.flush()
        here.log.release()


def set_aside(folder: Path, number: int) -> list[Path]:
    return list((folder / str(number) / "logs").glob("*damaged-*-stray"))


async def check_filled_again(world: ClusterWorld, folder: Path, number: int, old: object) -> None:
    """The replica begins with an empty log, without a vote, and has everything in the end."""
    await world.until(lambda: set_aside(folder, number))
    await world.until(
        lambda: (found := world.replica(number, "t")) is not None and found.log is not old
    )
    await write(world, "t", "after")
    await world.until(lambda: replica(world, number, "t").high_watermark > COUNT)
    logs = [replica(world, each, "t").log for each in world.nodes]
    await world.until(lambda: len({log.last_index for log in logs}) == 1)
    for index in range(max(log.first_index for log in logs), logs[0].last_index + 1):
        frames = {bytes(log.entries(index, index + 1, 1, verify=True)[0].frame) for log in logs}
        assert len(frames) == 1
    assert [each for each in world.nodes if set_aside(folder, each)] == [number]


@pytest.mark.parametrize("at", [LENGTH, TERM, VALUE])
async def test_a_leader_that_cannot_send_an_entry_gives_way(
    tmp_path: Path, at: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with ClusterWorld(3, tmp_path) as world:
        await world.topic("t", segment_bytes="1048576")
        await world.topic("other")
        leader = world.leader("t")
        assert leader is not None
        follower = next(each for each in world.nodes if each != leader)
        await world.stop(follower)
        for number in range(COUNT):
            await write(world, "t", str(number))
        await settle(world)
        leader = world.leader("t")
        assert leader is not None
        here = replica(world, leader, "t")
        flip(positions(here)[12], at)
        other = replica(world, leader, "other")
        await world.start(follower)
        await world.until(lambda: world.leader("t") not in (None, leader))
        await check_filled_again(world, tmp_path, leader, here.log)
        assert world.replica(leader, "other") is other
        assert not other.is_closed
    told = [each.getMessage() for each in caplog.records if each.levelno >= logging.ERROR]
    assert any("shows only now" in each and "nothing has to be done" in each for each in told)


@pytest.mark.parametrize("is_leader", [True, False])
async def test_a_consumer_meets_damage(tmp_path: Path, is_leader: bool) -> None:
    """What it asks for is answered with an error here, and by another replica then."""
    async with ClusterWorld(3, tmp_path) as world:
        leader = await topic_of_sealed_segments(world)
        number = leader if is_leader else next(each for each in world.nodes if each != leader)
        here = replica(world, number, "t")
        places = positions(here)
        here.log.release()
        flip(places[12], MAGIC)
        with pytest.raises(KafkaFault) as refused:
            here.read_blocking(Offset(12), 100, up_to_offset=Offset(COUNT), min_one=True)
        assert refused.value.code is ErrorCode.CORRUPT_MESSAGE
        await check_filled_again(world, tmp_path, number, here.log)


@pytest.mark.parametrize("is_leader", [True, False])
async def test_compaction_meets_damage(tmp_path: Path, is_leader: bool) -> None:
    async with ClusterWorld(3, tmp_path) as world:
        configs = {"cleanup_policy": "compact", "min_cleanable_dirty_ratio": "0.0"}
        leader = await topic_of_sealed_segments(world, **configs)
        number = leader if is_leader else next(each for each in world.nodes if each != leader)
        here = replica(world, number, "t")
        flip(positions(here)[12], VALUE)
        here.log.release()
        await world.broker(number).partitions.housekeeping.compact()
        await check_filled_again(world, tmp_path, number, here.log)


async def test_a_leader_whose_copy_is_refused_gives_way(tmp_path: Path) -> None:
    """What was compacted is copied as it lies; the follower verifies it."""
    async with ClusterWorld(3, tmp_path) as world:
        configs = {"cleanup_policy": "compact", "min_cleanable_dirty_ratio": "0.0"}
        await world.topic("t", segment_bytes="1048576", **configs)
        follower = next(each for each in world.nodes if each != world.leader("t"))
        await world.stop(follower)
        for at in range(COUNT):
            await write(world, "t", str(at))
        await settle(world)
        for number in world.nodes:
            await world.broker(number).partitions.housekeeping.compact()
        leader = world.leader("t")
        assert leader is not None
        here = replica(world, leader, "t")
        assert here.log.segments[0].is_compacted
        flip(positions(here)[0], VALUE)
        here.log.release()
        await world.start(follower)
        await world.until(lambda: set_aside(tmp_path, leader))
        await write(world, "t", "after")

        def is_whole() -> bool:
            found = [world.replica(each, "t") for each in world.nodes]
            ends = {None if each is None else each.log_end_offset for each in found}
            return None not in ends and len(ends) == 1

        await world.until(is_whole)
        assert world.replica(leader, "t") is not here
        for number in world.nodes:
            check_log(replica(world, number, "t").log, None)
        assert [each for each in world.nodes if set_aside(tmp_path, each)] == [leader]


async def test_a_read_that_was_wrong_once_changes_nothing(tmp_path: Path) -> None:
    async with ClusterWorld(3, tmp_path) as world:
        leader = await topic_of_sealed_segments(world)
        here = replica(world, leader, "t")
        here.log.suspected(None)
        for at in range(3):
            await write(world, "t", f"more {at}")
            await asyncio.sleep(0.1)
        assert replica(world, leader, "t") is here
        assert not set_aside(tmp_path, leader)


async def test_whom_the_group_cannot_do_without_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with ClusterWorld(2, tmp_path) as world:
        await world.topic("t", segment_bytes="1048576", replicas=2)
        for at in range(COUNT):
            await write(world, "t", str(at))
        await settle(world)
        leader = world.leader("t")
        assert leader is not None
        here = replica(world, leader, "t")
        flip(positions(here)[12], VALUE)
        here.log.release()

        def told() -> list[str]:
            found = [each.getMessage() for each in caplog.records]
            return [each for each in found if "cannot do without" in each]

        for _ in range(3):
            here.log.suspected(None)
            await world.until(told)
        await write(world, "t", "after")
        assert replica(world, leader, "t") is here
        assert len(told()) == 1
        assert not set_aside(tmp_path, leader)


@pytest.mark.parametrize("at", [BASE_OFFSET, VALUE])
async def test_what_nobody_reads_is_found_by_scrubbing(tmp_path: Path, at: int) -> None:
    async with ClusterWorld(3, tmp_path, log_scrub_interval_ms=200) as world:
        leader = await topic_of_sealed_segments(world)
        number = next(each for each in world.nodes if each != leader)
        here = replica(world, number, "t")
        flip(positions(here)[12], at)
        here.log.release()
        await check_filled_again(world, tmp_path, number, here.log)


async def test_a_group_that_hibernates_fills_it_too(tmp_path: Path) -> None:
    """Nobody writes, and nobody hears of a restart."""
    async with ClusterWorld(3, tmp_path) as world:
        leader = await topic_of_sealed_segments(world)
        number = next(each for each in world.nodes if each != leader)
        here = replica(world, number, "t")
        await world.until(lambda: hibernates(here))
        await world.until(lambda: hibernates(replica(world, leader, "t")))
        flip(positions(here)[12], VALUE)
        here.log.release()
        here.log.suspected(None)
        await world.until(lambda: set_aside(tmp_path, number))
        await world.until(
            lambda: (
                (found := world.replica(number, "t")) is not None
                and found is not here
                and found.high_watermark == COUNT
            )
        )


async def test_an_entry_that_the_group_has_otherwise_is_damage(tmp_path: Path) -> None:
    """Its term, which no checksum covers, was taken for true when the log was opened."""
    async with ClusterWorld(3, tmp_path) as world:
        leader = await topic_of_sealed_segments(world)
        number = next(each for each in world.nodes if each != leader)
        here = replica(world, number, "t")
        here.log.refute(here.log.last_index)
        await check_filled_again(world, tmp_path, number, here.log)


async def test_the_last_configuration_that_is_known_cannot_be_read(tmp_path: Path) -> None:
    """Up to it all is committed, so a replica that starts looks there for its high watermark."""
    async with ClusterWorld(3, tmp_path) as world:
        await world.topic("t", segment_bytes="1048576", replicas=2)
        await write(world, "t", "0")
        await world.broker(1).controller.move_partition("t", 0, [1, 2, 3])
        await world.until(lambda: all(world.replica(each, "t") for each in world.nodes))
        await world.until(
            lambda: all(len(node_of(world, each).configuration.voters) == 3 for each in world.nodes)
        )
        for at in range(1, COUNT):
            await write(world, "t", str(at))
        await settle(world)
        leader = world.leader("t")
        number = next(each for each in world.nodes if each != leader)
        log = replica(world, number, "t").log
        first = log.segments[0]
        frames = list(walk(first.file, SEGMENT_HEADER_BYTES, first.end.size_bytes))
        frame = frames[node_of(world, number).configuration_index - first.first_index]
        assert frame.type is EntryType.CONFIG
        path = Path(str(log.directory.path)) / first.file.name
        await world.stop(number)
        flip((path, frame.position), LENGTH - 1)  # longer than its segment
        await world.start(number)
        await check_filled_again(world, tmp_path, number, log)


def node_of(world: ClusterWorld, number: int) -> RaftNode:
    replication = replica(world, number, "t")._replication
    assert isinstance(replication, RaftReplica)
    return replication._group.node


def hibernates(partition: Partition) -> bool:
    replication = partition._replication
    assert isinstance(replication, RaftReplica)
    return replication._group.node.is_hibernating
