"""Two logs: a leader's that has seen everything, and a follower's that fell behind."""

from __future__ import annotations

from uuid import UUID

from fused_storage import Fuse, FusedDirectory, FusedStore

from sprawl.core.ids import PartitionId, TopicId, TopicName, TopicPartition
from sprawl.core.log.config import LogConfig
from sprawl.core.log.copies import CopyPlan, StagedCopy, plan_copy, swap
from sprawl.core.log.frames import EntryType
from sprawl.core.log.partition_log import PartitionLog
from sprawl.core.records.batch import iter_batches, parse_header
from sprawl.core.records.record import decode_records, encode_batch
from sprawl.core.storage.port import SegmentFile

TP = TopicPartition(TopicName("t"), PartitionId(0))
TOPIC_ID = TopicId(UUID(int=7))
CONFIG = LogConfig(
    segment_bytes=500,
    index_interval_bytes=120,
    cleanup_policy=frozenset({"compact"}),
    min_cleanable_dirty_ratio=0.0,
    retention_ms=-1,
    file_delete_delay_ms=0,
)
HARD_STATE = b"raft/of-the-group"
STARTS = b"starts/of-the-group"
NO_FUSE = 10**9


class Replica:
    """A log on storage that can lose power before any change."""

    def __init__(self, changes: int = NO_FUSE) -> None:
        self.fuse = Fuse(changes)
        self.directory = FusedDirectory(self.fuse)
        self.kv = FusedStore(self.fuse)
        self.sequence = 0

    def open(self) -> PartitionLog:
        self.log = PartitionLog.open(
            tp=TP,
            topic_id=TOPIC_ID,
            config=CONFIG,
            directory=self.directory,
            kv=self.kv,
            now_ms=1_000,
            clean_shutdown=False,
        )
        return self.log

    def append(self, key: str, value: str, *, term: int, producer_id: int = -1) -> None:
        records = [(1_000, key.encode(), value.encode() + b"." * 60, [])]
        fields = {}
        if producer_id >= 0:
            fields = {
                "producer_id": producer_id,
                "producer_epoch": 0,
                "base_sequence": self.sequence,
            }
            self.sequence += 1
        buf = encode_batch(records, **fields)
        self.log.append_batch(memoryview(buf), parse_header(buf), term=term, now_ms=1_000)

    def records(self) -> list[tuple[int, bytes, bytes]]:
        log, found = self.log, []
        offset = log.log_start_offset
        while offset < log.log_end_offset:
            read = log.read_blocking(offset, 1 << 20, up_to_offset=log.log_end_offset)
            run = b"".join(read.buffers)
            for position, _ in iter_batches(run):
                for record in decode_records(run, position):
                    if record.offset >= log.log_start_offset:
                        found.append((record.offset, record.key or b"", record.value or b""))
            offset = read.next_offset
        return found

    def facts(self) -> tuple[object, ...]:
        log = self.log
        return (
            log.log_start_offset,
            log.log_end_offset,
            log.last_index,
            log.last_term,
            log.damage,
            self.records(),
            [each[:3] for each in log.producers.active()],
        )


def leader(*, deleted: int = 0, compacted: bool = True) -> Replica:
    """Terms 1 to 3, two producers, a log start; all of it is committed."""
    made = Replica()
    log = made.open()
    for at in range(30):
        made.append(f"k{at % 4}", f"{at}", term=1 + at // 12, producer_id=9 if at % 3 else -1)
        if at % 7 == 0:
            log.append_entry(EntryType.NOOP, b"", term=1 + at // 12)
    log.flush()
    if deleted:
        log.set_log_start(deleted)
    if compacted:
        log.roll()
        log.compact(2_000)
    made.append("k9", "last", term=3)
    log.flush()
    return made


def lagging(changes: int = NO_FUSE) -> Replica:
    """A follower with a few entries, the last ones from a term that lost."""
    made = Replica(changes)
    made.open()
    made.append("k0", "0", term=1, producer_id=9)
    for at in range(8):
        made.append("k1", f"lost {at}", term=1, producer_id=5)
    made.log.flush()
    made.kv.put(HARD_STATE, b"old", sync=True)
    made.kv.put(STARTS, b"old", sync=True)
    return made


def stage(
    follower: Replica, plan: CopyPlan, files: tuple[SegmentFile, ...], *, piece_bytes: int = 200
) -> StagedCopy:
    staged = StagedCopy(follower.log, plan)
    staged.begin()
    for at, segment in enumerate(plan.segments):
        for position in range(0, segment.size_bytes, piece_bytes):
            size_bytes = min(piece_bytes, segment.size_bytes - position)
            staged.append(at, bytes(files[at].read(position, size_bytes)))
    staged.finish(1_000)
    return staged


def copy(source: Replica, follower: Replica) -> None:
    plan, files = plan_copy(source.log, source.log.last_index, log_start_offset=0)
    plan.check()
    staged = stage(follower, plan, files)
    swap(follower.log, staged, puts=[(HARD_STATE, b"new")], deletes=[STARTS])
