"""Is a segment still what it was when it was written? For a log that is in use.

A read that fails, or that another replica refuses, is a suspicion only: the file may have been cut,
compacted or removed meanwhile, or was read wrong once. The segment is read through again here, and
every frame has to be sound and in its place: neither offset nor term is covered by the checksum of
a batch. Runs in any thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sprawl.core.errors import ErrorCode
from sprawl.core.log.frames import EntryType, FrameFault, misplaced, walk
from sprawl.core.log.segment import SEGMENT_HEADER_BYTES, parse_segment_header
from sprawl.core.log.state import Damage

if TYPE_CHECKING:
    from sprawl.core.log.frames import Frame
    from sprawl.core.log.partition_log import PartitionLog
    from sprawl.core.log.readable import ReadableLog
    from sprawl.core.log.segment import Segment

_STEP_BYTES: Final = 1_048_576


class FoundDamage(Exception):
    """A log is not what it was.

    Args:
        damage: from the first offset that cannot be relied on to the end of its segment.
    """

    def __init__(self, segment: Segment, damage: Damage, reason: str) -> None:
        super().__init__(f"{segment.file.name}: {reason}")
        self.damage = damage


def check_log(log: ReadableLog, segment: Segment | None) -> None:
    """Read a segment through, or all of them. What was refuted needs no second look.

    Raises:
        FoundDamage: it is not what it was.
        OSError: the disk cannot be read.
    """
    if log.refuted_index is not None:
        first, end_offset = log.segments[0], log.log_end_offset
        raise FoundDamage(
            first,
            Damage(first.base_offset, end_offset, ErrorCode.CORRUPT_MESSAGE),
            f"its group committed another entry at index {log.refuted_index}",
        )
    for each in log.segments if segment is None else (segment,):
        check = SegmentCheck(log, each)
        while not check.is_done:
            check.step(_STEP_BYTES)


def note_damage(log: PartitionLog, found: FoundDamage) -> None:
    """Have a log's next open refuse it, and close it for good.

    Raises:
        OSError: it could not be noted; the log is open.
    """
    with log.lock:
        if log.is_closed:
            return  # its topic was deleted meanwhile
        marks = log.marks._replace(damage=(*log.marks.damage, found.damage))
        log.state.write([log.state.put_marks(marks)], sync=True)
        log.marks = marks
        log.close(clean=False)


class SegmentCheck:
    """Reads one segment of a log through, in steps. It may leave the log meanwhile, and be cut:
    then nothing is said of it."""

    def __init__(self, log: ReadableLog, segment: Segment) -> None:
        self._log = log
        self._segment = segment
        with log.lock:
            self._truncations = log.truncations
            self._end = segment.end
        self._position = 0
        self._index: int = segment.first_index
        self._offset: int = segment.base_offset

    @property
    def is_done(self) -> bool:
        return self._position >= self._end.size_bytes

    def step(self, size_bytes: int) -> None:
        """Read on, about so much.

        Raises:
            As `check_log`.
        """
        try:
            if self._position == 0:
                parse_segment_header(self._segment.file.read(0, SEGMENT_HEADER_BYTES))
                self._position = SEGMENT_HEADER_BYTES
            self._walk(self._position + size_bytes, size_bytes)
        except (FrameFault, ValueError, OSError) as fault:
            log, segment = self._log, self._segment
            self._position = self._end.size_bytes
            with log.lock:
                is_cut = self._truncations != log.truncations
                if log.is_closed or is_cut or segment not in log.segments:
                    return
            if isinstance(fault, OSError):
                raise
            end_offset = max(self._offset, self._end.offset)
            damage = Damage(self._offset, end_offset, ErrorCode.CORRUPT_MESSAGE)
            raise FoundDamage(segment, damage, str(fault)) from fault

    def _walk(self, up_to: int, chunk_bytes: int) -> None:
        end = self._end.size_bytes
        frames = walk(self._segment.file, self._position, end, verify=True, chunk_bytes=chunk_bytes)
        for frame in frames:
            self._check_place(frame)
            self._offset = frame.end_offset
            self._index += 1
            self._position = frame.position + frame.size_bytes
            if self._position >= up_to:
                return

    def _check_place(self, frame: Frame) -> None:
        """Raises: FrameFault: this is not the frame that belongs there."""
        epochs, offset = self._log.epochs, self._offset
        if not self._segment.is_compacted:
            term = epochs.term_at(self._index)
            if frame.base_offset != offset or (frame.term != term and term is not None):
                raise misplaced(frame, offset, term)
            return
        # Where entries were taken out, an index cannot be counted.
        if not offset <= frame.base_offset <= self._end.offset:
            raise misplaced(frame, offset, None)
        if frame.type is EntryType.DATA:
            term = epochs.epoch_of_offset(frame.base_offset)
            if frame.term != term and term is not None:
                raise misplaced(frame, offset, term)
