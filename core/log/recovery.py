"""Finding a log again after a stop: clean, by kill -9, or by a power loss.

    files ──leftovers of compaction and deletion put right──> segments by base offset
    each segment:
        summary in the store, same size ───────────────────────────> taken as it is
        else read from where the summary ends, checksums verified
            ├─ no fault ───────────────────────────────────────────> index rebuilt
            ├─ fault at or after the recovery point ──> TAIL: cut there, what follows goes too
            └─ fault before it ──> DAMAGE: the range is quarantined, what follows is sound

Only an unsynced tail is ever cut. Damage of what was synced is reported, kept as it is, and
answered with an error for its offsets; the log goes on behind it.

A replica's log is another matter: others have what it lost, and a log that goes on without it
would vote and acknowledge as if it were there. Its recovery refuses damage before it changes
anything, and takes a fault that sound entries follow for damage also at or after the recovery
point: the point may be older than the last sync, and a torn write has nothing behind it
("Protocol-Aware Recovery for Consensus-Based Storage", FAST 2018, section 3.3).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Final
from uuid import UUID

from sprawl.core.errors import ErrorCode
from sprawl.core.ids import LogIndex, Offset
from sprawl.core.log.frames import (
    EntryType,
    Frame,
    FrameFault,
    producer_id_of,
    walk,
)
from sprawl.core.log.index import SparseIndex
from sprawl.core.log.recovered import FIRST_INDEX, DamagedLog, Recovered, StrayLog
from sprawl.core.log.searching import is_last_of, sound_frame
from sprawl.core.log.segment import (
    LOG_SUFFIX,
    SEGMENT_HEADER_BYTES,
    Segment,
    SegmentEnd,
    SegmentHeader,
    SegmentKey,
    parse_segment_header,
    parse_segment_name,
    segment_name,
)
from sprawl.core.log.state import Damage, LogState, RecoveryPoint, Summary
from sprawl.core.storage.port import FileInfo, LogDirectory

_log = logging.getLogger(__name__)

CLEANED_SUFFIX: Final = ".cleaned"
SWAP_SUFFIX: Final = ".swap"
DELETED_SUFFIX: Final = ".deleted"
_NOWHERE: Final = RecoveryPoint(SegmentKey(-1), 0, 0, FIRST_INDEX)


class Recovery:
    """One run over the files of a log.

    Args:
        name: of the partition, for reports.
        directory, state: where the log is.
        log_start_offset: known start of the log; nothing below it is missed.
        refuses_damage: see the module; for a log that others have too.
    """

    def __init__(
        self,
        name: str,
        *,
        directory: LogDirectory,
        state: LogState,
        topic_id: UUID,
        partition: int,
        log_start_offset: int,
        index_interval_bytes: int,
        refuses_damage: bool = False,
    ) -> None:
        self._name = name
        self._refuses_damage = refuses_damage
        self._directory = directory
        self._state = state
        self._topic_id = topic_id
        self._partition = partition
        self._log_start = log_start_offset
        self._interval = index_interval_bytes
        self._stored_point = state.recovery_point()
        self._point = self._stored_point or _NOWHERE
        self._summaries = state.summaries()
        self.epochs = state.epochs()
        self._found = Recovered()

    def run(self) -> Recovered:
        """Open every segment, repair what a crash left, report what it lost.

        Raises:
            OSError: the directory or a file cannot be read.
            StrayLog: nothing was changed.
            DamagedLog: if damage is refused.
        """
        found = self._found
        files = self._put_right()
        if files:
            found.end_offset = first_offset = files[0][0].base_offset
            if self._log_start < min(first_offset, self._point.offset):
                self._lost(
                    self._log_start, first_offset, ErrorCode.KAFKA_STORAGE_ERROR, "files missing"
                )
        for at, (key, info) in enumerate(files):
            is_last = at + 1 == len(files)
            if info.size_bytes < SEGMENT_HEADER_BYTES and not is_last:
                if self._was_never_synced(key, SEGMENT_HEADER_BYTES):
                    self._cut_files(files[at:], "its header was never written")
                    break
                # What it held is missed when the next segment is joined.
                continue
            if not self._is_joined(key.base_offset):
                self._cut_files(files[at:], "what stood before is gone")
                break
            segment = self._open(key, info, is_last=is_last)
            if segment is None:
                self._cut_files(files[at:], "its header, or an entry before it, was never written")
                break
            found.segments.append(segment)
            found.end_offset, found.end_index = segment.end.offset, segment.end.index
            if found.cut_bytes:
                self._cut_files(files[at + 1 :], "it follows a tail that was cut")
                break
        self._reach_recovery_point()
        self.epochs.truncate_suffix(found.end_index)
        return found

    # --- files ----------------------------------------------------------------------------------

    def _put_right(self) -> list[tuple[SegmentKey, FileInfo]]:
        """Finish or undo what compaction and deletion began; the segment files that are left."""
        directory = self._directory
        for name, _ in directory.list():
            if name.endswith((CLEANED_SUFFIX, DELETED_SUFFIX)):
                directory.delete(name)
        for name, _ in directory.list():
            key = parse_segment_name(name, LOG_SUFFIX + SWAP_SUFFIX)
            if key is not None:
                self._finish_swap(name, key)
        files = [
            (key, info)
            for info in directory.list()
            if (key := parse_segment_name(info.name)) is not None
        ]
        return sorted(files)

    def _finish_swap(self, name: str, swapped: SegmentKey) -> None:
        """A compacted segment was complete when the node stopped: it replaces its sources."""
        directory = self._directory
        file = directory.open(name)
        header = parse_segment_header(file.read(0, SEGMENT_HEADER_BYTES))
        end = SegmentKey(swapped.base_offset + header.offset_span)
        for info in directory.list():
            key = parse_segment_name(info.name)
            if key is not None and (key == swapped or swapped < key < end):
                self._state.write(deletes=self._state.segment_keys(key), sync=True)
                self._summaries.pop(key, None)
                directory.delete(info.name)
        file.rename(segment_name(swapped))
        file.close()
        directory.sync()

    def _is_joined(self, base_offset: int) -> bool:
        """Does a segment follow what was found? False: it is part of the unsynced tail."""
        found = self._found
        if not found.segments or base_offset == found.end_offset:
            return True
        last = found.segments[-1]
        if base_offset < last.end.offset or self._was_never_synced(last.key, last.end.size_bytes):
            return False
        self._lost(
            last.end.offset, base_offset, ErrorCode.KAFKA_STORAGE_ERROR, "segment missing or short"
        )
        return True

    def _is_next_index(self, first_index: int) -> bool:
        """The same question by index: entries without offsets may be all that is missing."""
        found = self._found
        if not found.segments or first_index == found.end_index:
            return True
        last = found.segments[-1]
        return not self._was_never_synced(last.key, last.end.size_bytes)

    def _cut_files(self, files: list[tuple[SegmentKey, FileInfo]], why: str) -> None:
        for key, info in files:
            _log.warning(
                "%s: unsynced segment %d (%d bytes) removed: %s",
                self._name,
                key.base_offset,
                info.size_bytes,
                why,
            )
            self._found.cut_bytes += info.size_bytes
            self._state.write(deletes=self._state.segment_keys(key))
            self._directory.delete(info.name)

    # --- one segment ----------------------------------------------------------------------------

    def _open(self, key: SegmentKey, info: FileInfo, *, is_last: bool) -> Segment | None:
        summary = self._summaries.get(key)
        header = self._header(key, info, summary, is_last=is_last)
        if header is None or not self._is_next_index(header.first_index):
            return None
        segment = Segment(
            self._directory.open(info.name),
            key,
            first_index=header.first_index,
            created_ms=header.created_ms,
            is_compacted=header.is_compacted,
        )
        if summary is not None and summary.end.size_bytes == info.size_bytes:
            summary.apply_to(segment)
            segment.index = None
            return segment
        self._found.must_store = True
        if summary is not None and summary.end.size_bytes < info.size_bytes:
            index = self._state.index(key)
            if index is not None:
                summary.apply_to(segment)
                segment.index = index
                segment.resume_index()
        self._scan(segment, info.size_bytes, is_last=is_last)
        if header.is_compacted and not self._found.cut_bytes:
            segment.end = SegmentEnd(
                segment.end.size_bytes,
                Offset(key.base_offset + header.offset_span),
                LogIndex(header.first_index + header.index_span),
            )
        return segment

    def _header(
        self, key: SegmentKey, info: FileInfo, summary: Summary | None, *, is_last: bool
    ) -> SegmentHeader | None:
        """The header of a segment; rebuilt when it is damaged; None when it was never synced."""
        if summary is not None and summary.end.size_bytes == info.size_bytes:
            return self._known_header(key, summary)
        if info.size_bytes < SEGMENT_HEADER_BYTES:
            return None
        file = self._directory.open(info.name)
        try:
            header = parse_segment_header(file.read(0, SEGMENT_HEADER_BYTES))
            if (header.topic_id, header.partition) != (self._topic_id, self._partition):
                raise StrayLog(header.topic_id)
            if header.base_offset == key.base_offset:
                return header
            reason = f"base offset {header.base_offset}"
        except ValueError as fault:
            reason = str(fault)
        finally:
            file.close()
        if self._refuses_damage and self._has_sound_start(info):
            raise DamagedLog(f"{info.name}: {reason}")
        if self._is_unsynced(key, 0):
            return None
        if self._stored_point is None and is_last and not self._has_sound_start(info):
            return None
        _log.error("%s/%s: segment header damaged, rebuilt: %s", self._name, info.name, reason)
        if summary is not None:
            return self._known_header(key, summary)
        self._found.must_roll = is_last
        return SegmentHeader(
            self._topic_id, self._partition, key.base_offset, self._found.end_index, created_ms=0
        )

    def _has_sound_start(self, info: FileInfo) -> bool:
        file = self._directory.open(info.name)
        try:
            return sound_frame(file, SEGMENT_HEADER_BYTES, info.size_bytes) is not None
        finally:
            file.close()

    def _known_header(self, key: SegmentKey, summary: Summary) -> SegmentHeader:
        return SegmentHeader(
            self._topic_id,
            self._partition,
            key.base_offset,
            summary.first_index,
            summary.created_ms,
            summary.is_compacted,
            summary.end.offset - key.base_offset,
            summary.end.index - summary.first_index,
        )

    def _scan(self, segment: Segment, size_bytes: int, *, is_last: bool) -> None:
        """Read a segment from where it is known, verifying every frame."""
        while segment.end.size_bytes < size_bytes:
            position = segment.end.size_bytes
            try:
                for frame in walk(segment.file, position, size_bytes, verify=True):
                    self._take(segment, frame)
            except FrameFault as fault:
                is_tail = self._is_tail(segment, fault.position, is_last=is_last)
                if self._refuses_damage and not (
                    is_tail and is_last_of(segment, size_bytes, fault.position)
                ):
                    raise DamagedLog(f"segment {segment.base_offset}: {fault}") from fault
                if is_tail:
                    self._cut(segment, size_bytes, fault)
                    return
                if not self._skip(segment, size_bytes, fault):
                    return
        if segment.key == self._point.key:
            self._check_length(segment, size_bytes)

    def _take(self, segment: Segment, frame: Frame) -> None:
        expected = segment.end.offset
        is_next = frame.base_offset == expected
        if segment.is_compacted:
            is_next = frame.base_offset >= expected
        if not is_next or not self._may_be_of(frame.term, segment):
            raise FrameFault(
                frame.position,
                f"offset {frame.base_offset} of term {frame.term} where {expected} was due",
                frame.size_bytes,
            )
        if segment.end.index > self._last_assigned_index():
            self.epochs.assign(frame.term, segment.end.index, frame.base_offset)
        if frame.type is EntryType.LOG_START and len(frame.buf) >= 8:
            seen = int.from_bytes(frame.buf[-8:], "big", signed=True)
            self._found.log_start_seen = max(self._found.log_start_seen, seen)
        if frame.type is EntryType.DATA and producer_id_of(frame.buf) >= 0:
            segment.has_producers = True
        segment.note(frame, index_interval_bytes=self._interval)

    def _may_be_of(self, term: int, segment: Segment) -> bool:
        """Whether the next entry of a segment may have a term, which no checksum covers. Up to the
        recovery point terms are known; after it they do not fall."""
        index = segment.end.index
        known = self.epochs.term_at(index)
        if known is None:
            return term >= -1
        is_exact = index < self._point.index and not segment.is_compacted
        return term == known if is_exact else term >= known

    def _last_assigned_index(self) -> int:
        starts = self.epochs.starts()
        return starts[-1].start_index if starts else 0

    # --- faults ---------------------------------------------------------------------------------

    def _is_unsynced(self, key: SegmentKey, position: int) -> bool:
        """Does a place lie at or after the recovery point? False when none is known."""
        point = self._stored_point
        return point is not None and (key, position) >= (point.key, point.position)

    def _was_never_synced(self, key: SegmentKey, position: int) -> bool:
        """Of a place before the last segment: with a second segment there is a stored point."""
        return self._stored_point is not None and self._is_unsynced(key, position)

    def _is_tail(self, segment: Segment, position: int, *, is_last: bool) -> bool:
        if self._stored_point is None:
            # Nothing is known about syncs. The end of the last segment is where a crash tears.
            return is_last
        return self._is_unsynced(segment.key, position)

    def _cut(self, segment: Segment, size_bytes: int, fault: FrameFault) -> None:
        cut_bytes = size_bytes - segment.end.size_bytes
        _log.warning(
            "%s: unsynced tail of %d bytes cut off segment %d at offset %d: %s",
            self._name,
            cut_bytes,
            segment.base_offset,
            segment.end.offset,
            fault,
        )
        self._found.cut_bytes += cut_bytes
        segment.file.truncate(segment.end.size_bytes)

    def _skip(self, segment: Segment, size_bytes: int, fault: FrameFault) -> bool:
        """Quarantine a damaged place; True when sound frames follow it in the segment."""
        start_offset = segment.end.offset
        for position, index in self._places_after(segment, size_bytes, fault):
            frame = sound_frame(segment.file, position, size_bytes)
            if frame is not None and frame.base_offset >= start_offset:
                if frame.base_offset > start_offset:
                    self._lost(
                        start_offset, frame.base_offset, ErrorCode.CORRUPT_MESSAGE, str(fault)
                    )
                else:
                    _log.error(
                        "%s: the entry without offsets at index %d is damaged: %s",
                        self._name,
                        segment.end.index,
                        fault,
                    )
                segment.skip_to(position, frame.base_offset, index)
                return True
        point = self._point
        if segment.key == point.key and point.position <= size_bytes:
            # All that follows the damage up to the recovery point is gone; the rest may be sound.
            self._lost(start_offset, point.offset, ErrorCode.CORRUPT_MESSAGE, str(fault))
            segment.skip_to(point.position, point.offset, point.index)
            self._found.must_roll = point.position == size_bytes
            return True
        self._close_off(segment, size_bytes, fault)
        return False

    def _places_after(
        self, segment: Segment, size_bytes: int, fault: FrameFault
    ) -> Iterator[tuple[int, int]]:
        """Where a frame may start behind a fault, with its index: (position, index)."""
        if fault.size_bytes and fault.position + fault.size_bytes < size_bytes:
            yield fault.position + fault.size_bytes, segment.end.index + 1
        stored = self._state.index(segment.key) or SparseIndex()
        for position, ordinal in zip(stored.positions, stored.ordinals, strict=True):
            if position > fault.position:
                yield position, segment.first_index + ordinal
        point = self._point
        if segment.key == point.key and fault.position < point.position:
            yield point.position, point.index

    def _close_off(self, segment: Segment, size_bytes: int, fault: FrameFault) -> None:
        """Nothing sound follows in the segment: the rest of its offsets is lost."""
        summary = self._summaries.get(segment.key)
        end_offset, end_index = segment.end.offset, segment.end.index
        if summary is not None and summary.end.offset > end_offset:
            end_offset, end_index = summary.end.offset, summary.end.index
            self._lost(segment.end.offset, end_offset, ErrorCode.CORRUPT_MESSAGE, str(fault))
        # Without a summary the base of the next segment will tell how much is lost.
        segment.skip_to(size_bytes, end_offset, end_index)
        self._found.must_roll = True

    def _check_length(self, segment: Segment, size_bytes: int) -> None:
        """A file that ends before the recovery point has lost what was synced."""
        point = self._point
        if segment.end.offset < point.offset and size_bytes < point.position:
            self._lost(
                segment.end.offset, point.offset, ErrorCode.CORRUPT_MESSAGE, "the file is too short"
            )
            segment.end = SegmentEnd(size_bytes, Offset(point.offset), LogIndex(point.index))
            self._found.must_roll = True

    def _reach_recovery_point(self) -> None:
        """The log never goes on below what was synced, though files may be gone."""
        found, point = self._found, self._point
        if found.end_offset < point.offset:
            start = max(found.end_offset, self._log_start) if found.segments else self._log_start
            if start < point.offset:
                self._lost(start, point.offset, ErrorCode.KAFKA_STORAGE_ERROR, "files missing")
            found.end_offset = point.offset
            found.must_roll = True
        if self._refuses_damage and found.end_index < point.index:
            raise DamagedLog(f"entries {found.end_index} to {point.index - 1} are missing")
        found.end_index = max(found.end_index, point.index)

    def _lost(self, start_offset: int, end_offset: int, code: ErrorCode, why: str) -> None:
        start_offset = max(start_offset, self._log_start)
        if start_offset >= end_offset:
            return
        if self._refuses_damage:
            raise DamagedLog(f"offsets {start_offset} to {end_offset - 1}: {why}")
        known = self._state.marks()
        damage = Damage(start_offset, end_offset, code)
        if known is not None and damage in known.damage:
            return
        _log.error(
            "%s: offsets %d to %d were on disk and are damaged (%s); they are answered with %s,"
            " everything else is served. Restore the files, or move on with DeleteRecords.",
            self._name,
            start_offset,
            end_offset - 1,
            why,
            code.name,
        )
        self._found.damage.append(damage)
