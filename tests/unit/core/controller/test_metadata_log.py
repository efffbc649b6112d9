"""The controller's records in their partition, and what a full disk may keep from being noted."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from sprawl.core.clock import SystemClock
from sprawl.core.cluster.address_book import AddressBook
from sprawl.core.controller.checkpoints import CheckpointFiles
from sprawl.core.controller.metadata_log import (
    METADATA_CONFIG,
    METADATA_TOPIC_ID,
    METADATA_TP,
    RaftMetadataLog,
)
from sprawl.core.controller.nodes import NodeInfo
from sprawl.core.ids import ZERO_UUID, BrokerId, LogIndex, Offset, ReplicaId, Term
from sprawl.core.log.partition_log import PartitionLog
from sprawl.core.partition.partition import Partition
from sprawl.core.partition.refusals import Refusals
from sprawl.core.records.record import encode_batch
from sprawl.core.storage.memory import MemoryKeyValueStore, MemoryStore


class FullStore(MemoryKeyValueStore):
    """Takes nothing while it is full."""

    is_full = False

    def put(self, key: bytes, value: bytes, *, sync: bool = False) -> None:
        if self.is_full:
            raise OSError(errno.ENOSPC, "No space left on device")
        super().put(key, value, sync=sync)


class Clock:
    def now_ms(self) -> int:
        return 1

    def monotonic_ms(self) -> int:
        return 1


class Alone:
    """The Raft side of a partition: a leader that nobody disturbs."""

    is_leader = True
    leader = ReplicaId(1)

    def check_writable(self, size_bytes: int, *, acks: int) -> None:
        """It is."""

    def appended(self, *, acks: int) -> None:
        """Nobody waits for it."""

    def confirm(self) -> asyncio.Future[LogIndex]:
        raise NotImplementedError

    def forget_below(self, offset: Offset) -> bool:
        raise NotImplementedError


class Follower:
    """What follows the records: nothing is so long that a checkpoint is due."""

    def __init__(self) -> None:
        self.applied: list[bytes] = []

    def apply(self, records: Sequence[bytes]) -> None:
        self.applied.extend(records)

    def restore(self, records: Sequence[bytes]) -> None:
        raise NotImplementedError

    def capture(self, log_bytes: int) -> None:
        """Nothing is due."""


async def at_once(job: Callable[[], Any]) -> object:
    return job()


def metadata_partition(kv: MemoryKeyValueStore, alone: Alone) -> Partition:
    log = PartitionLog.open(
        tp=METADATA_TP,
        topic_id=METADATA_TOPIC_ID,
        config=METADATA_CONFIG,
        directory=MemoryStore().directory(str(METADATA_TP)),
        kv=kv,
        now_ms=1,
        clean_shutdown=False,
    )
    return Partition(
        log,
        topic_id=METADATA_TOPIC_ID,
        term=Term(0),
        high_watermark=Offset(0),
        refusals=Refusals(SystemClock()),
        replicate=lambda _: alone,  # type: ignore[arg-type, return-value]
    )


async def test_records_are_followed_though_the_disk_is_full() -> None:
    kv, alone = FullStore(), Alone()
    partition = metadata_partition(kv, alone)
    log = RaftMetadataLog(kv=kv, clock=Clock(), node_id=BrokerId(1), node_of=lambda _: BrokerId(1))
    log.attach(partition, alone, CheckpointFiles(MemoryStore().directory("c")), at_once)
    assert list(log.read_all()) == []
    follower = Follower()
    log.follow(follower)
    partition.append_internal(encode_batch([(1, None, b"first", [])]), now_ms=1)
    waiting = asyncio.ensure_future(log.wait_for(1))
    await asyncio.sleep(0)
    kv.is_full = True
    partition.commit_to(partition.log_end_offset)
    log.committed()
    await waiting
    assert follower.applied == [b"first"]
    kv.is_full = False
    partition.append_internal(encode_batch([(1, None, b"second", [])]), now_ms=1)
    partition.commit_to(partition.log_end_offset)
    log.committed()
    assert follower.applied == [b"first", b"second"]


async def test_who_gave_up_waiting_for_a_record_is_forgotten() -> None:
    kv, alone = FullStore(), Alone()
    log = RaftMetadataLog(kv=kv, clock=Clock(), node_id=BrokerId(1), node_of=lambda _: BrokerId(1))
    log.attach(
        metadata_partition(kv, alone), alone, CheckpointFiles(MemoryStore().directory("c")), at_once
    )
    for _ in range(3):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await log.wait_for(1)
    assert not log._waiting


def test_addresses_are_known_though_they_cannot_be_kept() -> None:
    kv = FullStore()
    kv.is_full = True
    book = AddressBook(kv)
    node = NodeInfo(
        node_id=BrokerId(7), replica_id=ReplicaId(7), directory_id=ZERO_UUID, endpoints={}
    )
    book.update([node], ReplicaId(8))
    assert book.node_of(ReplicaId(7)) == 7
    kv.is_full = False
    book.update([node], ReplicaId(8))
    assert AddressBook(kv).node_of(ReplicaId(7)) == 7
