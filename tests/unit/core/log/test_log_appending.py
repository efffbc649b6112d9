"""What an append does: offsets, terms, segments; and what it does not do when the disk refuses."""

from __future__ import annotations

import errno
import os
import threading

import pytest
from log_world import LogWorld

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.log.frames import EntryType
from sprawl.core.records.batch import check_crc, parse_header
from sprawl.core.records.control import EndTxnMarker, encode_marker
from sprawl.core.records.record import encode_batch


def test_offsets_are_dense_and_indexes_count_entries(world: LogWorld) -> None:
    assert world.append("a", "b", "c") == (1, 0, 0, 2, world.now_ms)
    assert world.log.append_entry(EntryType.NOOP, b"", term=0) == 2
    assert world.append("d") == (3, 0, 3, 3, world.now_ms)
    log = world.log
    assert (log.first_index, log.last_index, log.log_end_offset) == (1, 3, 4)
    assert world.offsets() == [0, 1, 2, 3]


def test_offset_and_epoch_are_stamped_and_the_checksum_stays(world: LogWorld) -> None:
    world.append("a", "b")
    buf = encode_batch([(1, None, b"c", [])])
    crc = parse_header(buf).crc
    world.append_raw(buf, term=4)
    read = world.log.read_blocking(2, 1_000, up_to_offset=3)
    (kept,) = read.buffers
    header = parse_header(kept)
    assert (header.base_offset, header.partition_leader_epoch, header.crc) == (2, 4, crc)
    assert check_crc(kept, 0, header)


def test_entries_without_offsets_are_never_served(world: LogWorld) -> None:
    for _ in range(5):
        world.append("x" * 100)
        world.log.append_entry(EntryType.CONTROLLER_COMMAND, b"secret" * 10, term=0)
    read = world.log.read_blocking(0, 1 << 20, up_to_offset=5)
    assert b"secret" not in b"".join(read.buffers)
    assert world.offsets() == [0, 1, 2, 3, 4]


def test_entries_come_back_by_index(world: LogWorld) -> None:
    world.configure(segment_bytes=400)
    for at in range(10):
        world.append(f"value-{at}" + "." * 60, term=at // 4)
        world.log.append_entry(EntryType.NOOP, b"note-%d" % at, term=at // 4)
    log = world.log
    assert len(log.segments) > 2
    found = log.entries(1, 21, 1 << 20)
    assert [entry.index for entry in found] == list(range(1, 21))
    assert [entry.term for entry in found] == [at // 4 for at in range(10) for _ in (0, 1)]
    assert [bytes(entry.payload) for entry in found[1::2]] == [b"note-%d" % at for at in range(10)]
    assert {entry.type for entry in found[::2]} == {EntryType.DATA}
    assert [log.term_at(index) for index in (1, 8, 9, 20)] == [0, 0, 1, 2]
    assert [each.index for each in log.entries(7, 100, 1)] == [7]
    assert [each.index for each in log.entries(7, 9, 1 << 20)] == [7, 8]
    with pytest.raises(ValueError, match="not in"):
        log.entries(21, 22, 1)


def test_replicated_entries_make_the_same_log(world: LogWorld) -> None:
    world.fill(3)
    world.append("a", "b", term=2, producer_id=5, producer_epoch=0, base_sequence=0)
    world.log.append_entry(EntryType.NOOP, b"x", term=3)
    follower = LogWorld(None)
    entries = world.log.entries(1, 6, 1 << 20)
    token = follower.log.append_replicated(entries, now_ms=world.now_ms)
    assert token == (5, 3)
    assert follower.records() == world.records()
    assert follower.log.epochs.starts() == world.log.epochs.starts()
    assert list(follower.log.producers.active()) == list(world.log.producers.active())
    with pytest.raises(ValueError, match="after"):
        follower.log.append_replicated(entries[:1], now_ms=1)


def test_a_term_never_goes_back(world: LogWorld) -> None:
    world.append("a", term=3)
    with pytest.raises(ValueError, match="term"):
        world.append("b", term=2)
    assert world.offsets() == [0]


def test_the_log_follows_producers_and_their_transactions(world: LogWorld) -> None:
    world.append("a", producer_id=5, producer_epoch=1, base_sequence=0, attributes=0x10)
    log = world.log
    assert log.producers.first_open_transaction_offset() == 0
    marker = encode_marker(
        EndTxnMarker(is_commit=False, coordinator_epoch=0),
        producer_id=5,
        producer_epoch=1,
        timestamp_ms=world.now_ms,
    )
    world.append_raw(bytearray(marker))
    log = world.reopen()
    assert log.producers.first_open_transaction_offset() is None
    assert [each[:3] for each in log.producers.aborted_transactions(0, 2)] == [(5, 0, 1)]


# --- segments ------------------------------------------------------------------------------------


def test_a_segment_is_sealed_before_it_would_grow_too_large(world: LogWorld) -> None:
    world.configure(segment_bytes=1_000)
    world.fill(20, size=100)
    log = world.log
    assert len(log.segments) > 2
    assert all(each.data_bytes <= 1_000 for each in log.segments)
    assert world.offsets() == list(range(20))


def test_a_batch_larger_than_a_segment_has_one_of_its_own(world: LogWorld) -> None:
    world.configure(segment_bytes=500)
    world.fill(1)
    world.append("x" * 2_000)
    world.fill(1)
    assert [each.base_offset for each in world.log.segments] == [0, 1, 2]
    assert world.offsets() == [0, 1, 2]


def test_a_segment_is_sealed_by_the_age_of_its_first_record(world: LogWorld) -> None:
    world.configure(segment_ms=1_000)
    world.append("a", timestamps_ms=[5_000])
    world.append("b", timestamps_ms=[6_000])
    assert len(world.log.segments) == 1
    world.append("c", timestamps_ms=[6_001])
    assert [each.base_offset for each in world.log.segments] == [0, 2]


def test_compacted_topics_seal_in_time_for_max_compaction_lag(world: LogWorld) -> None:
    world.configure(cleanup_policy=frozenset({"compact"}), max_compaction_lag_ms=100)
    world.append("a", key="k", timestamps_ms=[5_000])
    world.append("b", key="k", timestamps_ms=[5_101])
    assert len(world.log.segments) == 2


def test_a_full_index_seals_the_segment(world: LogWorld) -> None:
    world.configure(segment_index_bytes=24)
    world.fill(40, size=100)
    assert len(world.log.segments) > 2


def test_an_empty_segment_is_not_sealed(world: LogWorld) -> None:
    world.log.roll()
    world.log.roll()
    assert len(world.log.segments) == 1


def test_segments_of_entries_only_have_names_of_their_own(world: LogWorld) -> None:
    for at in range(6):
        world.log.append_entry(EntryType.CONTROLLER_COMMAND, b"%d" % at, term=0)
        world.log.roll()
    world.append("a")
    log = world.reopen(clean=False)
    assert [bytes(each.payload) for each in log.entries(1, 7, 1 << 20)] == [
        b"%d" % at for at in range(6)
    ]
    assert world.offsets() == [0]


# --- durability ----------------------------------------------------------------------------------


def test_a_flush_says_up_to_where_the_log_is_durable(world: LogWorld) -> None:
    world.fill(3)
    log = world.log
    assert (log.synced_index, log.synced_offset) == (0, 0)
    assert log.flush() == (3, 0)
    assert (log.synced_index, log.synced_offset) == (3, 3)
    world.append("x", term=2)
    assert log.synced_offset == 3
    assert log.flush() == (4, 2)


def test_sealed_segments_wait_for_a_flush(world: LogWorld) -> None:
    world.fill(1)
    assert not world.log.pending_sync
    world.log.roll()
    assert world.log.pending_sync
    world.log.flush()
    assert not world.log.pending_sync
    assert world.log.synced_offset == 1


def test_appends_during_a_flush_are_not_claimed(
    disk_world: LogWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = disk_world
    world.fill(1)
    begun, goes_on = threading.Event(), threading.Event()
    sync = os.fdatasync

    def slow(fd: int) -> None:
        begun.set()
        assert goes_on.wait(10)
        sync(fd)

    monkeypatch.setattr(os, "fdatasync", slow)
    tokens = []
    thread = threading.Thread(target=lambda: tokens.append(world.log.flush()))
    thread.start()
    assert begun.wait(10)
    world.fill(1)
    world.log.roll()
    world.fill(1)
    goes_on.set()
    thread.join()
    assert tokens == [(1, 0)]
    assert (world.log.synced_offset, world.log.log_end_offset) == (1, 3)
    assert world.log.flush() == (3, 0)


def test_a_flush_that_a_truncation_overtakes_claims_nothing(
    disk_world: LogWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = disk_world
    world.fill(1)
    world.log.flush()
    world.fill(3)
    sync = os.fdatasync

    def overtaken(fd: int) -> None:
        monkeypatch.setattr(os, "fdatasync", sync)
        world.log.truncate_suffix(3)
        world.append("other", term=1)

    monkeypatch.setattr(os, "fdatasync", overtaken)
    world.log.flush()
    assert world.log.synced_index == 1
    assert world.log.flush() == (3, 1)


def test_after_a_failed_sync_nothing_is_appended(
    disk_world: LogWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = disk_world
    world.fill(2)

    def broken(fd: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", broken)
        with pytest.raises(OSError, match="Input/output"):
            world.log.flush()
    with pytest.raises(KafkaFault) as fault:
        world.append("x")
    assert fault.value.code is ErrorCode.KAFKA_STORAGE_ERROR
    assert world.offsets() == [0, 1]
    world.reopen(clean=False)
    assert world.append("x").first_offset == 2


def test_a_full_disk_refuses_and_then_takes_appends_again(
    disk_world: LogWorld, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world = disk_world
    world.fill(2)
    write = os.pwritev

    def half(fd: int, bufs: list[memoryview], position: int) -> int:
        write(fd, [bufs[0][:30]], position)
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwritev", half)
        for _ in range(2):
            with pytest.raises(KafkaFault) as fault:
                world.append("x", term=5)
            assert fault.value.code is ErrorCode.KAFKA_STORAGE_ERROR
    assert "append failed, nothing was written" in caplog.text
    assert (world.log.log_end_offset, world.log.last_term) == (2, 0)
    assert world.append("y").first_offset == 2
    world.reopen(clean=False)
    assert [record.value for record in world.records()][2:] == [b"y"]


def test_a_roll_that_fails_leaves_the_log_usable(
    disk_world: LogWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = disk_world
    world.fill(2)

    def full(fd: int, bufs: list[memoryview], position: int) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwritev", full)
        with pytest.raises(KafkaFault):
            world.log.roll()
    assert world.append("y").first_offset == 2
    world.log.roll()
    assert world.append("z").first_offset == 3
    assert world.offsets() == [0, 1, 2, 3]


def test_a_closed_log_takes_no_appends(world: LogWorld) -> None:
    world.fill(1)
    world.log.close()
    with pytest.raises(KafkaFault):
        world.append("x")


def test_a_clean_stop_and_a_kill_keep_everything(world: LogWorld) -> None:
    world.configure(segment_bytes=500)
    for clean in (True, False, False, True):
        world.fill(5)
        before = (world.records(), world.log.last_index, world.log.epochs.starts())
        log = world.reopen(clean=clean)
        assert (world.records(), log.last_index, log.epochs.starts()) == before
        assert log.synced_offset == log.log_end_offset


def test_a_clean_open_reads_no_segment(
    disk_world: LogWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = disk_world
    world.configure(segment_bytes=500)
    world.fill(20)
    world.log.close()

    def read(fd: int, size: int, position: int) -> bytes:
        raise AssertionError("a file was read")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pread", read)
        log = world.open()
    assert log.log_end_offset == 20
    log.close()


def test_a_deleted_log_is_gone_and_its_name_is_free(world: LogWorld) -> None:
    world.fill(3)
    world.log.delete()
    assert world.store.names() == []
    assert list(world.kv.iterate(b"log/")) == []
    log = world.open()
    assert log.log_end_offset == 0
    log.close()


def test_a_released_log_holds_no_file_and_goes_on(disk_world: LogWorld) -> None:
    world = disk_world
    world.configure(segment_bytes=500)
    world.fill(20)
    world.log.flush()
    world.offsets()
    world.log.release()
    assert len(world.store.descriptors) == 0  # type: ignore[union-attr]
    assert world.offsets() == list(range(20))
    world.fill(1)
    assert world.offsets() == list(range(21))
