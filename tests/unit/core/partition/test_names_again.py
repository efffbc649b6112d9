"""A topic that is deleted while its log is being opened, and made again under its name: what is
left of the old one must not take the new one's data with it."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import pytest
from data_world import FakeClock

from sprawl.core.ids import LogKey, TopicId, TopicName
from sprawl.core.log.config import LogConfig
from sprawl.core.log.opening import owner_of
from sprawl.core.partition.partition import Partition
from sprawl.core.partition.placement import ELSEWHERE, Placement, Role
from sprawl.core.partition.registry import Partitions
from sprawl.core.partition.replication import SingleReplica
from sprawl.core.partition.settings import PartitionSettings
from sprawl.core.storage.disk import DiskStore
from sprawl.core.storage.memory import MemoryKeyValueStore

NAME = TopicName("t")
OLD, NEW = TopicId(UUID(int=1)), TopicId(UUID(int=2))
REPLICATED = Placement(Role.REPLICATED)


class Node:
    """Partitions on a disk, and the one thread that serves them."""

    def __init__(self, folder: Path) -> None:
        self.store = DiskStore(folder)
        self.pool = ThreadPoolExecutor(1)
        self.partitions = Partitions(
            store=self.store,
            kv=MemoryKeyValueStore(),
            clock=FakeClock(),
            settings=PartitionSettings(),
            replicate=self.replicate,
            executor=self.pool,
        )

    def replicate(self, made: Partition, key: LogKey, placement: Placement) -> SingleReplica:
        """Enough of a group for a log to be served."""
        return SingleReplica(made.log, made.commit_to, self.partitions.run_blocking)

    def add(self, topic_id: TopicId, placement: Placement = REPLICATED) -> None:
        self.partitions.add_topic(NAME, topic_id, LogConfig(), [placement])

    def let_threads_run(self) -> None:
        """Everything that was begun is done, and the event loop has heard of none of it."""
        self.pool.submit(lambda: None).result()

    async def settle(self) -> None:
        for _ in range(5):
            self.let_threads_run()
            await asyncio.sleep(0)

    def owner(self) -> TopicId | None:
        return owner_of(self.store.directory(f"{NAME}-0"))


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    made = Node(tmp_path)
    await made.partitions.start()
    yield made
    await made.partitions.close()
    made.store.close()


async def test_a_topic_deleted_while_its_log_is_opened_leaves_its_name_free(
    node: Node, tmp_path: Path
) -> None:
    node.add(OLD)
    node.let_threads_run()
    node.partitions.remove_topic(OLD)
    node.add(NEW)
    node.let_threads_run()
    await node.settle()
    assert node.owner() == NEW
    assert node.partitions.find(NEW, 0).log.directory.list()
    assert [each for each in tmp_path.iterdir() if each.name.endswith("-stray")] == []


async def test_a_replica_let_go_while_its_log_is_opened_is_gone(node: Node) -> None:
    node.add(OLD, Placement(Role.LEAVING))
    node.let_threads_run()
    node.partitions.let_go(LogKey(OLD, 0))
    await node.settle()
    assert node.store.names() == []
    node.add(OLD, REPLICATED)
    await node.settle()
    assert node.owner() == OLD
    assert node.partitions.find(OLD, 0).log.last_index == 0


async def test_what_is_opened_for_a_place_elsewhere_is_deleted(node: Node) -> None:
    node.add(OLD)
    node.add(OLD, ELSEWHERE)
    await node.settle()
    assert node.store.names() == []


async def test_what_comes_back_while_it_is_deleted_is_kept(node: Node) -> None:
    """Opened for a move that was taken back, and wanted here again."""
    node.add(OLD)
    node.add(OLD, ELSEWHERE)
    node.let_threads_run()
    await asyncio.sleep(0)
    node.add(OLD, REPLICATED)
    await node.settle()
    assert node.owner() == OLD
    log = node.partitions.find(OLD, 0).log
    assert [each.name for each in log.directory.list()] == [log.segments[0].file.name]


async def test_a_config_that_changes_while_a_log_is_opened_counts(node: Node) -> None:
    node.add(OLD)
    node.let_threads_run()
    node.partitions.update_config(NAME, LogConfig(min_insync_replicas=2))
    await node.settle()
    assert node.partitions.find(OLD, 0).log.config.min_insync_replicas == 2


async def test_a_log_that_cannot_be_opened_at_a_start_is_reported_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "bad-0").write_bytes(b"")
    node = Node(tmp_path)
    node.add(OLD)
    node.partitions.add_topic(TopicName("bad"), NEW, LogConfig(), [REPLICATED])
    await node.partitions.start()
    gc.collect()
    told = [each.getMessage() for each in caplog.records if each.levelno >= logging.ERROR]
    assert [each.partition(":")[0] for each in told] == ["bad-0"]
    assert node.partitions.find(OLD, 0).topic_id == OLD
    await node.partitions.close()
    node.store.close()


async def test_a_topic_that_comes_while_others_are_recovered_is_opened(tmp_path: Path) -> None:
    """The controller's log goes on while a node starts."""
    node = Node(tmp_path)
    node.add(OLD)
    starting = asyncio.ensure_future(node.partitions.start())
    await asyncio.sleep(0)
    node.partitions.remove_topic(OLD)
    node.add(NEW)
    await starting
    await node.settle()
    assert node.owner() == NEW
    assert node.partitions.find(NEW, 0).topic_id == NEW
    await node.partitions.close()
    node.store.close()
