"""Power is cut before every single change that a log makes to its files and its store.

A fixed story uses everything a log can do. For each change it makes the story is played again, cut
off just there, with all, none, or a random part of what was not synced on the disk. Afterwards
everything that was synced must be there, nothing may be there that was not written, and the log
must be of use.
"""

from __future__ import annotations

from random import Random
from uuid import UUID

import pytest
from crash_storage import Choose
from fused_storage import Fuse, FusedDirectory, FusedStore, PowerCut

from sprawl.core.ids import PartitionId, TopicId, TopicName, TopicPartition
from sprawl.core.log.config import LogConfig
from sprawl.core.log.frames import EntryType
from sprawl.core.log.partition_log import PartitionLog
from sprawl.core.records.batch import iter_batches, parse_header
from sprawl.core.records.record import decode_records, encode_batch

TP = TopicPartition(TopicName("t"), PartitionId(0))
TOPIC_ID = TopicId(UUID(int=7))
CONFIG = LogConfig(
    segment_bytes=500,
    index_interval_bytes=120,
    cleanup_policy=frozenset({"compact"}),
    min_cleanable_dirty_ratio=0.0,
    delete_retention_ms=0,
    retention_ms=-1,
    file_delete_delay_ms=0,
)


class Story:
    """The log, and what is known about it when the power goes."""

    def __init__(self, changes: int) -> None:
        self.fuse = Fuse(changes)
        self.directory = FusedDirectory(self.fuse)
        self.kv = FusedStore(self.fuse)
        self.written: dict[int, set[tuple[bytes, bytes]]] = {}
        """Every record that was ever written at an offset: (key, value)."""
        self.durable_end = 0
        self.lowest_start = 0
        self.highest_start = 0
        self.number = 0
        self.term = 0

    def open(self, *, clean: bool) -> None:
        self.log = PartitionLog.open(
            tp=TP,
            topic_id=TOPIC_ID,
            config=CONFIG,
            directory=self.directory,
            kv=self.kv,
            now_ms=1_000,
            clean_shutdown=clean,
        )

    def append(self, *keys: bytes) -> None:
        records = []
        for at, key in enumerate(keys):
            self.number += 1
            value = b"%d" % self.number + b"." * 40
            self.written.setdefault(self.log.log_end_offset + at, set()).add((key, value))
            records.append((1_000 + self.number, key, value, []))
        buf = encode_batch(records)
        self.log.append_batch(memoryview(buf), parse_header(buf), term=self.term, now_ms=1_000)

    def flush(self) -> None:
        self.log.flush()
        self.durable_end = self.log.log_end_offset

    def truncate(self, entries: int, *, records: int = 2) -> None:
        index = self.log.last_index + 1 - entries
        offset = self.log.log_end_offset - records * entries
        self.durable_end = min(self.durable_end, offset)
        self.log.truncate_suffix(index)
        assert self.log.log_end_offset == offset

    def set_log_start(self, offset: int) -> None:
        self.highest_start = offset
        self.log.set_log_start(offset)
        self.lowest_start = offset

    def tell(self) -> None:
        """Everything a log can do, with two records in each batch."""
        self.open(clean=True)
        for _ in range(4):
            self.append(b"a", b"b")
        self.log.append_entry(EntryType.NOOP, b"payload", term=self.term)
        self.append(b"c", b"a")
        self.flush()
        for _ in range(5):
            self.append(b"a", b"d")
        self.log.roll()
        self.append(b"e", b"a")
        self.log.compact(2_000)
        self.durable_end = self.log.log_end_offset
        self.append(b"a", b"b")
        self.append(b"f", b"b")
        self.truncate(2)
        self.append(b"g", b"g")
        self.flush()
        self.set_log_start(5)
        # Now the store holds for good that all of it is synced; what goes next is.
        self.flush()
        self.set_log_start(6)
        self.truncate(1, records=0)
        self.truncate(1, records=0)
        self.truncate(1)
        self.append(b"i")
        self.log.close(clean=True)
        self.open(clean=True)
        self.durable_end = self.log.log_end_offset
        self.term = 2
        for _ in range(8):
            self.append(b"a", b"g")
        self.truncate(1)
        self.log.close(clean=False)
        self.open(clean=False)
        self.durable_end = self.log.log_end_offset
        self.append(b"a", b"b")
        self.flush()
        self.log.compact(3_000)
        self.durable_end = self.log.log_end_offset
        for _ in range(6):
            self.append(b"h", b"a")
        self.set_log_start(15)
        self.append(b"a", b"i")
        self.log.close(clean=True)
        self.durable_end = self.log.log_end_offset

    def records(self) -> dict[int, tuple[bytes, bytes]]:
        log = self.log
        found: dict[int, tuple[bytes, bytes]] = {}
        offset, end = log.log_start_offset, log.log_end_offset
        while offset < end:
            read = log.read_blocking(offset, 1 << 20, up_to_offset=end)
            run = b"".join(read.buffers)
            for pos, _ in iter_batches(run):
                for record in decode_records(run, pos):
                    assert record.offset not in found
                    found[record.offset] = (record.key or b"", record.value or b"")
            assert read.next_offset > offset
            offset = read.next_offset
        return {
            offset: record for offset, record in found.items() if offset >= log.log_start_offset
        }

    def check(self) -> None:
        """What must be true after a power loss."""
        log = self.log
        assert log.damage == ()
        assert self.lowest_start <= log.log_start_offset <= self.highest_start
        assert log.log_end_offset >= max(self.durable_end, log.log_start_offset)
        found = self.records()
        for offset, record in found.items():
            assert record in self.written[offset]
        newest = {key: offset for offset, (key, _) in sorted(found.items())}
        for offset in range(log.log_start_offset, self.durable_end):
            # A missing record was superseded: a later one of its key is there.
            keys = {key for key, _ in self.written[offset]}
            assert offset in found or any(newest.get(key, -1) > offset for key in keys)


def lose_all(low: int, high: int) -> int:
    return low


def keep_all(low: int, high: int) -> int:
    return high


def ways_to_crash(seed: int) -> list[Choose]:
    return [lose_all, keep_all, *(Random(seed * 10 + at).randint for at in range(3))]


def count_changes() -> int:
    story = Story(10**9)
    story.tell()
    story.check()
    return story.fuse.burnt


CHANGES = count_changes()


@pytest.mark.parametrize("changes", range(CHANGES))
def test_power_goes_before_a_change(changes: int) -> None:
    for choose in ways_to_crash(changes):
        story = Story(changes)
        with pytest.raises(PowerCut):
            story.tell()
        story.fuse.left = 10**9
        story.directory.crash(choose)
        story.kv.crash(choose)
        story.open(clean=False)
        story.check()
        end_offset = story.log.log_end_offset
        story.term += 1
        story.append(b"z", b"z")
        story.flush()
        assert story.log.log_end_offset == end_offset + 2
        story.check()
        story.log.close(clean=True)
        story.open(clean=True)
        story.check()


def test_power_goes_again_during_recovery() -> None:
    random = Random(3)
    for changes in range(0, CHANGES, 5):
        for again in range(8):
            story = Story(changes)
            with pytest.raises(PowerCut):
                story.tell()
            story.directory.crash(random.randint)
            story.kv.crash(random.randint)
            story.fuse.left = again
            try:
                story.open(clean=False)
            except PowerCut:
                story.directory.crash(random.randint)
                story.kv.crash(random.randint)
                story.fuse.left = 10**9
                story.open(clean=False)
            story.fuse.left = 10**9
            story.check()
