"""What a read returns: whole batches, from the right one on, within bounds, hot or cold."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import pytest
from log_world import LogWorld, records_of

from sprawl.core.log.frames import EntryType
from sprawl.core.log.reading import LogRead
from sprawl.core.records.batch import parse_header
from sprawl.core.records.record import encode_batch


def batch_size(world: LogWorld) -> int:
    read = world.log.read_blocking(0, 1, up_to_offset=world.log.log_end_offset)
    return sum(map(len, read.buffers))


def test_a_read_begins_with_the_batch_that_holds_the_offset(world: LogWorld) -> None:
    for _ in range(20):
        world.append("a" * 40, "b", "c")
    for offset in range(60):
        found, next_offset = world.read(offset, 1)
        first = offset - offset % 3
        assert found == [first, first + 1, first + 2]
        assert next_offset == first + 3


@pytest.mark.parametrize("size", [1, 30, 100, 333])
def test_reads_that_follow_each_other_miss_nothing(world: LogWorld, size: int) -> None:
    world.configure(segment_bytes=3_000)
    world.fill(60, size=size)
    for max_bytes in (1, 500, 2_000, 1 << 20):
        found: list[int] = []
        offset = 0
        while offset < 60:
            offsets, offset = world.read(offset, max_bytes)
            assert offsets
            found += offsets
        assert found == list(range(60))


def test_max_bytes_bounds_all_but_the_first_batch(world: LogWorld) -> None:
    world.fill(30, size=100)
    size = batch_size(world)
    assert len(world.read(0, size - 1)[0]) == 1
    assert world.read(0, size - 1, min_one=False) == ([], 0)
    assert world.read(0, size, min_one=False)[0] == [0]
    for batches in (2, 5, 20):
        found, _ = world.read(3, batches * size)
        # The sparse index may end a read a little early.
        assert max(1, batches - 2) <= len(found) <= batches


def test_max_bytes_bounds_a_read_over_segments(world: LogWorld) -> None:
    world.configure(segment_bytes=500)
    world.fill(30, size=100)
    size = batch_size(world)
    found, _ = world.read(0, 10 * size)
    assert 4 <= len(found) <= 10


def test_nothing_is_read_beyond_the_bound(world: LogWorld) -> None:
    world.append("a", "b", "c")
    world.append("d", "e", "f")
    world.append("g")
    assert world.read(0, 1 << 20, up_to=6) == ([0, 1, 2, 3, 4, 5], 6)
    assert world.read(0, 1 << 20, up_to=5) == ([0, 1, 2], 3)
    assert world.read(3, 1 << 20, up_to=5) == ([], 3)
    assert world.read(0, 1 << 20, up_to=0) == ([], 0)
    assert world.read(7, 1 << 20) == ([], 7)


def test_every_bound_and_start_agree(world: LogWorld) -> None:
    world.configure(segment_bytes=700)
    for at in range(25):
        world.append(*["x" * (at * 7 % 60)] * (1 + at % 3))
        if at % 4 == 0:
            world.log.append_entry(EntryType.NOOP, b"n" * 30, term=0)
    end = world.log.log_end_offset
    for up_to in range(end + 1):
        for offset in range(0, up_to, 5):
            found, next_offset = world.read(offset, 1 << 20, up_to=up_to)
            assert all(each < up_to for each in found)
            assert next_offset >= offset
            if found:
                assert found[0] <= offset
                assert found == list(range(found[0], next_offset))


def test_a_batch_keeps_its_bytes(world: LogWorld) -> None:
    buf = encode_batch([(1, b"k", b"v" * 20_000, [])], compression=1)
    sent = bytes(buf)
    world.append_raw(buf)
    read = world.log.read(0, 1, up_to_offset=1)
    assert read is not None
    assert b"".join(read.buffers)[17:] == sent[17:]
    assert parse_header(b"".join(read.buffers)).base_offset == 0


def test_what_was_read_stays_while_the_log_changes(world: LogWorld) -> None:
    world.fill(10)
    read = world.log.read(0, 1 << 20, up_to_offset=10)
    assert read is not None
    before = b"".join(read.buffers)
    world.log.truncate_suffix(3)
    world.append("something else entirely")
    assert b"".join(read.buffers) == before


def test_data_outside_of_memory_is_left_to_a_thread(
    disk_world: LogWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = disk_world
    world.fill(10)

    def cold(fd: int, bufs: list[bytearray], position: int, flags: int) -> int:
        raise BlockingIOError

    monkeypatch.setattr(os, "preadv", cold)
    for offset in (0, 3, 9):
        assert world.log.read(offset, 1 << 20, up_to_offset=10) is None
        read = world.log.read_blocking(offset, 1 << 20, up_to_offset=10)
        assert read.next_offset == 10
    assert world.log.read(10, 1 << 20, up_to_offset=10) == ([], 10)


def test_what_is_partly_in_memory_is_served_up_to_a_whole_batch(
    disk_world: LogWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = disk_world
    world.fill(40, size=100)
    preadv = os.preadv

    def half(fd: int, bufs: list[bytearray], position: int, flags: int) -> int:
        return preadv(fd, [memoryview(bufs[0])[: len(bufs[0]) // 2]], position, flags)

    monkeypatch.setattr(os, "preadv", half)
    found, next_offset = world.read(0, 1 << 20)
    assert found == list(range(next_offset))
    assert 10 <= next_offset <= 20


def test_the_tail_is_read_without_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = LogWorld(tmp_path)
    world.fill(50, size=300)

    def forbidden(*args: object) -> int:
        raise AssertionError("the disk was read")

    with monkeypatch.context() as patch:
        patch.setattr(os, "preadv", forbidden)
        patch.setattr(os, "pread", forbidden)
        read = world.log.read(13, 1 << 20, up_to_offset=50)
    assert read is not None
    assert read.next_offset == 50
    world.close()


def test_a_read_of_a_segment_that_is_removed_meanwhile_goes_on_elsewhere(
    disk_world: LogWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = disk_world
    world.configure(segment_bytes=500, file_delete_delay_ms=0)
    world.fill(20)
    log = world.log
    log.flush()
    log.release()
    pread = os.pread

    def removed_first(fd: int, size: int, position: int) -> bytes:
        monkeypatch.setattr(os, "pread", pread)
        log.set_log_start(log.segments[-1].base_offset)
        return pread(fd, size, position)

    monkeypatch.setattr(os, "pread", removed_first)
    read = log.read_blocking(1, 1_000, up_to_offset=20)
    assert read.next_offset > 1


# --- by time -------------------------------------------------------------------------------------


def test_a_time_is_found_inside_a_compressed_batch(world: LogWorld) -> None:
    world.append("a", "b", "c", timestamps_ms=[100, 200, 300], compression=1)
    world.append("d", "e", timestamps_ms=[400, 500], compression=1)
    log = world.log
    assert log.offset_for_timestamp(150, 5) == (1, 200)
    assert log.offset_for_timestamp(200, 5) == (1, 200)
    assert log.offset_for_timestamp(301, 5) == (3, 400)
    assert log.offset_for_timestamp(501, 5) is None
    assert log.offset_for_timestamp(401, 4) is None
    assert log.max_timestamp_offset(5) == (4, 500)
    assert log.max_timestamp_offset(4) == (3, 400)
    assert log.max_timestamp_offset(0) is None


def test_times_that_do_not_ascend_are_found_by_offset_order(world: LogWorld) -> None:
    world.configure(segment_bytes=600)
    stamps = [(at * 37) % 101 + 1 for at in range(60)]
    for at in range(0, 60, 2):
        world.append("x" * 30, "y", timestamps_ms=stamps[at : at + 2])
    log = world.reopen()
    for start in (0, 7, 31):
        if start:
            log.set_log_start(start)
        for asked in range(1, 103):
            expected = next(
                ((at, stamp) for at, stamp in enumerate(stamps) if at >= start and stamp >= asked),
                None,
            )
            assert log.offset_for_timestamp(asked, 60) == expected
        for end in range(start + 1, 61):
            known = stamps[start:end]
            assert log.max_timestamp_offset(end) == (start + known.index(max(known)), max(known))


# --- by epoch ------------------------------------------------------------------------------------


def test_epochs_end_where_the_next_one_begins(world: LogWorld) -> None:
    world.append("a", "b", term=1)
    world.append("c", term=4)
    world.log.append_entry(EntryType.NOOP, b"", term=5)
    world.log.append_entry(EntryType.NOOP, b"", term=6)
    world.append("d", term=6)
    log = world.reopen()
    assert [log.epoch_end_offset(epoch) for epoch in range(8)] == [
        (0, 0),
        (1, 2),
        (1, 2),
        (1, 2),
        (4, 3),
        (4, 3),
        (6, 4),
        (-1, -1),
    ]
    assert [log.epoch_of_offset(offset) for offset in range(4)] == [1, 1, 4, 6]
    assert log.last_term == 6


def test_an_index_is_found_by_offset(world: LogWorld) -> None:
    world.configure(segment_bytes=500)
    indexes = []
    for at in range(20):
        result = world.append("x" * 40, "y")
        indexes += [result.index] * 2
        if at % 3 == 0:
            world.log.append_entry(EntryType.NOOP, b"", term=0)
    log = world.reopen()
    assert [log.index_of_offset(offset) for offset in range(40)] == indexes
    with pytest.raises(ValueError, match="not in the log"):
        log.index_of_offset(40)


@pytest.mark.parametrize("committed", range(3, 9))
def test_what_is_not_committed_may_be_cut_off_while_it_is_read(
    world: LogWorld, monkeypatch: pytest.MonkeyPatch, committed: int
) -> None:
    """A follower's consumers read in threads while its leader has it take back its log's end."""
    log = world.log
    world.fill(10)
    file = type(log.segments[-1].file)
    truncate = file.truncate
    with ThreadPoolExecutor(1) as pool:
        reads: list[Future[LogRead]] = []

        def cut(*args: Any) -> None:
            truncate(*args)
            reads.append(pool.submit(log.read_blocking, 0, 1 << 20, up_to_offset=committed))
            # A read that does not wait for the end of this is over by then.
            wait(reads, timeout=0.1)

        monkeypatch.setattr(file, "truncate", cut)
        log.truncate_suffix(log.last_index - (9 - committed))
        found = reads[0].result()
    assert [record.offset for record in records_of(found.buffers)] == list(range(committed))
