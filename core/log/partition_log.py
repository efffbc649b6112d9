"""The log of one partition: what Kafka serves and what Raft drives, over a storage.

Rules:

1. One owner calls everything that changes the log. `flush`, `read_blocking` and `compact` may run
   in other threads meanwhile.
2. An append is one write. It changes nothing when it fails: KAFKA_STORAGE_ERROR, and the log goes
   on when the disk does. After a failed sync the log takes no more appends until it is opened
   again.
3. Offsets are dense over record batches; entries without offsets take an index only.
4. What the store claims to be on disk was synced before; see README.md for the order.

README.md has the states and the file format.
"""

from __future__ import annotations

import logging
import struct
import threading
import zlib
from collections.abc import Sequence
from typing import Self

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.ids import LogIndex, Offset, Term, TopicId, TopicPartition
from sprawl.core.limits import INDEX_CACHE_BYTES_MAX
from sprawl.core.log import changes, rebuilding
from sprawl.core.log.cleaner import Compaction, compact_log
from sprawl.core.log.config import LogConfig
from sprawl.core.log.frames import Entry, EntryType, encode_entry, parse_frame
from sprawl.core.log.index import IndexCache
from sprawl.core.log.opening import OpenedLog, open_log
from sprawl.core.log.readable import ReadableLog
from sprawl.core.log.reading import DamagedSegment, LogRead
from sprawl.core.log.segment import (
    OFFSET_SPAN_MAX,
    SEGMENT_HEADER_BYTES,
    Segment,
    SegmentHeader,
    SegmentKey,
)
from sprawl.core.log.state import LogState
from sprawl.core.log.tokens import AppendResult, DurableUpTo, Sealed
from sprawl.core.records.batch import BatchHeader, parse_header, stamp
from sprawl.core.records.control import read_marker
from sprawl.core.storage.port import KeyValueStore, LogDirectory

__all__ = ["AppendResult", "DurableUpTo", "LogRead", "PartitionLog"]

_log = logging.getLogger(__name__)
_OFFSET = struct.Struct(">q")
_KAFKA_INDEX_ENTRY_BYTES = 8


class PartitionLog(ReadableLog):
    """One partition's log. Open it with `open`; `log.config` changes through `update_config`.

    Attributes:
        now_ms: wall time of the last append, or of the opening.
    """

    __slots__ = ("_flushing", "_has_durable_point", "now_ms")

    def __init__(
        self,
        opened: OpenedLog,
        *,
        tp: TopicPartition,
        topic_id: TopicId,
        config: LogConfig,
        directory: LogDirectory,
        state: LogState,
        indexes: IndexCache,
        now_ms: int,
    ) -> None:
        super().__init__(
            opened,
            tp=tp,
            topic_id=topic_id,
            config=config,
            directory=directory,
            state=state,
            indexes=indexes,
        )
        self.now_ms = now_ms
        self._has_durable_point = False
        self._flushing = threading.Lock()

    @classmethod
    def open(
        cls,
        *,
        tp: TopicPartition,
        topic_id: TopicId,
        config: LogConfig,
        directory: LogDirectory,
        kv: KeyValueStore,
        now_ms: int,
        clean_shutdown: bool,
        indexes: IndexCache | None = None,
        refuses_damage: bool = False,
    ) -> Self:
        """Open a partition's log, or begin one; recovers what a crash left (recovery.py).

        Args:
            now_ms: wall time.
            clean_shutdown: whether the node was stopped in good order; only a hint for the report,
                what is trusted is decided by what was synced.
            indexes: the node's cache of indexes; None gives the log one of its own.
            refuses_damage: for a log that other replicas have too (core/replication/damaged.py).

        Raises:
            DamagedLog: damage was found and is refused; the log is as it was.
            OSError: the files cannot be read or written.
        """
        state = LogState(kv, topic_id, tp.partition)
        opened = open_log(
            tp=tp,
            topic_id=topic_id,
            config=config,
            directory=directory,
            state=state,
            now_ms=now_ms,
            clean_shutdown=clean_shutdown,
            refuses_damage=refuses_damage,
        )
        log = cls(
            opened,
            tp=tp,
            topic_id=topic_id,
            config=config,
            directory=directory,
            state=state,
            indexes=indexes or IndexCache(INDEX_CACHE_BYTES_MAX),
            now_ms=now_ms,
        )
        if rebuilding.rebuild_producers(log, now_ms):
            # Deletion may take the segments it was read from; all of them are on disk now.
            state.write([state.put_producers(log.log_end_offset, log.producers.snapshot())])
        return log

    def update_config(self, config: LogConfig) -> None:
        """Follow changed topic configs from the next operation on."""
        self.config = config

    # --- appending ------------------------------------------------------------------------------

    def append_batch(
        self, buf: memoryview, header: BatchHeader, *, term: int, now_ms: int
    ) -> AppendResult:
        """Give a batch the next offsets and write it.

        Args:
            buf: exactly one batch, writable; offset and leader epoch are stamped into it. It may be
                kept: its bytes must not change afterwards.
            header: of the batch as it stands in `buf`.
            term: the leader's, at least that of the last entry.
            now_ms: wall time.

        Raises:
            KafkaFault: KAFKA_STORAGE_ERROR; nothing was appended.
        """
        size_bytes = header[1] + 12
        if size_bytes != len(buf):
            raise ValueError(f"a batch of {size_bytes} bytes came in {len(buf)}")
        offset_delta, max_timestamp = header[6], header[8]
        segment = self._writable(size_bytes, offset_delta + 1, max_timestamp, term, now_ms)
        _, offset, index = segment.end
        end_offset = offset + offset_delta + 1
        stamp(buf, 0, base_offset=offset, leader_epoch=term)
        try:
            segment.append(
                (buf,),
                size_bytes,
                base_offset=offset,
                end_offset=end_offset,
                max_timestamp=max_timestamp,
                index_interval_bytes=self.config.index_interval_bytes,
            )
        except OSError as failure:
            raise self._refused(failure) from failure
        if term != self.epochs.last_term:
            self.epochs_changed = self.epochs.assign(term, index, offset)
        if header[9] >= 0:
            segment.has_producers = True
            marker = read_marker(buf, 0, header) if header.is_control else None
            self.producers.update(header, offset, now_ms, marker)
        return AppendResult(index, Term(term), offset, Offset(end_offset - 1), max_timestamp)

    def append_entry(
        self, entry_type: EntryType, payload: bytes, *, term: int, now_ms: int | None = None
    ) -> LogIndex:
        """Write an entry that takes no offset and is never served.

        Raises:
            KafkaFault: KAFKA_STORAGE_ERROR; nothing was appended.
        """
        frame = encode_entry(entry_type, payload, next_offset=self.log_end_offset, term=term)
        return self._append_frame(frame, term, self.now_ms if now_ms is None else now_ms)

    def append_replicated(self, entries: Sequence[Entry], *, now_ms: int) -> DurableUpTo:
        """Write a leader's entries as they are.

        Args:
            entries: the ones that follow this log's last, in order.

        Returns:
            What has to be durable before they may be acknowledged.

        Raises:
            ValueError: an entry does not follow: the caller has to truncate first.
            KafkaFault: KAFKA_STORAGE_ERROR; those before the one that failed were appended.
        """
        for entry in entries:
            if entry.index != self.last_index + 1:
                raise ValueError(f"entry {entry.index} after {self.last_index}")
            if entry.type is not EntryType.DATA:
                self._append_frame(bytearray(entry.frame), entry.term, now_ms)
                continue
            buf = memoryview(bytearray(entry.frame))
            frame = parse_frame(buf, 0, verify=True)
            if (frame.base_offset, frame.term) != (self.log_end_offset, entry.term):
                raise ValueError(f"batch at offset {frame.base_offset} after {self.log_end_offset}")
            self.append_batch(buf, parse_header(buf), term=entry.term, now_ms=now_ms)
        return DurableUpTo(self.last_index, self.last_term)

    def roll(self, now_ms: int | None = None) -> None:
        """Seal the active segment and begin the next one; an empty one stays.

        Raises:
            KafkaFault: KAFKA_STORAGE_ERROR; the active segment stays.
        """
        active = self.segments[-1]
        if active.is_empty:
            return
        created_ms = self.now_ms if now_ms is None else now_ms
        try:
            self._make_point_durable()
            fresh = self._create_segment(active.end.offset, active.end.index, created_ms)
        except OSError as failure:
            raise self._refused(failure) from failure
        snapshot = self.producers.snapshot() if len(self.producers) else None
        with self.lock:
            self.names_changed = True
            self.pending += (Sealed(active, snapshot),)
            self.segments += (fresh,)
            self.stored_bytes = 0

    def _make_point_durable(self) -> None:
        """Before a log has a second segment it must be known, for good, what was synced of it.

        Without a recovery point recovery has to take the store for lost, and everything but the
        last segment for synced.
        """
        if self._has_durable_point:
            return
        with self.lock:
            point = self.state.recovery_point()
            if point is not None:
                self.state.write([self.state.put_point(point)], sync=True)
        self._has_durable_point = True

    def _create_segment(self, base_offset: int, first_index: int, created_ms: int) -> Segment:
        """A new empty segment file of this log.

        Raises:
            OSError: nothing is left behind.
        """
        header = SegmentHeader(
            self.topic_id, self.tp.partition, base_offset, first_index, created_ms
        )
        is_same_base = base_offset == self.segments[-1].base_offset
        key = SegmentKey(base_offset, first_index if is_same_base else 0)
        return Segment.create(self.directory, key, header, keep_tail=True)

    def _append_frame(self, frame: bytearray, term: int, now_ms: int) -> LogIndex:
        segment = self._writable(len(frame), 0, -1, term, now_ms)
        end = segment.end
        try:
            segment.append_entry(frame, index_interval_bytes=self.config.index_interval_bytes)
        except OSError as failure:
            raise self._refused(failure) from failure
        if term != self.epochs.last_term:
            self.epochs_changed = self.epochs.assign(term, end.index, end.offset)
        return end.index

    def _writable(
        self, size_bytes: int, offset_count: int, timestamp_ms: int, term: int, now_ms: int
    ) -> Segment:
        """The active segment, after a roll when it is due."""
        if self.failure is not None or self.is_closed:
            raise KafkaFault(
                ErrorCode.KAFKA_STORAGE_ERROR, self.failure or f"The log of {self.tp} is closed."
            )
        if term < self.epochs.last_term:
            raise ValueError(f"append in term {term} after term {self.epochs.last_term}")
        self.now_ms = now_ms
        segment = self.segments[-1]
        end = segment.end
        config = self.config
        if segment.index is None:
            self._load_active()
        assert segment.index is not None
        if end.size_bytes > SEGMENT_HEADER_BYTES and (
            end.size_bytes + size_bytes > config.segment_bytes + SEGMENT_HEADER_BYTES
            or self._is_old(segment, timestamp_ms, now_ms)
            or len(segment.index) * _KAFKA_INDEX_ENTRY_BYTES >= config.segment_index_bytes
            or end.offset + offset_count - segment.base_offset > OFFSET_SPAN_MAX
        ):
            self.roll(now_ms)
            segment = self.segments[-1]
        return segment

    def _load_active(self) -> None:
        """After an open the index of the active segment is loaded by the first append."""
        try:
            changes.own_index(self, self.segments[-1])
        except OSError as failure:
            raise self._refused(failure) from failure

    def _is_old(self, segment: Segment, timestamp_ms: int, now_ms: int) -> bool:
        """Has `segment.ms` passed since its first record, by the clock that stamps the records?"""
        config = self.config
        bound_ms = config.segment_ms
        if "compact" in config.cleanup_policy:
            bound_ms = min(bound_ms, config.max_compaction_lag_ms)
        if config.segment_jitter_ms:
            # Partitions differ, and a partition's segments do; a restart changes nothing.
            seed = zlib.crc32(b"%s-%d" % (str(self.tp).encode(), segment.base_offset))
            bound_ms -= seed % config.segment_jitter_ms
        if segment.first_timestamp >= 0 and timestamp_ms >= 0:
            return timestamp_ms - segment.first_timestamp > bound_ms
        return now_ms - segment.created_ms > bound_ms

    def _refused(self, failure: OSError) -> KafkaFault:
        _log.error(
            "%s: append failed, nothing was written (free space: %d bytes): %s",
            self.tp,
            self._free_bytes(),
            failure,
        )
        return KafkaFault(ErrorCode.KAFKA_STORAGE_ERROR, f"Append to {self.tp} failed: {failure}")

    def _free_bytes(self) -> int:
        try:
            return self.directory.free_bytes()
        except OSError:
            return -1

    # --- durability -----------------------------------------------------------------------------

    def flush(self) -> DurableUpTo:
        """Bring everything appended so far to disk. Blocks: shells call it in a thread.

        Raises:
            OSError: the disk failed, now or before. What was not synced may be lost, though another
                sync would not say so: until the log is opened again it takes no more appends, and
                claims nothing more.
        """
        with self._flushing:
            return changes.flush(self)

    # --- making it shorter ----------------------------------------------------------------------

    def truncate_suffix(self, from_index: int) -> None:
        """Take back the entries from `from_index` on (Raft: a new leader does not have them).

        Raises:
            ValueError: the index is below the first, or within a compacted segment.
            KafkaFault: CORRUPT_MESSAGE, KAFKA_STORAGE_ERROR.
        """
        if from_index > self.last_index:
            return
        if from_index < self.first_index:
            raise ValueError(f"entry {from_index} is older than the log's first")
        try:
            changes.truncate(self, from_index)
        except DamagedSegment as fault:
            raise self.damaged(fault) from fault
        except OSError as failure:
            raise self._refused(failure) from failure

    def set_log_start(self, offset: int, *, write_entry: bool = True) -> None:
        """Hide everything below `offset` and delete the segments that this empties.

        Args:
            offset: at most the log end; one that is not above the present start changes nothing.
            write_entry: also put it into the log, from where it could be rebuilt. False when the
                entry is there already.

        Raises:
            KafkaFault: OFFSET_OUT_OF_RANGE, KAFKA_STORAGE_ERROR; the start is as it was.
        """
        if offset <= self.log_start_offset:
            return
        if offset > self.log_end_offset:
            raise KafkaFault(
                ErrorCode.OFFSET_OUT_OF_RANGE,
                f"Offset {offset} is beyond the end of {self.tp}, {self.log_end_offset}.",
            )
        if write_entry:
            term = max(self.last_term, 0)
            self.append_entry(EntryType.LOG_START, _OFFSET.pack(offset), term=term)
        try:
            changes.advance_start(self, offset)
        except OSError as failure:
            raise self.unreadable(failure) from failure

    def retention_start(self, now_ms: int, *, up_to_offset: int) -> Offset | None:
        """Where the log would start if the topic's retention were applied now; None: nothing goes.

        The active segment is sealed if it has to go as well.

        Args:
            up_to_offset: nothing that ends above it goes.

        Raises:
            KafkaFault: KAFKA_STORAGE_ERROR.
        """
        try:
            return changes.retention_start(self, now_ms, up_to_offset)
        except OSError as failure:
            raise self.unreadable(failure) from failure

    def delete_old_segments(self, now_ms: int, *, up_to_offset: int | None = None) -> int:
        """Delete the segments that the topic's retention leaves no use for.

        Args:
            up_to_offset: nothing that ends above it goes; None for the log end.

        Returns:
            How many were deleted.

        Raises:
            KafkaFault: KAFKA_STORAGE_ERROR.
        """
        try:
            return changes.delete_old(self, now_ms, up_to_offset)
        except OSError as failure:
            raise self.unreadable(failure) from failure

    def compact(self, now_ms: int, *, up_to_offset: int | None = None) -> Compaction | None:
        """Run a pass of compaction if the log is dirty enough. Blocks: call it in a thread.

        Args:
            up_to_offset: nothing at or above it is touched; None for the last stable offset as the
                log sees it.

        Raises:
            KafkaFault: KAFKA_STORAGE_ERROR, CORRUPT_MESSAGE.
        """
        try:
            return compact_log(self, now_ms, up_to_offset=up_to_offset)
        except OSError as failure:
            raise self.unreadable(failure) from failure

    # --- the end --------------------------------------------------------------------------------

    def release(self) -> None:
        """Give back files and memory of a log that is not in use; any use takes them again."""
        for segment in self.segments:
            segment.file.close()
            self.indexes.drop(segment)

    def close(self, clean: bool = True) -> None:
        """End the use of the log.

        Args:
            clean: sync it and store what makes the next open quick. False leaves everything as a
                crash would.

        Raises:
            OSError: the disk failed; the next open recovers.
        """
        if self.is_closed:
            return
        try:
            if clean and self.failure is None:
                with self._flushing:
                    changes.flush(self, is_closing=True)
        finally:
            with self.lock:
                self.is_closed = True
            self.release()

    def delete(self) -> None:
        """Remove the log: its files under another name at once, for good after a while.

        Raises:
            OSError: the files could not be renamed.
        """
        with self.lock:
            self.is_closed = True
            self.release()
            self.state.delete_all()
            self.directory.discard(self.config.file_delete_delay_ms)
