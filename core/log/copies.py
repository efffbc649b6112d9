"""A log that was copied from another replica takes the place of this one.

    leader    plan_copy ──> CopyPlan: the committed part, as pieces of files
    follower  StagedCopy: *.log.copy beside the old log ──finish──> read through, synced
              swap ──one synced write of the store──> the copy is the log
                   ──> old files renamed, new ones named *.log, names synced ──> marker removed
              finish_copy (at open): with the marker, the same again; without, *.copy go

Rules:

1. Until the write of the store, the old log is the log: nothing of it was touched. From that write
   on the copy is, whatever becomes of the files' names: the write holds the new log's facts and
   forgets the old one's, and its marker names the files that count. `*.copy` files and their names
   were synced before.
2. `finish_copy` may be repeated, and relies on no order among names: each file of the marker is
   either still called `.copy` or has its name already; segments that the marker does not name go.
3. The marker is removed, synced, before the log takes anything: a segment that was begun later is
   never taken for one of the old log's.
4. Every frame of a copy is verified: checksum, place, offset, term. What a plan claims and the
   files do not bear out is refused as a whole.
5. Indexes of copied segments are not stored: the first look-up that needs one reads the segment.
   An index is 0.5 % of a log, too much for one write.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.ids import LogIndex, Offset, Term
from sprawl.core.log.epochs import EpochStart, EpochTable
from sprawl.core.log.frames import EntryType, Frame, FrameFault, producer_id_of, walk
from sprawl.core.log.rebuilding import end_before
from sprawl.core.log.recovery import CLEANED_SUFFIX, SWAP_SUFFIX
from sprawl.core.log.segment import (
    LOG_SUFFIX,
    SEGMENT_HEADER_BYTES,
    Segment,
    SegmentEnd,
    SegmentHeader,
    SegmentKey,
    parse_segment_header,
    segment_name,
)
from sprawl.core.log.state import Marks, RecoveryPoint, Summary
from sprawl.core.records.batch import parse_header
from sprawl.core.records.producers import ProducerTable

if TYPE_CHECKING:
    from sprawl.core.log.partition_log import PartitionLog
    from sprawl.core.log.state import LogState, Puts
    from sprawl.core.storage.port import LogDirectory, SegmentFile

COPY_SUFFIX: Final = ".copy"
_OF_A_LOG: Final = (LOG_SUFFIX, SWAP_SUFFIX, CLEANED_SUFFIX, COPY_SUFFIX)
_SEGMENT_BYTES_MAX: Final = 2**32
"""Positions in an index have 32 bits."""


class CopiedSegment(NamedTuple):
    """One file of a copy, or the part of one that is committed."""

    base_offset: int
    first_index: int
    end_offset: int
    end_index: int
    size_bytes: int
    is_compacted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyPlan:
    """The entries of a log up to one that is committed.

    Args:
        index, term: of the last entry covered.
        end_offset: the next offset after it.
        epochs: from the entry before the first one on.
        segments: may be none, when only entries before them are covered.
        producers_offset: of the producer table in `producers`; -1 for none. What follows it is in
            the segments.
    """

    index: LogIndex
    term: Term
    end_offset: Offset
    log_start_offset: Offset
    cleaned_to_offset: Offset
    epochs: tuple[EpochStart, ...]
    segments: tuple[CopiedSegment, ...]
    producers_offset: int
    producers: bytes

    def check(self) -> None:
        """Raises: ValueError: it contradicts itself."""
        if self.index < 1 or not 0 <= self.log_start_offset <= self.end_offset:
            raise ValueError(f"a copy up to entry {self.index} from {self.log_start_offset}")
        if not 0 <= self.cleaned_to_offset <= self.end_offset:
            raise ValueError(f"a copy that is cleaned up to {self.cleaned_to_offset}")
        self._check_segments()
        first = self.segments[0] if self.segments else None
        if self.log_start_offset < (self.end_offset if first is None else first.base_offset):
            raise ValueError(f"a copy from {self.log_start_offset} that begins with {first}")
        table = self.epoch_table()
        if first is not None and table.term_at(first.first_index) is None:
            raise ValueError(f"{first} begins before the epochs {table.starts()}")
        if table.term_at(self.index) != self.term or table.last_term != self.term:
            raise ValueError(
                f"entry {self.index} of term {self.term} by the epochs {table.starts()}"
            )
        if not -1 <= self.producers_offset <= self.end_offset:
            raise ValueError(f"producers as of {self.producers_offset}")
        self.producer_table()

    def _check_segments(self) -> None:
        for each in self.segments:
            if (
                not 0 <= each.base_offset <= each.end_offset
                or not 1 <= each.first_index <= each.end_index
                or not SEGMENT_HEADER_BYTES <= each.size_bytes < _SEGMENT_BYTES_MAX
            ):
                raise ValueError(f"a segment that cannot be: {each}")
        for one, other in pairwise(self.segments):
            if (one.end_offset, one.end_index) != (other.base_offset, other.first_index):
                raise ValueError(f"{other} does not follow {one}")
        if self.segments:
            last = self.segments[-1]
            if (last.end_offset, last.end_index) != (self.end_offset, self.index + 1):
                raise ValueError(f"a copy up to entry {self.index} that ends with {last}")

    def epoch_table(self) -> EpochTable:
        """Raises: ValueError: terms or places do not ascend."""
        for one, other in pairwise(self.epochs):
            if one.start_index >= other.start_index or one.start_offset > other.start_offset:
                raise ValueError(f"epoch {other} after {one}")
        table = EpochTable()
        for each in self.epochs:
            table.assign(each.term, each.start_index, each.start_offset)
        return table

    def producer_table(self) -> ProducerTable:
        """Raises: ValueError: it cannot be read."""
        if self.producers_offset < 0:
            return ProducerTable()
        return ProducerTable.load(self.producers)


# --- the leader ----------------------------------------------------------------------------------


def plan_copy(
    log: PartitionLog, index: int, *, log_start_offset: int
) -> tuple[CopyPlan, tuple[SegmentFile, ...]]:
    """What to copy of a log up to a committed entry. Blocks: call it in a thread.

    Args:
        log_start_offset: at least this one counts as the log start.

    Returns:
        The plan, and the files of its segments: they hold what was planned while they are there,
        also when compaction or retention took them out of the log.

    Raises:
        KafkaFault: KAFKA_STORAGE_ERROR: the log is damaged, or does not know the place any more.
        OSError, FrameFault: it cannot be read.
    """
    with log.lock:
        segments, marks, starts = log.segments, log.marks, log.epochs.starts()
    epochs = tuple(each for each in starts if each.start_index <= index)
    if log.is_closed or marks.damage or not epochs or segments[0].first_index - 1 > index:
        raise KafkaFault(
            ErrorCode.KAFKA_STORAGE_ERROR, f"{log.tp} cannot be copied up to entry {index} now."
        )
    wanted = [each for each in segments if each.first_index <= index]
    copied = [_part_of(log, each, index) for each in wanted]
    end_offset = copied[-1].end_offset if copied else int(segments[0].base_offset)
    producers_offset, producers = log.state.stored_producers(end_offset)
    if producers_offset < segments[0].base_offset:
        later = any(each > end_offset for each in log.state.producer_offsets())
        if later and segments[0].first_index > 1:
            raise KafkaFault(
                ErrorCode.KAFKA_STORAGE_ERROR, f"The producers of {log.tp} are known too late only."
            )
        producers_offset, producers = -1, b""
    plan = CopyPlan(
        index=LogIndex(index),
        term=epochs[-1].term,
        end_offset=Offset(end_offset),
        log_start_offset=Offset(min(max(marks.log_start_offset, log_start_offset), end_offset)),
        cleaned_to_offset=Offset(min(marks.cleaned_to_offset, end_offset)),
        epochs=epochs,
        segments=tuple(copied),
        producers_offset=producers_offset,
        producers=producers,
    )
    return plan, tuple(each.file for each in wanted)


def _part_of(log: PartitionLog, segment: Segment, index: int) -> CopiedSegment:
    end = segment.end
    if end.index - 1 > index:
        end, _ = end_before(log, segment, index + 1)
    return CopiedSegment(
        segment.base_offset,
        segment.first_index,
        end.offset,
        end.index,
        end.size_bytes,
        segment.is_compacted,
    )


# --- the follower --------------------------------------------------------------------------------


class StagedCopy:
    """A copy on its way beside the log that it will replace. Its methods block, one at a time.

    Args:
        log: the one to replace.
        plan: which was checked.
    """

    def __init__(self, log: PartitionLog, plan: CopyPlan) -> None:
        self.plan = plan
        self.segments: tuple[Segment, ...] = ()
        self.producers = plan.producer_table()
        self._log = log
        self._directory = log.directory
        self._keys = [
            SegmentKey(each.base_offset, each.first_index if is_same_base else 0)
            for each, is_same_base in zip(
                plan.segments,
                [
                    False,
                    *(a.base_offset == b.base_offset for a, b in pairwise(plan.segments)),
                ],
                strict=False,
            )
        ]
        self._file: SegmentFile | None = None
        self._file_at = -1

    def begin(self) -> None:
        """Raises: OSError."""
        remove_copies(self._directory)

    def append(self, at: int, piece: bytes) -> None:
        """Write the next piece of the segment with number `at`; segments come in order.

        Raises:
            OSError: the disk is full or broken.
        """
        if at != self._file_at:
            self._close_file()
            name = segment_name(self._keys[at]) + COPY_SUFFIX
            self._file = self._directory.create(name, keep_tail=False)
            self._file_at = at
        assert self._file is not None
        self._file.append((piece,))

    def finish(self, now_ms: int) -> None:
        """Verify everything, and bring it to the disk.

        Raises:
            ValueError, FrameFault: it is not what the plan says.
            KafkaFault: a control batch is damaged.
            OSError: the disk failed.
        """
        self._close_file()
        self._check_names()
        epochs = self.plan.epoch_table()
        segments = [
            self._verified(key, planned, epochs, now_ms)
            for key, planned in zip(self._keys, self.plan.segments, strict=True)
        ]
        if not segments or segments[-1].is_compacted:
            segments.append(self._begun(segments, now_ms))
        for each in segments:
            each.file.sync()
        self._directory.sync()
        self.segments = tuple(segments)

    def discard(self) -> None:
        """Give the copy up; what cannot be removed now is removed by the next one, or at open."""
        with contextlib.suppress(OSError):
            self._close_file()
            for each in self.segments:
                each.file.close()
            remove_copies(self._directory)

    def _close_file(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _check_names(self) -> None:
        """What is put in the log's place are these files and no others."""
        found = {each.name for each in self._directory.list() if each.name.endswith(COPY_SUFFIX)}
        expected = {segment_name(key) + COPY_SUFFIX for key in self._keys}
        if found != expected:
            raise ValueError(f"a copy of {sorted(expected)} has the files {sorted(found)}")

    def _begun(self, segments: Sequence[Segment], now_ms: int) -> Segment:
        """An empty segment to go on in, for a copy without one."""
        plan, log = self.plan, self._log
        first_index = plan.index + 1
        header = SegmentHeader(log.topic_id, log.tp.partition, plan.end_offset, first_index, now_ms)
        is_same_base = bool(segments) and segments[-1].base_offset == plan.end_offset
        key = SegmentKey(plan.end_offset, first_index if is_same_base else 0)
        return Segment.create(self._directory, key, header, suffix=COPY_SUFFIX, keep_tail=True)

    def _verified(
        self, key: SegmentKey, planned: CopiedSegment, epochs: EpochTable, now_ms: int
    ) -> Segment:
        file = self._directory.open(segment_name(key) + COPY_SUFFIX)
        if file.size_bytes != planned.size_bytes:
            raise ValueError(f"{planned} has {file.size_bytes} bytes")
        header = parse_segment_header(file.read(0, SEGMENT_HEADER_BYTES))
        self._check_header(header, planned)
        segment = Segment(
            file,
            key,
            first_index=planned.first_index,
            created_ms=header.created_ms,
            is_compacted=planned.is_compacted,
        )
        for frame in walk(file, SEGMENT_HEADER_BYTES, planned.size_bytes, verify=True):
            self._take(segment, frame, epochs, now_ms)
        if planned.is_compacted and segment.end.offset <= planned.end_offset:
            segment.end = SegmentEnd(
                segment.end.size_bytes, Offset(planned.end_offset), LogIndex(planned.end_index)
            )
        if segment.end[1:] != (planned.end_offset, planned.end_index):
            raise ValueError(f"{planned} ends at {segment.end}")
        return segment

    def _check_header(self, header: SegmentHeader, planned: CopiedSegment) -> None:
        log = self._log
        spans = (0, 0)
        if planned.is_compacted:
            spans = (
                planned.end_offset - planned.base_offset,
                planned.end_index - planned.first_index,
            )
        expected = SegmentHeader(
            log.topic_id,
            log.tp.partition,
            planned.base_offset,
            planned.first_index,
            header.created_ms,
            planned.is_compacted,
            *spans,
        )
        if header != expected:
            raise ValueError(f"{planned} begins with {header}")

    def _take(self, segment: Segment, frame: Frame, epochs: EpochTable, now_ms: int) -> None:
        expected = segment.end.offset
        if segment.is_compacted:
            is_next = frame.base_offset >= expected or frame.type is not EntryType.DATA
            is_next = is_next and 0 <= frame.term <= self.plan.term
        else:
            is_next = frame.base_offset == expected
            is_next = is_next and frame.term == epochs.term_at(segment.end.index)
        if not is_next:
            raise FrameFault(
                frame.position,
                f"offset {frame.base_offset} of term {frame.term} where {expected} was due",
            )
        if frame.type is EntryType.DATA and producer_id_of(frame.buf) >= 0:
            segment.has_producers = True
            if frame.base_offset >= self.plan.producers_offset:
                self.producers.replay(frame.buf, 0, parse_header(frame.buf), now_ms)
        segment.note(frame, index_interval_bytes=self._log.config.index_interval_bytes)


def swap(
    log: PartitionLog, staged: StagedCopy, *, puts: Puts, deletes: Sequence[bytes] = ()
) -> None:
    """Put a finished copy in the place of the log, in the same object.

    Args:
        puts, deletes: what else becomes true with it.

    Raises:
        KafkaFault: KAFKA_STORAGE_ERROR: the log is closed or failed; nothing was changed.
        OSError: which of the two the log is now is decided by the next open; this object takes no
            more appends.
    """
    with log.lock:
        if log.is_closed or log.failure is not None:
            raise KafkaFault(ErrorCode.KAFKA_STORAGE_ERROR, f"The log of {log.tp} is closed.")
        old, plan, state = log.segments, staged.plan, log.state
        epochs = plan.epoch_table()
        marks = _marks_of(staged)
        try:
            state.write(
                [*_facts(staged, state, epochs, marks), *puts],
                [*state.all_keys(), *deletes],
                sync=True,
            )
            for each in old:
                log.indexes.drop(each)
                each.file.discard(log.config.file_delete_delay_ms)
            for each in staged.segments:
                each.file.rename(segment_name(each.key))
            log.directory.sync()
            state.write(deletes=[state.copied_key], sync=True)
        except OSError as failure:
            log.failure = f"A copy could not take the place of {log.tp}: {failure}"
            raise
        end = staged.segments[-1].end
        log.truncations += 1
        log.segments = staged.segments
        log.epochs, log.epochs_changed = epochs, False
        log.marks = marks
        log.producers = staged.producers
        log.producers.advance_log_start(marks.log_start_offset)
        log.pending = ()
        log.synced = (end.index - 1, int(end.offset))
        log.stored_bytes = end.size_bytes
        log.names_changed = False
        for each in staged.segments[:-1]:
            each.index = None


def _marks_of(staged: StagedCopy) -> Marks:
    plan = staged.plan
    first_offset = staged.segments[0].base_offset
    return Marks(max(plan.log_start_offset, first_offset), plan.cleaned_to_offset)


def _facts(staged: StagedCopy, state: LogState, epochs: EpochTable, marks: Marks) -> Puts:
    """The new log in the store, marker included."""
    active = staged.segments[-1]
    end = active.end
    index = active.index
    assert index is not None
    puts = [
        state.put_copied([segment_name(each.key) for each in staged.segments]),
        state.put_point(RecoveryPoint(active.key, end.size_bytes, end.offset, end.index)),
        state.put_marks(marks),
        state.put_epochs(epochs),
        *state.put_segment(active.key, Summary.of(active, end), index),
    ]
    puts += [
        state.put_summary(each.key, Summary.of(each, each.end)) for each in staged.segments[:-1]
    ]
    if len(staged.producers):
        puts.append(state.put_producers(end.offset, staged.producers.snapshot()))
    return puts


def finish_copy(directory: LogDirectory, state: LogState) -> None:
    """Finish or undo, at open, what a stop left of a copy.

    Raises:
        OSError: the next open goes on.
    """
    names = state.copied()
    if names is None:
        remove_copies(directory)
        return
    files = {info.name for info in directory.list()}
    kept = {*names, *(name + COPY_SUFFIX for name in names)}
    for name in names:
        if name + COPY_SUFFIX in files:
            file = directory.open(name + COPY_SUFFIX)
            file.rename(name)
            file.close()
    for name in files - kept:
        if name.endswith(_OF_A_LOG):
            directory.delete(name)
    directory.sync()
    state.write(deletes=[state.copied_key], sync=True)


def remove_copies(directory: LogDirectory) -> None:
    """Raises: OSError."""
    for info in directory.list():
        if info.name.endswith(COPY_SUFFIX):
            directory.delete(info.name)
