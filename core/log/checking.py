"""Is a segment still what it was when it was written? For a log that is in use.

A read that fails, or that another replica refuses, is a suspicion only: the file may have been cut,
compacted or removed meanwhile, or was read wrong once. The segment is read through again here, and
every frame has to be sound and in its place: neither offset nor term is covered by the checksum of
a batch. Runs in any thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sprawl.core.errors import ErrorCode
from sprawl.core.log.frames import EntryType, FrameFault, misplaced, walk
from sprawl.core.log.segment import SEGMENT_HEADER_BYTES, parse_segment_header
from sprawl.core.log.state import Damage

if TYPE_CHECKING:
    from sprawl.core.log.frames import Frame
    from sprawl.core.log.readable import ReadableLog
    from sprawl.core.log.segment import Segment


class FoundDamage(Exception):
    """A log is not what it was.

    Args:
        damage: from the first offset that cannot be relied on to the end of its segment.
    """

    def __init__(self, segment: Segment, damage: Damage, reason: str) -> None:
        super().__init__(f"{segment.file.name}: {reason}")
        self.damage = damage


def check_log(log: ReadableLog, segment: Segment | None) -> None:
    """Read a segment through, or all of them.

    Raises:
        FoundDamage: it is not what it was.
        OSError: the disk cannot be read.
    """
    for each in log.segments if segment is None else (segment,):
        check_segment(log, each)


def check_segment(log: ReadableLog, segment: Segment) -> None:
    """Read one segment of a log through. It may leave the log meanwhile, and be cut.

    Raises:
        As `check_log`.
    """
    truncations, end = log.truncations, segment.end
    offset = segment.base_offset
    try:
        parse_segment_header(segment.file.read(0, SEGMENT_HEADER_BYTES))
        index = segment.first_index
        for frame in walk(segment.file, SEGMENT_HEADER_BYTES, end.size_bytes, verify=True):
            _check_place(log, segment, frame, index=index, offset=offset)
            offset = frame.end_offset
            index = type(index)(index + 1)
    except (FrameFault, ValueError, OSError) as fault:
        with log.lock:
            if log.is_closed or truncations != log.truncations or segment not in log.segments:
                return
        if isinstance(fault, OSError):
            raise
        damage = Damage(offset, max(offset, end.offset), ErrorCode.CORRUPT_MESSAGE)
        raise FoundDamage(segment, damage, str(fault)) from fault


def _check_place(
    log: ReadableLog, segment: Segment, frame: Frame, *, index: int, offset: int
) -> None:
    """Raises: FrameFault: this is not the frame that belongs there."""
    if not segment.is_compacted:
        term = log.epochs.term_at(index)
        if frame.base_offset != offset or (frame.term != term and term is not None):
            raise misplaced(frame, offset, term)
        return
    # Where entries were taken out, an index cannot be counted.
    if not offset <= frame.base_offset <= segment.end.offset:
        raise misplaced(frame, offset, None)
    if frame.type is EntryType.DATA:
        term = log.epochs.epoch_of_offset(frame.base_offset)
        if frame.term != term and term is not None:
            raise misplaced(frame, offset, term)
