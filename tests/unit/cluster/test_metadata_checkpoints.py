"""Whole nodes whose metadata log is shortened: who comes later, or back, knows all of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cluster_world import ClusterWorld

from sprawl.core.controller.checkpoints import CHECKPOINT_SUFFIX, COPIED_SUFFIX, PART_SUFFIX
from sprawl.core.controller.metadata_log import METADATA_TP
from sprawl.core.controller.topics import TopicSpec
from sprawl.faults import StartFault

SMALL = {"metadata_log_max_record_bytes_between_snapshots": 3_000}


def cluster(world: ClusterWorld, number: int) -> Any:
    return world.nodes[number]._running._cluster


def state(world: ClusterWorld, number: int) -> dict[str, object]:
    return vars(world.broker(number).controller.state)


async def change(world: ClusterWorld, number: int, *, count: int, until_start: int = 0) -> None:
    """Make records of the controller, at least until a node has let go of its oldest."""
    controller = world.broker(number).controller
    at = 0
    while at < count or cluster(world, number).log.start_offset < until_start:
        at += 1
        assert at < 500, "the log is not shortened"
        topic = await controller.create_topic(TopicSpec(name=f"passing-{number}-{at}"))
        await controller.replace_configs(2, topic.name, {"retention.ms": str(at)})
        await controller.delete_topic(name=topic.name)


async def agree(world: ClusterWorld) -> None:
    ends = [world.broker(each).controller for each in world.nodes]
    await world.until(lambda: len({each.end_offset for each in ends}) == 1)
    first, *others = (state(world, number) for number in world.nodes)
    for each in others:
        assert each == first


def is_settled(world: ClusterWorld, number: int, folder: Path) -> bool:
    """Whether files, metrics and DescribeQuorum tell the same of a node that writes nothing now."""
    files = checkpoint_paths(folder / str(number))
    gauges = {name: value for name, _, value in world.nodes[number]._running._gauges()}
    start, newest = (
        gauges[f"sprawl_metadata_{each}_offset"] for each in ("log_start", "checkpoint")
    )
    return (
        [each.name[:20] for each in files] == [f"{start:020}", f"{newest:020}"]
        and files[1].stat().st_size == gauges["sprawl_metadata_checkpoint_bytes"]
        and cluster(world, number).quorum().high_watermark
        == world.broker(number).controller.end_offset
    )


async def test_every_node_lets_go_of_old_records_and_starts_again(tmp_path: Path) -> None:
    async with ClusterWorld(3, tmp_path, **SMALL) as world:
        kept = await world.topic("kept", partitions=2)
        await change(world, 1, count=40, until_start=1)
        await world.until(lambda: all(cluster(world, n).log.start_offset > 0 for n in (1, 2, 3)))
        await agree(world)
        for number in (1, 2, 3):
            await world.until(lambda number=number: is_settled(world, number, tmp_path))
        before = state(world, 1)["next_replica_id"]
        for number in (1, 2, 3):
            await world.stop(number)
            await world.start(number)
        await agree(world)
        assert world.broker(2).controller.topics["kept"] == kept
        assert state(world, 2)["next_replica_id"] == before
        await world.until(lambda: world.leader("kept", 1) is not None)
        await change(world, 2, count=3)
        await agree(world)


@pytest.mark.parametrize("on_disk", [True, False])
async def test_a_node_that_is_new_gets_the_checkpoint_and_the_tail(
    tmp_path: Path, on_disk: bool
) -> None:
    async with ClusterWorld(2, tmp_path if on_disk else None, **SMALL) as world:
        await world.topic("kept", replicas=2)
        await change(world, 1, count=30, until_start=1)
        await world.start(3)
        await world.until(lambda: cluster(world, 3).log.start_offset > 0)
        await agree(world)
        await change(world, 3, count=2)
        await agree(world)


async def test_a_node_that_was_away_jumps_to_a_checkpoint(tmp_path: Path) -> None:
    async with ClusterWorld(3, tmp_path, **SMALL) as world:
        grown = await world.topic("grown")
        gone = await world.topic("gone")
        await world.topic("again")
        await world.stop(3)
        missed = world.broker(1).controller.end_offset
        controller = world.broker(1).controller
        await controller.create_partitions("grown", 3, None, validate_only=False)
        await controller.replace_configs(2, "grown", {"retention.ms": "77"})
        await controller.delete_topic(name=gone.name)
        await controller.delete_topic(name="again")
        await controller.create_topic(
            TopicSpec(name="again", partition_count=2, replication_factor=3)
        )
        await controller.replace_configs(4, "3", {"log.retention.ms": "1234"})
        await change(world, 1, count=40, until_start=missed + 1)
        await world.start(3)
        await agree(world)
        assert cluster(world, 3).log.start_offset > missed
        hosted = {topic.name: topic for topic in world.broker(3).partitions.topics()}
        assert set(hosted) == set(controller.topics)
        assert len(hosted["grown"].partitions) == 3
        assert hosted["grown"].config.retention_ms == 77
        assert hosted["again"].topic_id == controller.topics["again"].id
        assert world.broker(3).config.text("log.retention.ms") == "1234"
        assert grown.id in {topic.topic_id for topic in hosted.values()}
        await world.until(lambda: world.leader("again", 1) is not None)


def checkpoint_paths(folder: Path) -> list[Path]:
    return sorted(folder.rglob(f"{METADATA_TP}/*{CHECKPOINT_SUFFIX}"))


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)


async def test_a_damaged_checkpoint_is_passed_over(tmp_path: Path) -> None:
    async with ClusterWorld(1, tmp_path, **SMALL) as world:
        await world.broker(1).controller.create_topic(TopicSpec(name="kept"))
        await change(world, 1, count=40, until_start=1)
        topics = dict(world.broker(1).controller.topics)
        end_offset = world.broker(1).controller.end_offset
        await world.stop(1)
        _, newer = checkpoint_paths(tmp_path)
        damage(newer)
        await world.start(1)
        assert world.broker(1).controller.end_offset >= end_offset
        assert world.broker(1).controller.topics == topics
        await world.stop(1)
        assert newer not in checkpoint_paths(tmp_path)
        for each in checkpoint_paths(tmp_path):
            damage(each)
        with pytest.raises(StartFault, match="no whole checkpoint"):
            await world.start(1)


async def test_the_files_of_a_checkpoint_are_not_strange_to_the_log(tmp_path: Path) -> None:
    """Half written ones go at the next start; whole ones stay."""
    async with ClusterWorld(1, tmp_path, **SMALL) as world:
        await change(world, 1, count=40, until_start=1)
        await world.stop(1)
        [folder] = {path.parent for path in checkpoint_paths(tmp_path)}
        whole = checkpoint_paths(tmp_path)
        for suffix in (PART_SUFFIX, COPIED_SUFFIX):
            half = whole[-1].name.removesuffix(CHECKPOINT_SUFFIX) + suffix
            (folder / half).write_bytes(b"half")
        await world.start(1)
        assert checkpoint_paths(tmp_path)[-2:] == whole[-2:]
        assert not [each for each in folder.iterdir() if CHECKPOINT_SUFFIX + "." in each.name]
