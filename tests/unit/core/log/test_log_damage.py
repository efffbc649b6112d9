"""Recovery of bytes that are not what was written: a tail is cut, damage is kept apart."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.ids import LogIndex, PartitionId, TopicId, TopicName, TopicPartition
from sprawl.core.log.checking import check_log
from sprawl.core.log.config import LogConfig
from sprawl.core.log.frames import EntryType
from sprawl.core.log.partition_log import PartitionLog
from sprawl.core.log.segment import SEGMENT_HEADER_BYTES, SegmentKey, segment_name
from sprawl.core.records.batch import HEADER_BYTES, check_crc, iter_batches, parse_header
from sprawl.core.records.record import decode_records, encode_batch
from sprawl.core.storage.disk import DiskStore
from sprawl.core.storage.memory import MemoryKeyValueStore

TP = TopicPartition(TopicName("t"), PartitionId(0))
TOPIC_ID = TopicId(UUID(int=5))
BATCHES_A_SEGMENT = 5
RECORDS_A_BATCH = 2
RECORDS_A_SEGMENT = BATCHES_A_SEGMENT * RECORDS_A_BATCH


class Disk:
    """A log on disk whose files a test may damage between two opens."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.kv = MemoryKeyValueStore()
        self.store = DiskStore(path)
        self.log = self.open()

    def open(self, topic_id: TopicId = TOPIC_ID) -> PartitionLog:
        self.log = PartitionLog.open(
            tp=TP,
            topic_id=topic_id,
            config=LogConfig(index_interval_bytes=100),
            directory=self.store.directory(str(TP)),
            kv=self.kv,
            now_ms=1,
            clean_shutdown=False,
        )
        return self.log

    def reopen(self) -> PartitionLog:
        """As after kill -9."""
        self.log.close(clean=False)
        return self.open()

    def fill(self, segments: int) -> None:
        """Segments of 10 records in 5 batches each; the last one stays active."""
        for at in range(segments):
            if at:
                self.log.roll()
            for _ in range(BATCHES_A_SEGMENT):
                self.append()

    def append(self, *, producer_id: int = -1, sequence: int = -1, term: int = 0) -> int:
        base = self.log.log_end_offset
        buf = encode_batch(
            [(1_000 + base + at, b"k", b"value-%d" % (base + at), []) for at in range(2)],
            producer_id=producer_id,
            producer_epoch=-1 if producer_id < 0 else 0,
            base_sequence=sequence,
        )
        self.log.append_batch(memoryview(buf), parse_header(buf), term=term, now_ms=1)
        return base

    def file(self, base_offset: int) -> Path:
        return self.path / str(TP) / segment_name(SegmentKey(base_offset))

    def batch_position(self, base_offset: int, number: int) -> int:
        data = self.file(base_offset).read_bytes()[SEGMENT_HEADER_BYTES:]
        positions = [pos for pos, _ in iter_batches(data)]
        return SEGMENT_HEADER_BYTES + positions[number]

    def flip(self, base_offset: int, position: int) -> None:
        data = bytearray(self.file(base_offset).read_bytes())
        data[position] ^= 0x10
        self.file(base_offset).write_bytes(data)

    def forget_segments(self, kinds: bytes = b"si") -> None:
        """Lose the summaries (s) and indexes (i), so that recovery has to read the files."""
        for key, _ in list(self.kv.iterate(b"log/")):
            if key[len(b"log/") + 20] in kinds:
                self.kv.delete(key)

    def offsets(self) -> list[int]:
        """Every offset that can be read, passing over what raises."""
        found: list[int] = []
        offset, end = self.log.log_start_offset, self.log.log_end_offset
        while offset < end:
            try:
                read = self.log.read_blocking(offset, 1 << 20, up_to_offset=end)
            except KafkaFault:
                offset += 1
                continue
            run = b"".join(read.buffers)
            found += [r.offset for pos, _ in iter_batches(run) for r in decode_records(run, pos)]
            assert read.next_offset > offset
            offset = read.next_offset
        return found

    def close(self) -> None:
        self.log.close(clean=False)
        self.store.close()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    made = Disk(tmp_path)
    yield made
    made.close()


def without(count: int, *lost: range) -> list[int]:
    return [offset for offset in range(count) if not any(offset in each for each in lost)]


# --- tails ---------------------------------------------------------------------------------------


def test_what_was_written_survives_the_death_of_the_process(disk: Disk) -> None:
    disk.fill(3)
    log = disk.reopen()
    assert disk.offsets() == list(range(30))
    assert log.synced_offset == 30


@pytest.mark.parametrize("kept_bytes", [1, 16, 17, 60, 61, 80])
def test_a_torn_last_batch_is_cut_off(
    disk: Disk, kept_bytes: int, caplog: pytest.LogCaptureFixture
) -> None:
    disk.fill(1)
    file = disk.file(0)
    whole = file.read_bytes()
    file.write_bytes(whole[: disk.batch_position(0, 4) + kept_bytes])
    log = disk.reopen()
    assert (log.log_end_offset, log.damage) == (8, ())
    assert disk.offsets() == list(range(8))
    assert f"unsynced tail of {kept_bytes} bytes cut off segment 0 at offset 8" in caplog.text
    assert disk.append() == 8
    disk.reopen()
    assert disk.offsets() == list(range(10))


def test_a_flipped_bit_behind_the_recovery_point_ends_the_log_there(disk: Disk) -> None:
    disk.fill(1)
    disk.log.flush()
    for _ in range(4):
        disk.append()
    disk.flip(0, disk.batch_position(0, 6) + 70)
    log = disk.reopen()
    assert disk.offsets() == list(range(12))
    assert log.damage == ()


def test_segments_behind_a_cut_tail_go_with_it(
    disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    disk.fill(1)
    disk.log.flush()
    disk.append()
    disk.log.roll()
    disk.append()
    disk.flip(0, disk.batch_position(0, 5) + 70)
    log = disk.reopen()
    assert (log.log_end_offset, log.damage) == (10, ())
    assert not disk.file(12).exists()
    assert "unsynced segment 12" in caplog.text


def test_a_segment_of_which_only_the_name_was_written_is_no_damage(disk: Disk) -> None:
    disk.fill(1)
    disk.log.flush()
    disk.log.roll()
    disk.file(10).write_bytes(b"")
    log = disk.reopen()
    assert (log.log_end_offset, log.damage) == (10, ())
    assert disk.append() == 10
    disk.reopen()
    assert disk.offsets() == list(range(12))


# --- damage of what was synced -------------------------------------------------------------------


def test_a_flipped_bit_in_synced_bytes_costs_one_batch(
    disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    disk.fill(3)
    disk.log.flush()
    disk.forget_segments()
    disk.flip(10, disk.batch_position(10, 2) + 70)
    log = disk.reopen()
    assert disk.offsets() == without(30, range(14, 16))
    assert "offsets 14 to 15 were on disk and are damaged" in caplog.text
    with pytest.raises(KafkaFault) as fault:
        log.read(15, 1_000, up_to_offset=30)
    assert fault.value.code is ErrorCode.CORRUPT_MESSAGE
    assert disk.append() == 30


def test_damage_is_remembered_and_reported_once(
    disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    disk.fill(3)
    disk.log.flush()
    disk.forget_segments()
    disk.flip(10, disk.batch_position(10, 2) + 70)
    disk.reopen()
    caplog.clear()
    log = disk.reopen()
    assert [tuple(each) for each in log.damage] == [(14, 16, ErrorCode.CORRUPT_MESSAGE)]
    assert disk.offsets() == without(30, range(14, 16))
    assert not [each for each in caplog.records if each.levelno >= logging.ERROR]


def test_a_flipped_bit_below_the_recovery_point_of_the_active_segment(disk: Disk) -> None:
    disk.fill(1)
    disk.log.flush()
    disk.append()
    disk.flip(0, disk.batch_position(0, 2) + 70)
    disk.reopen()
    assert disk.offsets() == without(12, range(4, 6))
    assert disk.append() == 12
    disk.reopen()
    assert disk.offsets() == without(14, range(4, 6))


def test_a_length_that_points_nowhere_costs_no_more_than_the_index_tells(disk: Disk) -> None:
    disk.fill(2)
    disk.log.flush()
    disk.forget_segments(b"s")
    disk.flip(0, disk.batch_position(0, 1) + 8)
    disk.reopen()
    found = disk.offsets()
    assert found == without(20, range(2, 4))


def test_without_an_index_the_rest_of_the_segment_is_lost(disk: Disk) -> None:
    disk.fill(2)
    disk.log.flush()
    disk.forget_segments()
    disk.flip(0, disk.batch_position(0, 1) + 8)
    disk.reopen()
    assert disk.offsets() == without(20, range(2, 10))


@pytest.mark.parametrize("kept_bytes", [0, 63, 64, 200])
def test_a_file_that_lost_its_end(disk: Disk, kept_bytes: int) -> None:
    disk.fill(3)
    disk.log.flush()
    data = disk.file(10).read_bytes()
    disk.file(10).write_bytes(data[:kept_bytes])
    log = disk.reopen()
    whole = sum(1 for _ in iter_batches(data[SEGMENT_HEADER_BYTES:kept_bytes])) * 2
    assert disk.offsets() == without(30, range(10 + whole, 20))
    assert log.log_end_offset == 30
    assert disk.append() == 30


def test_a_file_that_is_gone(disk: Disk) -> None:
    disk.fill(3)
    disk.log.flush()
    disk.file(10).unlink()
    log = disk.reopen()
    assert disk.offsets() == without(30, range(10, 20))
    with pytest.raises(KafkaFault) as fault:
        log.read(10, 1_000, up_to_offset=30)
    assert fault.value.code is ErrorCode.KAFKA_STORAGE_ERROR


def test_the_first_file_is_gone(disk: Disk) -> None:
    disk.fill(2)
    disk.log.flush()
    disk.file(0).unlink()
    log = disk.reopen()
    assert log.log_start_offset == 0
    assert disk.offsets() == list(range(10, 20))


def test_all_files_are_gone(disk: Disk) -> None:
    disk.fill(2)
    disk.log.flush()
    disk.file(0).unlink()
    disk.file(10).unlink()
    log = disk.reopen()
    assert (log.log_start_offset, log.log_end_offset) == (0, 20)
    assert disk.offsets() == []
    assert disk.append() == 20
    disk.reopen()
    assert disk.offsets() == [20, 21]


def test_the_active_file_lost_synced_bytes(disk: Disk) -> None:
    disk.fill(2)
    disk.log.flush()
    file = disk.file(10)
    file.write_bytes(file.read_bytes()[: disk.batch_position(10, 3) + 5])
    disk.reopen()
    assert disk.append() == 20
    assert disk.offsets() == without(22, range(16, 20))
    disk.reopen()
    assert disk.offsets() == without(22, range(16, 20))


def test_a_damaged_header_is_rebuilt(disk: Disk, caplog: pytest.LogCaptureFixture) -> None:
    disk.fill(3)
    disk.log.flush()
    disk.forget_segments()
    disk.flip(10, 30)
    log = disk.reopen()
    assert disk.offsets() == list(range(30))
    assert log.damage == ()
    assert "segment header damaged" in caplog.text


def test_a_header_that_never_reached_the_disk_is_no_damage(
    disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    """Power failed right after the log was begun, and took what was not synced of the file."""
    disk.file(0).write_bytes(bytes(SEGMENT_HEADER_BYTES))
    log = disk.reopen()
    check_log(log, None)
    assert "damaged" not in caplog.text
    assert disk.append() == 0
    disk.reopen()
    assert disk.offsets() == [0, 1]


def test_moving_the_log_start_ends_the_report(disk: Disk) -> None:
    disk.fill(3)
    disk.log.flush()
    disk.file(10).unlink()
    log = disk.reopen()
    log.set_log_start(20)
    assert log.damage == ()
    assert disk.offsets() == list(range(20, 30))
    log = disk.reopen()
    assert log.damage == ()


def test_a_damaged_part_is_never_compacted(disk: Disk) -> None:
    disk.fill(3)
    disk.log.flush()
    disk.forget_segments()
    disk.flip(10, disk.batch_position(10, 2) + 70)
    log = disk.reopen()
    log.update_config(
        LogConfig(cleanup_policy=frozenset({"compact"}), min_cleanable_dirty_ratio=0.0)
    )
    done = log.compact(10_000)
    assert done is not None
    assert done.cleaned_to_offset == 10
    assert disk.offsets()[1:] == without(30, range(10), range(14, 16))


# --- damage while the log is open ----------------------------------------------------------------


@pytest.mark.parametrize("number", range(BATCHES_A_SEGMENT))
@pytest.mark.parametrize("max_bytes", [1, 150, 1 << 20])
@pytest.mark.parametrize("up_to", [RECORDS_A_SEGMENT - 2, 2 * RECORDS_A_SEGMENT])
def test_a_flipped_bit_of_a_header_hides_no_record(
    disk: Disk, number: int, max_bytes: int, up_to: int
) -> None:
    """Whatever the bytes say of their size or their offsets: whoever checks what it gets is given
    the record it asked for, or an error."""
    disk.fill(2)
    disk.log.flush()
    file, position = disk.file(0), disk.batch_position(0, number)
    whole = file.read_bytes()
    covered = [*range(8, 12), *range(16, HEADER_BYTES)]  # the base offset and the term are not
    told = 0
    for at in covered:
        for bit in range(8):
            with file.open("r+b") as handle:
                handle.seek(position + at)
                handle.write(bytes([whole[position + at] ^ 1 << bit]))
            for offset in range(RECORDS_A_SEGMENT):
                if offset < up_to:
                    told += read_and_check(disk, offset, max_bytes, up_to)
            file.write_bytes(whole)
    if number * RECORDS_A_BATCH < up_to:
        assert told >= len(covered) * 8, "who reads the batch itself hears of it"


def read_and_check(disk: Disk, offset: int, max_bytes: int, up_to: int) -> bool:
    """Read as a consumer that checks checksums. Returns: whether it got an error."""
    try:
        read = disk.log.read_blocking(offset, max_bytes, up_to_offset=up_to)
        run = b"".join(read.buffers)
        batches = [*iter_batches(run)]
        if not all(check_crc(run, pos, header) for pos, header in batches):
            return True
    except KafkaFault:
        return True
    got = [r.offset for pos, _ in batches for r in decode_records(run, pos) if r.offset >= offset]
    assert got == list(range(offset, offset + max(len(got), 1)))
    return False


@pytest.mark.parametrize(
    "ask",
    [
        lambda log: log.truncate_suffix(LogIndex(4)),
        lambda log: log.end_offset_of(3),
        lambda log: log.index_of_offset(6),
    ],
)
def test_where_a_log_is_cut_is_not_taken_from_a_damaged_batch(
    disk: Disk, ask: Callable[[PartitionLog], object]
) -> None:
    disk.fill(2)
    disk.log.flush()
    disk.flip(0, disk.batch_position(0, 2) + 26)  # in its last offset delta
    with pytest.raises(KafkaFault) as fault:
        ask(disk.log)
    assert fault.value.code is ErrorCode.CORRUPT_MESSAGE
    assert disk.log.log_end_offset == 2 * RECORDS_A_SEGMENT


def test_a_log_with_a_damaged_part_is_read_on_when_its_index_was_lost(disk: Disk) -> None:
    disk.fill(3)
    disk.log.flush()
    disk.forget_segments()
    disk.flip(10, disk.batch_position(10, 2) + 70)
    disk.reopen()
    disk.log.set_log_start(16)
    assert disk.log.damage == ()
    disk.log.close()
    disk.forget_segments(b"i")
    disk.open()
    for offset in range(16, 30):
        assert not read_and_check(disk, offset, 1 << 20, 30)


# --- the store -----------------------------------------------------------------------------------


def test_all_facts_come_back_from_the_files(disk: Disk) -> None:
    disk.fill(2)
    disk.append(producer_id=7, sequence=0, term=3)
    disk.append(producer_id=7, sequence=2, term=3)
    disk.log.append_entry(EntryType.NOOP, b"", term=4)
    disk.log.set_log_start(13)
    before = (
        disk.log.log_start_offset,
        disk.log.log_end_offset,
        disk.log.last_index,
        disk.log.epochs.starts()[1:],
        [each[:3] for each in disk.log.producers.active()],
        disk.log.max_timestamp_offset(24),
    )
    disk.log.close()
    disk.kv = MemoryKeyValueStore()
    log = disk.open()
    assert before == (
        log.log_start_offset,
        log.log_end_offset,
        log.last_index,
        log.epochs.starts()[1:],
        [each[:3] for each in log.producers.active()],
        log.max_timestamp_offset(24),
    )
    assert disk.offsets() == list(range(12, 24))


def test_without_a_recovery_point_only_the_end_of_the_log_is_taken_for_a_tail(disk: Disk) -> None:
    disk.fill(2)
    disk.log.close()
    disk.flip(0, disk.batch_position(0, 4) + 70)
    disk.flip(10, disk.batch_position(10, 4) + 70)
    disk.kv = MemoryKeyValueStore()
    disk.open()
    assert [tuple(each)[:2] for each in disk.log.damage] == [(8, 10)]
    assert disk.offsets() == without(18, range(8, 10))


def test_the_log_of_a_deleted_topic_is_set_aside(
    disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    disk.fill(1)
    disk.log.close()
    log = disk.open(topic_id=TopicId(UUID(int=6)))
    assert log.log_end_offset == 0
    assert "was set aside" in caplog.text
    (stray,) = disk.path.glob(".*-stray")
    assert (stray / segment_name(SegmentKey(0))).stat().st_size > SEGMENT_HEADER_BYTES
