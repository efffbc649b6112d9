"""A sync that failed is not made good by another one: the page cache may have dropped the bytes."""

from __future__ import annotations

import errno

import pytest
from crash_storage import CrashDirectory, CrashKeyValueStore
from log_world import TOPIC_ID, LogWorld

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.ids import PartitionId, TopicName, TopicPartition
from sprawl.core.log.config import LogConfig
from sprawl.core.log.partition_log import PartitionLog
from sprawl.core.log.state import LogState
from sprawl.core.records.batch import parse_header
from sprawl.core.records.record import encode_batch


def test_a_store_that_was_full_at_a_sync_hears_of_new_terms_at_the_next(
    world: LogWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else what is on the disk is taken for damaged at the next start: it is of another term."""
    world.append("a", term=1)
    world.log.flush()
    world.append("b", term=2)

    def is_full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(LogState, "write", is_full)
        with pytest.raises(OSError, match="No space left"):
            world.log.flush()
    world.log.flush()
    log = world.reopen(clean=False)
    assert [log.term_at(index) for index in (1, 2)] == [1, 2]
    assert log.damage == ()
    assert [record.value for record in world.records()] == [b"a", b"b"]


def test_after_a_failed_sync_nothing_is_said_to_be_on_the_disk() -> None:
    directory, kv = CrashDirectory(), CrashKeyValueStore()

    def opened() -> PartitionLog:
        return PartitionLog.open(
            tp=TopicPartition(TopicName("t"), PartitionId(0)),
            topic_id=TOPIC_ID,
            config=LogConfig(),
            directory=directory,
            kv=kv,
            now_ms=1_000,
            clean_shutdown=False,
        )

    log = opened()
    batch = encode_batch([(1_000, b"k", b"v", [])])
    log.append_batch(memoryview(batch), parse_header(batch), term=1, now_ms=1_000)
    directory.sync_fails = True
    with pytest.raises(OSError, match="Input/output"):
        log.flush()
    directory.sync_fails = False
    with pytest.raises(OSError, match="A sync of t-0 failed"):
        log.flush()
    assert log.synced_offset == 0
    with pytest.raises(KafkaFault) as refused:
        log.append_batch(memoryview(batch), parse_header(batch), term=1, now_ms=1_000)
    assert refused.value.code is ErrorCode.KAFKA_STORAGE_ERROR
    log.close(clean=False)
    assert opened().log_end_offset == 1  # what recovery read it has synced anew
