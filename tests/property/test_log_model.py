"""A partition's log against a list: appends, crashes, truncations, compaction, deletion.

The model is the list of entries. After a loss of power the log must be a prefix of it that holds at
least what was synced; at every other time it must be exactly it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from uuid import UUID

import pytest
from crash_storage import CrashDirectory, CrashKeyValueStore
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.ids import PartitionId, TopicId, TopicName, TopicPartition
from sprawl.core.log.config import LogConfig
from sprawl.core.log.frames import EntryType
from sprawl.core.log.partition_log import PartitionLog
from sprawl.core.records.batch import iter_batches, parse_header
from sprawl.core.records.producers import ProducerTable
from sprawl.core.records.record import Record, decode_records, encode_batch

TP = TopicPartition(TopicName("t"), PartitionId(0))
TOPIC_ID = TopicId(UUID(int=7))
KEYS = (b"a", b"b", b"c", b"d")


@dataclass(frozen=True)
class Entry:
    """One entry of the model; `frame` is the batch as it was stamped, None without offsets."""

    term: int
    base_offset: int
    end_offset: int
    frame: bytes | None
    payload: bytes = b""

    def records(self) -> list[Record]:
        return [] if self.frame is None else list(decode_records(self.frame))


class LogMachine(RuleBasedStateMachine):
    """Deletes by log start only; see `CompactedLogMachine` for the other policy."""

    config = LogConfig(
        segment_bytes=600, index_interval_bytes=150, retention_ms=-1, file_delete_delay_ms=0
    )

    def __init__(self) -> None:
        super().__init__()
        self.directory = CrashDirectory()
        self.kv = CrashKeyValueStore()
        self.now_ms = 1_000_000
        self.term = 0
        self.entries: list[Entry] = []
        """By index: the first one has index 1."""
        self.synced = 0
        self.log_start = 0
        self.durable_log_start = 0
        self.sequence = 0
        self.log = self._open(clean=True)

    def _open(self, *, clean: bool) -> PartitionLog:
        return PartitionLog.open(
            tp=TP,
            topic_id=TOPIC_ID,
            config=self.config,
            directory=self.directory,
            kv=self.kv,
            now_ms=self.now_ms,
            clean_shutdown=clean,
        )

    @property
    def end_offset(self) -> int:
        return self.entries[-1].end_offset if self.entries else 0

    # --- what happens to a log --------------------------------------------------------------------

    @rule(
        keys=st.lists(st.sampled_from(KEYS), min_size=1, max_size=4),
        step_ms=st.integers(-50, 50),
        size=st.integers(0, 120),
        codec=st.sampled_from([0, 0, 1]),
        idempotent=st.booleans(),
    )
    def append(
        self, keys: list[bytes], step_ms: int, size: int, codec: int, idempotent: bool
    ) -> None:
        self.now_ms += 1
        at_ms = self.now_ms + step_ms
        records = [
            (at_ms + at, key, b"%d" % (self.end_offset + at) + b"." * size, [])
            for at, key in enumerate(keys)
        ]
        producer = (9, 0, self.sequence) if idempotent else (-1, -1, -1)
        buf = encode_batch(
            records,
            compression=codec,
            producer_id=producer[0],
            producer_epoch=producer[1],
            base_sequence=producer[2],
        )
        base = self.end_offset
        result = self.log.append_batch(
            memoryview(buf), parse_header(buf), term=self.term, now_ms=self.now_ms
        )
        if idempotent:
            self.sequence += len(keys)
        self.entries.append(Entry(self.term, base, base + len(keys), bytes(buf)))
        assert result.index == len(self.entries)
        assert (result.first_offset, result.last_offset) == (base, base + len(keys) - 1)
        assert parse_header(buf).base_offset == base

    @rule(payload=st.binary(max_size=60))
    def append_entry(self, payload: bytes) -> None:
        index = self.log.append_entry(EntryType.NOOP, payload, term=self.term)
        self.entries.append(Entry(self.term, self.end_offset, self.end_offset, None, payload))
        assert index == len(self.entries)

    @rule()
    def next_term(self) -> None:
        self.term += 1

    @rule()
    def roll(self) -> None:
        self.log.roll()

    @rule()
    def flush(self) -> None:
        token = self.log.flush()
        assert token == (len(self.entries), self.entries[-1].term if self.entries else -1)
        self._all_synced()

    @precondition(lambda self: len(self.entries) > 0)
    @rule(data=st.data())
    def truncate(self, data: st.DataObject) -> None:
        lowest = max(self.log.first_index, self._uncompacted_index())
        if lowest > len(self.entries):
            return
        index = data.draw(st.integers(lowest, len(self.entries)))
        below = self.entries[index - 2].end_offset if index > 1 else 0
        if below < self.log_start:
            return
        self.log.truncate_suffix(index)
        del self.entries[index - 1 :]
        self._follow_sequence()
        self.log.flush()
        self._all_synced()

    @rule(data=st.data())
    def set_log_start(self, data: st.DataObject) -> None:
        offset = data.draw(st.integers(self.log_start, self.end_offset))
        if offset > self.log_start:
            if offset > self.log.synced_offset:
                # A start above what a crash leaves begins the log anew: see the unit tests.
                self.flush()
            self.log.set_log_start(offset, write_entry=False)
            self.log_start = offset

    @rule()
    def restart(self) -> None:
        self.log.close(clean=True)
        self._all_synced()
        self.log = self._open(clean=True)

    @rule()
    def kill_process(self) -> None:
        """The process dies; what was written reached the system."""
        self.log.close(clean=False)
        self.log = self._open(clean=False)

    @rule(data=st.data())
    def lose_power(self, data: st.DataObject) -> None:
        promised = max(self.synced, self.log.synced_index)
        self.log.close(clean=False)

        def choose(low: int, high: int) -> int:
            return data.draw(st.integers(low, high))

        self.directory.crash(choose)
        self.kv.crash(choose)
        self.log = self._open(clean=False)
        kept = self.log.last_index
        assert promised <= kept <= len(self.entries), (promised, kept, len(self.entries))
        del self.entries[kept:]
        self._follow_sequence()
        assert self.durable_log_start <= self.log.log_start_offset <= self.log_start
        self.log_start = self.log.log_start_offset
        self._all_synced()
        self.term += 1

    @rule(payload=st.binary(min_size=20, max_size=60))
    def disk_full(self, payload: bytes) -> None:
        self.directory.room_bytes = 0
        with pytest.raises(KafkaFault) as refused:
            self.log.append_entry(EntryType.NOOP, payload, term=self.term)
        assert refused.value.code is ErrorCode.KAFKA_STORAGE_ERROR
        self.directory.room_bytes = 2**62

    def _all_synced(self) -> None:
        self.synced = len(self.entries)
        self.durable_log_start = self.log_start

    def _follow_sequence(self) -> None:
        self.sequence = 0
        for entry in self.entries:
            header = None if entry.frame is None else parse_header(entry.frame)
            if header is not None and header.producer_id >= 0:
                self.sequence = header.last_sequence + 1

    def _uncompacted_index(self) -> int:
        return 1

    # --- what must always be true ----------------------------------------------------------------

    @invariant()
    def ends_are_right(self) -> None:
        log = self.log
        assert log.last_index == len(self.entries)
        assert log.log_end_offset == self.end_offset
        assert log.log_start_offset == self.log_start
        assert log.last_term == (self.entries[-1].term if self.entries else -1)
        assert self.synced <= log.synced_index <= log.last_index
        assert log.damage == ()

    @invariant()
    def segments_join(self) -> None:
        segments = self.log.segments
        for one, next_one in pairwise(segments):
            assert one.end.offset == next_one.base_offset
            assert one.end.index == next_one.first_index
        assert segments[0].base_offset <= self.log_start

    @invariant()
    def reads_are_the_model(self) -> None:
        for max_bytes in (1, 400, 1 << 20):
            assert self._read_all(max_bytes) == self._expected()

    @invariant()
    def cold_reads_are_the_same(self) -> None:
        self.directory.is_cold = True
        assert self._read_all(300) == self._expected()
        self.directory.is_cold = False

    @invariant()
    def terms_and_entries_are_the_model(self) -> None:
        log = self.log
        for index in range(log.first_index, log.last_index + 1):
            assert log.term_at(index) == self.entries[index - 1].term
        lowest = max(log.first_index, self._uncompacted_index())
        if lowest <= log.last_index:
            found = log.entries(lowest, log.last_index + 1, 1 << 20)
            for index, entry in enumerate(found, lowest):
                model = self.entries[index - 1]
                assert (entry.index, entry.term) == (index, model.term)
                expected = model.payload if model.frame is None else model.frame
                assert bytes(entry.payload) == expected
            assert len(found) == log.last_index + 1 - lowest

    @invariant()
    def times_are_found(self) -> None:
        records = self._records()
        for asked in {record.timestamp_ms for record in records} | {0, 2**40}:
            found = self.log.offset_for_timestamp(asked, self.end_offset)
            expected = next(
                ((r.offset, r.timestamp_ms) for r in records if r.timestamp_ms >= asked), None
            )
            assert found == expected
        latest = max(records, key=lambda r: (r.timestamp_ms, -r.offset), default=None)
        expected = None if latest is None else (latest.offset, latest.timestamp_ms)
        assert self.log.max_timestamp_offset(self.end_offset) == expected

    @invariant()
    def times_are_found_below_a_bound(self) -> None:
        # A high watermark: it lies between two batches.
        bound = self.entries[len(self.entries) // 2].base_offset if self.entries else 0
        records = [record for record in self._records() if record.offset < bound]
        latest = max(records, key=lambda r: (r.timestamp_ms, -r.offset), default=None)
        expected = None if latest is None else (latest.offset, latest.timestamp_ms)
        assert self.log.max_timestamp_offset(bound) == expected

    @invariant()
    def producers_are_those_of_the_batches(self) -> None:
        everything, kept = ProducerTable(), ProducerTable()
        for entry in self.entries:
            if entry.frame is not None:
                everything.replay(entry.frame, 0, parse_header(entry.frame), 0)
                if entry.base_offset >= self.log.segments[0].base_offset:
                    kept.replay(entry.frame, 0, parse_header(entry.frame), 0)
        # One whose batches were all deleted may be forgotten, but never known wrongly.
        assert list(self.log.producers.active()) in (list(everything.active()), list(kept.active()))

    def _expected(self) -> list[bytes]:
        """The batches that a reader from the log start on gets."""
        return [
            entry.frame
            for entry in self.entries
            if entry.frame is not None and entry.end_offset > self.log_start
        ]

    def _records(self) -> list[Record]:
        return [
            record
            for batch in self._read_all(1 << 20)
            for record in decode_records(batch)
            if record.offset >= self.log_start
        ]

    def _read_all(self, max_bytes: int) -> list[bytes]:
        found: list[bytes] = []
        offset = self.log_start
        while True:
            read = self.log.read(offset, max_bytes, up_to_offset=self.end_offset)
            if read is None:
                read = self.log.read_blocking(offset, max_bytes, up_to_offset=self.end_offset)
            run = b"".join(read.buffers)
            batches = [run[pos : pos + header.size_bytes] for pos, header in iter_batches(run)]
            assert sum(map(len, batches)) == len(run)
            assert len(run) <= max_bytes or len(batches) == 1
            found += batches
            if not batches:
                return found
            assert read.next_offset > offset
            offset = read.next_offset


class CompactedLogMachine(LogMachine):
    """The same with compaction: old values of a key may be gone, the last one never."""

    config = LogConfig(
        segment_bytes=600,
        index_interval_bytes=150,
        cleanup_policy=frozenset({"compact"}),
        min_cleanable_dirty_ratio=0.0,
        retention_ms=-1,
        file_delete_delay_ms=0,
    )

    def __init__(self) -> None:
        super().__init__()
        self.touched_offset = 0

    @rule()
    def compact(self) -> None:
        done = self.log.compact(self.now_ms)
        self._all_synced()
        if done is not None:
            assert done.after_bytes <= done.before_bytes
            self.touched_offset = max(self.touched_offset, done.cleaned_to_offset)

    def _uncompacted_index(self) -> int:
        return max((each.end.index for each in self.log.segments if each.is_compacted), default=1)

    @invariant()
    def reads_are_the_model(self) -> None:
        for max_bytes in (1, 400, 1 << 20):
            self._compare(self._read_all(max_bytes))

    @invariant()
    def cold_reads_are_the_same(self) -> None:
        self.directory.is_cold = True
        cold = self._read_all(300)
        self.directory.is_cold = False
        assert cold == self._read_all(1 << 20)

    def _compare(self, batches: list[bytes]) -> None:
        found = [record for batch in batches for record in decode_records(batch)]
        there = {record.offset: record for record in found}
        assert [record.offset for record in found] == sorted(there)
        written = {record.offset: record for entry in self.entries for record in entry.records()}
        for offset, record in there.items():
            assert record == written[offset]
        last = {record.key: record.offset for record in written.values()}
        for offset, record in written.items():
            must_stay = last[record.key] == offset or offset >= self.touched_offset
            assert offset in there or not must_stay or offset < self.log_start


RUN = settings(
    max_examples=60,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestLog = LogMachine.TestCase
TestLog.settings = RUN
TestCompactedLog = CompactedLogMachine.TestCase
TestCompactedLog.settings = RUN
