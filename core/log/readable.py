"""A partition's log as its readers see it: where it stands, records by offset and time, entries.

Nothing here changes the log. `read_blocking` may run in any thread while the owner appends.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.ids import LogIndex, Offset, Term, TopicId, TopicPartition
from sprawl.core.log import rebuilding
from sprawl.core.log.config import LogConfig
from sprawl.core.log.frames import Entry
from sprawl.core.log.index import IndexCache, SparseIndex
from sprawl.core.log.opening import OpenedLog
from sprawl.core.log.reading import (
    DamagedSegment,
    LogRead,
    find_max_timestamp,
    find_timestamp,
    read_log,
)
from sprawl.core.log.segment import Segment
from sprawl.core.log.state import Damage, LogState, Marks
from sprawl.core.log.tokens import Sealed
from sprawl.core.records.batch import check_crc, iter_batches
from sprawl.core.records.producers import ProducerTable
from sprawl.core.storage.port import LogDirectory


class ReadableLog:
    """The state of a log and the look-ups in it. `PartitionLog` is what changes it."""

    __slots__ = (
        "config",
        "directory",
        "epochs",
        "epochs_changed",
        "failure",
        "indexes",
        "is_closed",
        "is_suspect",
        "lock",
        "marks",
        "names_changed",
        "pending",
        "producers",
        "refuted_index",
        "segments",
        "state",
        "stored_bytes",
        "suspected",
        "synced",
        "topic_id",
        "tp",
        "truncations",
    )

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
    ) -> None:
        self.tp = tp
        self.topic_id = topic_id
        self.config = config
        self.directory = directory
        self.state = state
        self.epochs = opened.epochs
        self.producers = ProducerTable()
        self.marks: Marks = opened.marks
        self.segments: tuple[Segment, ...] = tuple(opened.segments)
        self.indexes = indexes
        end = self.segments[-1].end
        self.synced = (end.index - 1, int(end.offset))
        self.pending: tuple[Sealed, ...] = ()
        self.failure: str | None = None
        self.is_closed = False
        self.is_suspect = False
        self.refuted_index: int | None = None
        self.suspected: Callable[[Segment | None], None] = self._remember
        self.epochs_changed = False
        self.names_changed = opened.is_new_file
        self.stored_bytes = end.size_bytes
        self.truncations = 0
        self.lock = threading.RLock()

    # --- where things stand ---------------------------------------------------------------------

    @property
    def first_index(self) -> LogIndex:
        """Index of the oldest entry kept; one past the last when there is none."""
        return self.segments[0].first_index

    @property
    def last_index(self) -> LogIndex:
        """Index of the newest entry; one below the first when there is none."""
        return LogIndex(self.segments[-1].end.index - 1)

    @property
    def last_term(self) -> Term:
        """Term of the newest entry; -1 when there never was one."""
        return self.epochs.last_term

    @property
    def log_start_offset(self) -> Offset:
        """The first offset that is served."""
        return Offset(self.marks.log_start_offset)

    @property
    def log_end_offset(self) -> Offset:
        """The offset the next record gets."""
        return self.segments[-1].end.offset

    @property
    def synced_index(self) -> LogIndex:
        """Entries up to this one survive a power loss."""
        return LogIndex(self.synced[0])

    @property
    def synced_offset(self) -> Offset:
        """Records below this offset survive a power loss."""
        return Offset(self.synced[1])

    @property
    def size_bytes(self) -> int:
        """Bytes of all frames."""
        return sum(each.data_bytes for each in self.segments)

    @property
    def cleaned_to_offset(self) -> int:
        """How far the last compaction came."""
        return self.marks.cleaned_to_offset

    @property
    def damage(self) -> tuple[Damage, ...]:
        """Ranges that were on disk and cannot be read any more; reads of them raise."""
        return self.marks.damage

    @property
    def pending_sync(self) -> bool:
        """Whether sealed segments wait for `flush`, which belongs into a thread."""
        return bool(self.pending)

    def describe(self) -> dict[str, object]:
        """The log's facts for people."""
        return {
            "partition": str(self.tp),
            "topic_id": str(self.topic_id),
            "log_start_offset": self.log_start_offset,
            "log_end_offset": self.log_end_offset,
            "synced_offset": self.synced_offset,
            "first_index": self.first_index,
            "last_index": self.last_index,
            "last_term": self.last_term,
            "cleaned_to_offset": self.cleaned_to_offset,
            "size_bytes": self.size_bytes,
            "segments": [
                {
                    "base_offset": each.base_offset,
                    "end_offset": each.end.offset,
                    "size_bytes": each.data_bytes,
                    "max_timestamp": each.max_timestamp,
                    "is_compacted": each.is_compacted,
                }
                for each in self.segments
            ],
            "damage": [tuple(each) for each in self.damage],
            "producers": len(self.producers),
        }

    # --- reading --------------------------------------------------------------------------------

    def read(
        self,
        offset: int,
        max_bytes: int,
        *,
        up_to_offset: int,
        min_one: bool = True,
        verify: bool = False,
    ) -> LogRead | None:
        """Whole batches from the one that holds `offset`, without blocking.

        Args:
            max_bytes: bound of the total size, but see `min_one`.
            up_to_offset: batches that reach beyond it are left out.
            min_one: return the first batch even when it is larger (KIP-74).
            verify: check the checksums too, which is left to consumers.

        Returns:
            None when the data is neither in memory nor in the page cache: use `read_blocking`.

        Raises:
            KafkaFault: CORRUPT_MESSAGE, KAFKA_STORAGE_ERROR.
        """
        read = self._read(offset, max_bytes, up_to_offset, min_one=min_one, may_block=False)
        if verify and read is not None:
            self._verify(read)
        return read

    def read_blocking(
        self,
        offset: int,
        max_bytes: int,
        *,
        up_to_offset: int,
        min_one: bool = True,
        verify: bool = False,
    ) -> LogRead:
        """The same from disk; may run in any thread."""
        fault: Exception | None = None
        for _ in range(2):
            segments = self.segments
            try:
                read = self._read(offset, max_bytes, up_to_offset, min_one=min_one, may_block=True)
                if verify and read is not None:
                    self._verify(read)
            except (KafkaFault, IndexError) as failure:
                fault, read = failure, None
            if read is not None:
                return read
            # Compaction or retention may have removed the file meanwhile, or a follower cut off
            # what stands where the end of this read was looked for. Once that is done, look again.
            with self.lock:
                if segments is self.segments:
                    break
        raise fault or KafkaFault(
            ErrorCode.KAFKA_STORAGE_ERROR, f"A segment of {self.tp} ends too early at {offset}."
        )

    def _read(
        self, offset: int, max_bytes: int, up_to_offset: int, *, min_one: bool, may_block: bool
    ) -> LogRead | None:
        marks = self.marks
        holes = [(0, marks.log_start_offset)]
        for start_offset, end_offset, code in marks.damage:
            if start_offset <= offset < end_offset:
                raise KafkaFault(code, f"Offset {offset} of {self.tp} is damaged.")
            holes.append((start_offset, end_offset))
            if offset < start_offset < up_to_offset:
                up_to_offset = start_offset
        segments = self.segments
        try:
            return read_log(
                segments,
                offset,
                max_bytes,
                up_to_offset=up_to_offset,
                min_one=min_one,
                load_index=self.load_index,
                may_block=may_block,
                holes=holes,
            )
        except DamagedSegment as fault:
            raise self.damaged(fault) from fault
        except FileNotFoundError as failure:
            if segments is not self.segments:
                return None
            raise self.unreadable(failure) from failure
        except OSError as failure:
            raise self.unreadable(failure) from failure

    def _verify(self, read: LogRead) -> None:
        run = b"".join(read.buffers)
        for position, header in iter_batches(run):
            if not check_crc(run, position, header):
                self.suspected(None)
                place = f"offset {header.base_offset} of {self.tp}"
                raise KafkaFault(
                    ErrorCode.CORRUPT_MESSAGE, f"The checksum of the batch at {place} is wrong."
                )

    def load_index(self, segment: Segment, may_block: bool) -> SparseIndex | None:
        """The index of a segment; None when it would have to be loaded and must not block."""
        index = segment.index
        if index is None:
            index = self.indexes.get(segment)
        if index is None and may_block:
            with self.lock:
                # The store's is of the segment that has the key now.
                is_stored = segment in self.segments
                index = self.state.index(segment.key) if is_stored else None
            if index is None or not rebuilding.fits(index, segment):
                index = rebuilding.rebuild_index(segment, self.config.index_interval_bytes)
            self.indexes.put(segment, index)
        return index

    def entries(self, lo: int, hi: int, max_bytes: int, *, verify: bool = False) -> list[Entry]:
        """The entries with index in [lo, hi), at least one, up to about `max_bytes`.

        Args:
            verify: check the checksums of batches too, which is left to who appends them.

        Raises:
            ValueError: `lo` is not in the log, or in a part that was compacted (which is copied
                as a whole, not entry by entry).
            KafkaFault: CORRUPT_MESSAGE, KAFKA_STORAGE_ERROR.
        """
        try:
            return rebuilding.find_entries(self, lo, hi, max_bytes, verify=verify)
        except DamagedSegment as fault:
            raise self.damaged(fault) from fault
        except OSError as failure:
            raise self.unreadable(failure) from failure

    # --- look-ups -------------------------------------------------------------------------------

    def term_at(self, index: int) -> Term | None:
        """The term of an entry, also of the one before the first; None when it is not known."""
        if not self.first_index - 1 <= index <= self.last_index:
            return None
        return self.epochs.term_at(index)

    def end_offset_of(self, index: int) -> Offset:
        """The offset after the last record of an entry and of all before it.

        Raises:
            ValueError: the entry is not in the log, or in a part that was compacted.
        """
        try:
            return rebuilding.end_offset_of(self, index)
        except DamagedSegment as fault:
            raise self.damaged(fault) from fault
        except OSError as failure:
            raise self.unreadable(failure) from failure

    def index_of_offset(self, offset: int) -> LogIndex:
        """The index of the entry that holds a record.

        Raises:
            ValueError: the offset is not in the log, or in a part that was compacted.
        """
        try:
            return rebuilding.index_of_offset(self, offset)
        except DamagedSegment as fault:
            raise self.damaged(fault) from fault
        except OSError as failure:
            raise self.unreadable(failure) from failure

    def offset_for_timestamp(
        self, timestamp_ms: int, up_to_offset: int
    ) -> tuple[Offset, int] | None:
        """The first record below `up_to_offset` whose timestamp is at least this.

        Returns:
            Its offset and its timestamp.

        Raises:
            KafkaFault: CORRUPT_MESSAGE, KAFKA_STORAGE_ERROR.
        """
        try:
            found = find_timestamp(
                self.segments,
                timestamp_ms,
                start_offset=self.log_start_offset,
                end_offset=up_to_offset,
                load_index=self.load_index,
            )
        except DamagedSegment as fault:
            raise self.damaged(fault) from fault
        except OSError as failure:
            raise self.unreadable(failure) from failure
        return None if found is None else (Offset(found.offset), found.timestamp_ms)

    def max_timestamp_offset(self, up_to_offset: int) -> tuple[Offset, int] | None:
        """The record below `up_to_offset` with the largest timestamp, the first of several.

        Returns:
            Its offset and its timestamp.

        Raises:
            KafkaFault: CORRUPT_MESSAGE, KAFKA_STORAGE_ERROR.
        """
        try:
            found = find_max_timestamp(
                self.segments,
                start_offset=self.log_start_offset,
                end_offset=up_to_offset,
                load_index=self.load_index,
            )
        except DamagedSegment as fault:
            raise self.damaged(fault) from fault
        except OSError as failure:
            raise self.unreadable(failure) from failure
        return None if found is None else (Offset(found.offset), found.timestamp_ms)

    def epoch_end_offset(self, epoch: int) -> tuple[int, int]:
        """Where the largest epoch that is at most `epoch` ends (KIP-279).

        Returns:
            (epoch, end offset); (-1, -1) when `epoch` is newer than all.
        """
        return self.epochs.end_offset(epoch, self.log_end_offset)

    def epoch_of_offset(self, offset: int) -> Term:
        """The leader epoch of the record at `offset`; -1 when it is not known."""
        term = self.epochs.epoch_of_offset(offset)
        return Term(-1) if term is None else term

    # --- damage ---------------------------------------------------------------------------------

    def damaged(self, fault: DamagedSegment) -> DamagedSegment:
        """A read met bytes that are not what they were, or were changed just now: who watches the
        log hears of it. In any thread."""
        self.suspected(fault.segment)
        return fault

    def refute(self, index: int) -> None:
        """Others say that the entry at `index`, which will never be cut off, is not this one: a
        check of the log finds it damaged."""
        self.refuted_index = index
        self.suspected(None)

    def _remember(self, segment: Segment | None) -> None:
        self.is_suspect = True

    def watch(self, suspected: Callable[[Segment | None], None]) -> None:
        """Be told of the segment that somebody could not read, or had read otherwise: None when
        it is not known which. What was met before counts as well."""
        self.suspected = suspected
        if self.is_suspect:
            suspected(None)

    @property
    def is_watched(self) -> bool:
        """Whether somebody acts on damage."""
        return self.suspected != self._remember

    def unreadable(self, failure: OSError) -> KafkaFault:
        return KafkaFault(ErrorCode.KAFKA_STORAGE_ERROR, f"The log of {self.tp}: {failure}")
