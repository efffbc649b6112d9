"""What can be computed from a segment's frames again: its index, the producers, single entries."""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections.abc import Iterator
from itertools import islice
from operator import attrgetter
from typing import TYPE_CHECKING

from sprawl.core.errors import KafkaFault
from sprawl.core.ids import LogIndex, Offset
from sprawl.core.log.frames import Entry, EntryType, FrameFault, misplaced, parse_frame, walk
from sprawl.core.log.index import SparseIndex
from sprawl.core.log.reading import DamagedSegment
from sprawl.core.log.segment import SEGMENT_HEADER_BYTES, Segment, SegmentEnd
from sprawl.core.records.batch import parse_header
from sprawl.core.records.producers import ProducerTable

if TYPE_CHECKING:
    from sprawl.core.log.readable import ReadableLog

_log = logging.getLogger(__name__)
_first_index = attrgetter("first_index")


def fits(index: SparseIndex, segment: Segment) -> bool:
    """Whether a stored index can be the segment's."""
    return not index or index.positions[-1] < segment.end.size_bytes


def rebuild_index(segment: Segment, index_interval_bytes: int) -> SparseIndex:
    """The sparse index of a sealed segment, from its frames.

    Raises:
        KafkaFault: CORRUPT_MESSAGE.
        OSError: the file cannot be read.
    """
    scratch = Segment(
        segment.file, segment.key, first_index=segment.first_index, created_ms=segment.created_ms
    )
    end = segment.end.size_bytes
    while (position := scratch.end.size_bytes) < end:
        try:
            for frame in walk(segment.file, position, end):
                scratch.note(frame, index_interval_bytes=index_interval_bytes)
        except FrameFault as fault:
            sound = segment.past_gap(fault.position)
            if sound == fault.position:
                raise DamagedSegment(segment, fault) from fault
            scratch.skip_to(sound, _offset_at(segment, sound), scratch.end.index)
    assert scratch.index is not None
    return scratch.index


def _offset_at(segment: Segment, position: int) -> Offset:
    """The offset that the log goes on with at a position behind a gap."""
    try:
        for frame in walk(segment.file, position, segment.end.size_bytes):
            return frame.base_offset
    except FrameFault as fault:
        raise DamagedSegment(segment, fault) from fault
    return segment.end.offset


def rebuild_producers(log: ReadableLog, now_ms: int) -> bool:
    """Load the producer table that was stored last and replay what was appended since.

    A table from before the first segment is not used: what it lacks may have been deleted, and to a
    producer that is known by an older batch its next one would be out of order.

    Returns:
        Whether anything was replayed.
    """
    end_offset = log.log_end_offset
    offset, log.producers = log.state.producers(end_offset)
    if offset < log.segments[0].base_offset:
        offset, log.producers = -1, ProducerTable()
    newer = [each for each in log.segments if each.has_producers and each.end.offset > offset]
    for segment in newer:
        _replay(log, segment, offset, now_ms)
    return bool(newer)


def _replay(log: ReadableLog, segment: Segment, offset: int, now_ms: int) -> None:
    index = log.load_index(segment, may_block=True)
    assert index is not None
    at = index.before_offset(offset - segment.base_offset)
    position = index.positions[at] if at >= 0 else SEGMENT_HEADER_BYTES
    try:
        for start, end in segment.runs(position, segment.end.size_bytes):
            for frame in walk(segment.file, start, end):
                if frame.base_offset >= offset:
                    log.producers.replay(frame.buf, 0, parse_header(frame.buf), now_ms)
    except (FrameFault, KafkaFault) as fault:
        log.suspected(segment)
        _log.error(
            "%s: producer state cannot be read on in segment %d: %s",
            log.tp,
            segment.base_offset,
            fault,
        )


def find_entries(
    log: ReadableLog, lo: int, hi: int, max_bytes: int, *, verify: bool = False
) -> list[Entry]:
    """See ReadableLog.entries.

    Raises:
        ValueError, KafkaFault: as there.
        OSError: the file cannot be read.
    """
    if not log.first_index <= lo <= log.last_index:
        raise ValueError(f"entry {lo} is not in [{log.first_index}, {log.last_index}]")
    segments = log.segments
    found: list[Entry] = []
    left = max_bytes
    for segment in segments[bisect_right(segments, lo, key=_first_index) - 1 :]:
        if segment.is_compacted:
            if found:
                break
            raise ValueError(f"entry {lo} is in a compacted segment")
        try:
            for entry in _entries_from(log, segment, lo, verify=verify):
                if entry.index >= hi or (found and len(entry.frame) > left):
                    return found
                found.append(entry)
                left -= len(entry.frame)
        except FrameFault as fault:
            if found:
                break
            raise DamagedSegment(segment, fault) from fault
    return found


def _entries_from(log: ReadableLog, segment: Segment, lo: int, *, verify: bool) -> Iterator[Entry]:
    """The entries of a segment, each where it belongs: neither its offset nor its term is covered
    by the checksum of a batch."""
    index = log.load_index(segment, may_block=True)
    assert index is not None
    at = index.before_ordinal(lo - segment.first_index)
    number = segment.first_index + (index.ordinals[at] if at >= 0 else 0)
    position = index.positions[at] if at >= 0 else SEGMENT_HEADER_BYTES
    offset = segment.base_offset + (index.offsets[at] if at >= 0 else 0)
    term, term_end = log.epochs.reach(number)
    for frame in walk(segment.file, position, segment.end.size_bytes):
        if number >= term_end:
            term, term_end = log.epochs.reach(number)
        if frame.base_offset != offset or (frame.term != term and term is not None):
            raise misplaced(frame, offset, term)
        offset = frame.end_offset
        if number >= lo:
            if verify or frame.type is not EntryType.DATA:
                # Batches are verified by who appends them. A peer that got such an entry damaged
                # would take the whole frame, and all groups in it, for nonsense.
                parse_frame(frame.buf, frame.position, verify=True)
            yield Entry(LogIndex(number), frame.term, frame.type, frame.buf)
        number += 1


def end_offset_of(log: ReadableLog, index: int) -> Offset:
    """See ReadableLog.end_offset_of.

    Raises:
        ValueError, KafkaFault: as there.
        OSError: the file cannot be read.
    """
    if not log.first_index - 1 <= index <= log.last_index:
        raise ValueError(f"entry {index} is not in [{log.first_index - 1}, {log.last_index}]")
    segments = log.segments
    segment = segments[max(bisect_right(segments, index, key=_first_index) - 1, 0)]
    if index == segment.end.index - 1:
        return segment.end.offset
    if index < segment.first_index:
        return Offset(segment.base_offset)
    if segment.is_compacted:
        raise ValueError(f"entry {index} is in a compacted segment")
    sparse = log.load_index(segment, may_block=True)
    assert sparse is not None
    at = sparse.before_ordinal(index - segment.first_index)
    number = segment.first_index + (sparse.ordinals[at] if at >= 0 else 0)
    position = sparse.positions[at] if at >= 0 else SEGMENT_HEADER_BYTES
    try:
        for frame in walk(segment.file, position, segment.end.size_bytes, verify=True):
            if number == index:
                return frame.end_offset
            number += 1
    except FrameFault as fault:
        raise DamagedSegment(segment, fault) from fault
    raise ValueError(f"entry {index} is not in the log")


def end_before(log: ReadableLog, segment: Segment, index: int) -> tuple[SegmentEnd, int]:
    """Where a segment that was not compacted ends without the entry at `index`, and the largest
    timestamp before it.

    Raises:
        ValueError: the entry is not in it, or it was compacted.
        KafkaFault: CORRUPT_MESSAGE.
        OSError: the file cannot be read.
    """
    if segment.is_compacted:
        raise ValueError(f"entry {index} is in a compacted segment")
    sparse = log.load_index(segment, may_block=True)
    assert sparse is not None
    at = sparse.before_ordinal(index - segment.first_index)
    end = SegmentEnd(SEGMENT_HEADER_BYTES, segment.base_offset, segment.first_index)
    max_timestamp = -1
    if at >= 0:
        end = SegmentEnd(
            sparse.positions[at],
            Offset(segment.base_offset + sparse.offsets[at]),
            LogIndex(segment.first_index + sparse.ordinals[at]),
        )
        max_timestamp = sparse.timestamps[at]
    frames = walk(segment.file, end.size_bytes, segment.end.size_bytes, verify=True)
    try:
        for frame in islice(frames, index - end.index):
            max_timestamp = max(max_timestamp, frame.max_timestamp)
            end = SegmentEnd(
                frame.position + frame.size_bytes, frame.end_offset, LogIndex(end.index + 1)
            )
    except FrameFault as fault:
        raise DamagedSegment(segment, fault) from fault
    if end.index != index:
        raise ValueError(f"entry {index} is not in the segment")
    return end, max_timestamp


def index_of_offset(log: ReadableLog, offset: int) -> LogIndex:
    """See ReadableLog.index_of_offset.

    Raises:
        ValueError, KafkaFault: as there.
        OSError: the file cannot be read.
    """
    if not log.segments[0].base_offset <= offset < log.log_end_offset:
        raise ValueError(f"offset {offset} is not in the log")
    segment = next(each for each in log.segments if offset < each.end.offset)
    if segment.is_compacted:
        raise ValueError(f"offset {offset} is in a compacted segment")
    index = log.load_index(segment, may_block=True)
    assert index is not None
    at = index.before_offset(offset - segment.base_offset)
    number = segment.first_index + (index.ordinals[at] if at >= 0 else 0)
    position = index.positions[at] if at >= 0 else SEGMENT_HEADER_BYTES
    try:
        for frame in walk(segment.file, position, segment.end.size_bytes, verify=True):
            if frame.type is EntryType.DATA and frame.end_offset > offset:
                return LogIndex(number)
            number += 1
    except FrameFault as fault:
        raise DamagedSegment(segment, fault) from fault
    raise ValueError(f"offset {offset} is not in the log")
