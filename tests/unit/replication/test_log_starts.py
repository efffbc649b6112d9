"""LOG_START entries: noted before they are written, done when committed, forgotten when cut off."""

from __future__ import annotations

import errno
from uuid import UUID

import pytest
from log_world import TOPIC_ID, LogWorld

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.ids import LogKey, TopicId
from sprawl.core.log.frames import EntryType
from sprawl.core.replication.log_starts import GroupLog
from sprawl.core.storage.memory import MemoryKeyValueStore

KEY = LogKey(TopicId(UUID(int=11)), 0)


@pytest.fixture
def world() -> LogWorld:
    assert KEY.topic_id == TOPIC_ID
    made = LogWorld(None)
    made.fill(5)
    return made


def group_log(world: LogWorld) -> GroupLog:
    return GroupLog(world.log, KEY, world.kv)


def test_a_start_counts_once_its_entry_is_committed(world: LogWorld) -> None:
    log = group_log(world)
    index = log.append_start(3, term=0, now_ms=1)
    assert log.committed_start(index - 1) is None
    assert log.committed_start(index) == 3
    assert world.log.log_start_offset == 0
    log.start_moved(index)
    assert log.committed_start(index) is None


def test_the_last_committed_start_wins(world: LogWorld) -> None:
    log = group_log(world)
    first = log.append_start(2, term=0, now_ms=1)
    last = log.append_start(4, term=0, now_ms=1)
    assert log.committed_start(first) == 2
    assert log.committed_start(last) == 4


def test_a_restart_knows_what_is_not_done(world: LogWorld) -> None:
    index = group_log(world).append_start(3, term=0, now_ms=1)
    assert group_log(world).committed_start(index) == 3


def test_what_is_cut_off_does_not_count(world: LogWorld) -> None:
    log = group_log(world)
    index = log.append_start(3, term=0, now_ms=1)
    log.truncate_suffix(index)
    assert log.committed_start(index + 5) is None
    assert group_log(world).committed_start(index + 5) is None


def test_a_follower_notes_what_its_leader_wrote(world: LogWorld) -> None:
    leader = group_log(world)
    leader.append_start(3, term=0, now_ms=1)
    entries = leader.entries(1, world.log.last_index + 1, 1 << 20)
    follower_world = LogWorld(None)
    follower = group_log(follower_world)
    follower.append_replicated(entries, now_ms=1)
    assert entries[-1].type is EntryType.LOG_START
    assert follower.committed_start(entries[-1].index) == 3


def fail(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_start_whose_entry_could_not_be_written_never_counts(
    world: LogWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = group_log(world)
    with monkeypatch.context() as patch:
        patch.setattr(type(world.log.segments[-1].file), "append", fail)
        with pytest.raises(KafkaFault) as raised:
            log.append_start(3, term=0, now_ms=1)
    assert raised.value.code is ErrorCode.KAFKA_STORAGE_ERROR
    world.fill(1)
    assert log.committed_start(world.log.last_index) is None
    assert group_log(world).committed_start(world.log.last_index) is None


def test_a_start_that_cannot_be_noted_is_refused(
    world: LogWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = group_log(world)
    last_index = world.log.last_index
    with monkeypatch.context() as patch:
        patch.setattr(type(world.kv), "put", fail)
        with pytest.raises(KafkaFault) as raised:
            log.append_start(3, term=0, now_ms=1)
    assert raised.value.code is ErrorCode.KAFKA_STORAGE_ERROR
    assert world.log.last_index == last_index
    world.fill(1)
    assert log.committed_start(world.log.last_index) is None


def test_a_note_that_cannot_be_taken_back_does_no_harm(
    world: LogWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = group_log(world)
    index = log.append_start(3, term=0, now_ms=1)
    delete = type(world.kv).delete

    def fail_for_notes(kv: MemoryKeyValueStore, key: bytes, **options: bool) -> None:
        if key.startswith(b"starts/"):
            fail()
        delete(kv, key, **options)

    with monkeypatch.context() as patch:
        patch.setattr(type(world.kv), "delete", fail_for_notes)
        log.truncate_suffix(index)
    world.fill(1)
    assert group_log(world).committed_start(index) is None


def test_a_replica_that_is_gone_leaves_nothing(world: LogWorld) -> None:
    log = group_log(world)
    log.append_start(3, term=0, now_ms=1)
    log.forget()
    assert list(world.kv.iterate(b"starts/")) == []
