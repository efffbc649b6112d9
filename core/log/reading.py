"""Reading records out of a log's segments: by offset, by time.

A read is one or two look-ups in the sparse index and one read of the file. It ends where the index
has an entry, so that the next read of the same consumer starts there without a search; batches are
walked over only between two entries.

Source: KIP-74 (the first batch is returned even when it is too large), KIP-79, KIP-734.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from typing import Final, NamedTuple

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.ids import Offset
from sprawl.core.log.frames import Frame, FrameFault, frame_size, parse_frame, walk
from sprawl.core.log.index import SparseIndex
from sprawl.core.log.segment import SEGMENT_HEADER_BYTES, Segment
from sprawl.core.records.batch import HEADER_BYTES, LENGTH_END, MAGIC
from sprawl.core.records.timestamps import TimedOffset, first_at_or_after, max_timestamp
from sprawl.core.storage.port import Buffer, SegmentFile

Fetch = Callable[[int, int], Sequence[Buffer] | None]
LoadIndex = Callable[[Segment, bool], SparseIndex | None]

_HEAD: Final = struct.Struct(">qiibIhi")
"""Of a batch: base offset, length, epoch, magic, checksum, attributes, last offset delta."""
_LOOK_BYTES: Final = 8_192
_TIME_CHUNK_BYTES: Final = 65_536
_base_offset = attrgetter("base_offset")


class LogRead(NamedTuple):
    """Whole batches in order, as the buffers they are kept in.

    Args:
        buffers: to be sent one after the other; empty when there is nothing to read.
        next_offset: where the next read goes on.
    """

    buffers: list[Buffer]
    next_offset: Offset


def _fetch_blocking(file: SegmentFile) -> Fetch:
    return lambda position, size_bytes: (file.read(position, size_bytes),)


class _Cold(Exception):
    """The bytes are not in memory."""


class _Place(NamedTuple):
    """Where a batch starts."""

    position: int
    base_offset: int


Holes = Sequence[tuple[int, int]]
"""Ranges [start, end) of offsets that are known to be missing, in order."""


class _Source(NamedTuple):
    """What a segment is read by."""

    segment: Segment
    index: SparseIndex  # type: ignore[assignment]  # hides tuple.index, unused
    fetch: Fetch
    holes: Holes

    def may_miss(self, start: int, end: int) -> bool:
        """Whether offsets [start, end) may be missing."""
        for hole_start, hole_end in self.holes:
            if hole_start <= start < hole_end:
                start = hole_end
        return start >= end or self.segment.is_compacted


def find_segment(segments: Sequence[Segment], offset: int) -> int:
    """Number of the last segment that starts at or below an offset; -1 when there is none."""
    return bisect_right(segments, offset, key=_base_offset) - 1


def read_log(
    segments: Sequence[Segment],
    offset: int,
    max_bytes: int,
    *,
    up_to_offset: int,
    min_one: bool,
    load_index: LoadIndex,
    may_block: bool,
    holes: Holes,
) -> LogRead | None:
    """Read from the batch that holds `offset`, or the next one behind a hole.

    Args:
        max_bytes: bound of the total, but see `min_one`.
        up_to_offset: batches that reach beyond it are not read.
        min_one: return the first batch even when it is larger.
        holes: besides those that a compaction leaves.

    Returns:
        As much as is in memory; None when not even the first batch is and `may_block` is False.

    Raises:
        OSError: the disk cannot be read.
        KafkaFault: CORRUPT_MESSAGE: what stands there is no batch, or not the one that belongs
            there.
    """
    buffers: list[Buffer] = []
    for segment in segments[max(find_segment(segments, offset), 0) :]:
        if segment.base_offset >= up_to_offset or max_bytes <= 0:
            break
        if segment.end.offset <= offset:
            continue
        index = load_index(segment, may_block)
        fetch: Fetch = _fetch_blocking(segment.file) if may_block else segment.file.try_read
        try:
            if index is None:
                raise _Cold
            source = _Source(segment, index, fetch, holes)
            read = _read_segment(source, offset, max_bytes, up_to_offset, min_one=min_one)
        except _Cold:
            return LogRead(buffers, Offset(offset)) if buffers else None
        except FrameFault as fault:
            raise DamagedSegment(segment, fault) from fault
        if read is None:
            break
        offset = max(offset, read.next_offset)
        buffers += read.buffers
        if offset < min(segment.end.offset, up_to_offset):
            break
        max_bytes -= sum(map(len, read.buffers))
        min_one = min_one and not buffers
    return LogRead(buffers, Offset(offset))


class DamagedSegment(KafkaFault):
    """Bytes that were sound once cannot be read: CORRUPT_MESSAGE."""

    def __init__(self, segment: Segment, fault: FrameFault) -> None:
        super().__init__(
            ErrorCode.CORRUPT_MESSAGE, f"Segment {segment.file.name} is damaged: {fault}"
        )
        self.segment = segment


def _read_segment(
    source: _Source, offset: int, max_bytes: int, up_to_offset: int, *, min_one: bool
) -> LogRead | None:
    """One segment's part; None when the first batch is larger than `max_bytes` allow."""
    segment = source.segment
    end = stop = _Place(segment.end.size_bytes, segment.end.offset)
    if up_to_offset < end.base_offset:
        found = _locate(source, up_to_offset, end)
        stop = _Place(found.position, min(found.base_offset, up_to_offset))
    start = _locate(source, offset, stop)
    start = _Place(segment.past_gap(start.position), start.base_offset)
    if start.position >= stop.position:
        if stop.base_offset < min(up_to_offset, end.base_offset):
            _check_whole(source, stop.position, end.position)
        return LogRead([], Offset(stop.base_offset))
    if stop.position - start.position > max_bytes:
        shorter = _stop_within(source, start, stop, max_bytes, min_one=min_one)
        if shorter is None:
            return None
        stop = shorter
    buffers: list[Buffer] = []
    for run_start, run_end in segment.runs(start.position, stop.position):
        got = source.fetch(run_start, run_end - run_start) or ()
        if not buffers:
            _check_first(source, got, start, stop)
        if sum(map(len, got)) < run_end - run_start:
            return _partial(source, buffers, got, run_start)
        buffers += got
    return LogRead(buffers, Offset(stop.base_offset))


def _partial(
    source: _Source, buffers: list[Buffer], got: Sequence[Buffer], run_start: int
) -> LogRead:
    """Only a part was in memory: keep the whole batches of it."""
    index = source.index
    at = index.before_position(run_start + sum(map(len, got)))
    if at < 0 or index.positions[at] <= run_start:
        raise _Cold
    left = index.positions[at] - run_start
    for buf in got:
        buffers.append(memoryview(buf)[:left])
        left -= len(buffers[-1])
        if left <= 0:
            break
    return LogRead(buffers, Offset(source.segment.base_offset + index.offsets[at]))


def _locate(source: _Source, offset: int, stop: _Place) -> _Place:
    """The first batch before `stop` that ends above `offset`; `stop` when there is none."""
    segment, index = source.segment, source.index
    at = index.before_offset(offset - segment.base_offset)
    known = _Place(SEGMENT_HEADER_BYTES, segment.base_offset)
    if at >= 0:
        known = _Place(index.positions[at], segment.base_offset + index.offsets[at])
    if offset <= known.base_offset:
        return known
    for position, _, base_offset, end_offset in _batches(source, known, stop):
        if end_offset > offset:
            return _Place(position, base_offset)
    return stop


def _stop_within(
    source: _Source, start: _Place, end: _Place, max_bytes: int, *, min_one: bool
) -> _Place | None:
    """Where a read of at most `max_bytes` ends; None when that is less than one batch."""
    index = source.index
    limit = start.position + max_bytes
    at = index.before_position(limit)
    if at >= 0 and index.positions[at] > start.position:
        return _Place(index.positions[at], source.segment.base_offset + index.offsets[at])
    stop: _Place | None = None
    for position, size, _, end_offset in _batches(source, start, end):
        if position + size > limit and not (stop is None and min_one):
            break
        stop = _Place(position + size, end_offset)
    return stop


# --- what headers say ----------------------------------------------------------------------------
#
# A bit of a header that flipped must not hide records: a batch that seems to be shorter, longer or
# to begin or end elsewhere than what stands around it lets be true is damage. What it says else is
# left to the checksum, which who reads the records checks.


def _batches(source: _Source, start: _Place, stop: _Place) -> Iterator[tuple[int, int, int, int]]:
    """(position, size, base offset, end offset) of the batches in [start, stop), by headers.

    Raises:
        FrameFault: they are not what stood there.
    """
    segment, fetch = source.segment, source.fetch
    position, due = start
    chunk: Buffer = b""
    chunk_start = position
    while (position := segment.past_gap(position)) < stop.position:
        at = position - chunk_start
        if at + HEADER_BYTES > len(chunk):
            # A batch has at least a header; what is asked for beyond that only saves calls.
            got = fetch(position, min(_LOOK_BYTES, stop.position - position))
            if not got:
                raise _Cold
            chunk, chunk_start, at = got[0], position, 0
            if len(chunk) < HEADER_BYTES:
                chunk = b"".join(got)
            if len(chunk) < HEADER_BYTES:
                raise _Cold
        size, base_offset, due = _check_place(
            source, _HEAD.unpack_from(chunk, at), position, due, stop
        )
        yield position, size, base_offset, due
        position += size
    if not source.may_miss(due, stop.base_offset):
        raise FrameFault(position, f"offset {due} where {stop.base_offset} belongs")


def _check_place(
    source: _Source, head: tuple[int, ...], position: int, due: int, stop: _Place
) -> tuple[int, int, int]:
    """Size, base offset and end offset of the batch at `position`.

    Args:
        head: see `_HEAD`.
        due: the offset that it begins at, or later where some are missing.

    Raises:
        FrameFault: that cannot be.
    """
    base, length, _, magic, _, _, last_delta = head
    size, end = LENGTH_END + length, base + last_delta + 1
    if (
        (base != due and (base < due or not source.may_miss(due, base)))
        or not base < end <= stop.base_offset
        or not HEADER_BYTES <= size <= stop.position - position
        or magic != MAGIC
    ):
        found = f"offsets {base} to {end - 1} in {size} bytes (magic {magic})"
        raise FrameFault(position, f"{found} where {due} belongs")
    return size, base, end


def _check_first(source: _Source, got: Sequence[Buffer], start: _Place, stop: _Place) -> None:
    """Of a batch that seems to go on behind the end a consumer would wait for the rest."""
    if got:
        head = got[0] if len(got[0]) >= HEADER_BYTES else b"".join(got)
        if len(head) >= HEADER_BYTES:
            _check_place(source, _HEAD.unpack_from(head), *start, stop)


def _check_whole(source: _Source, position: int, end: int) -> None:
    """Of a batch that is left out since it reaches too far: whether that is so."""
    head = b"".join(source.fetch(position, HEADER_BYTES) or ())
    if len(head) < HEADER_BYTES:
        raise _Cold
    size = min(frame_size(head, 0, position), end - position)
    batch = b"".join(source.fetch(position, size) or ())
    if len(batch) < size:
        raise _Cold
    parse_frame(memoryview(batch), position, verify=True)


# --- by time -------------------------------------------------------------------------------------


def find_timestamp(
    segments: Sequence[Segment],
    timestamp_ms: int,
    *,
    start_offset: int,
    end_offset: int,
    load_index: LoadIndex,
) -> TimedOffset | None:
    """The first record of [start_offset, end_offset) with a timestamp of at least this.

    Raises:
        OSError: the disk cannot be read.
        KafkaFault: CORRUPT_MESSAGE, and as records.timestamps.
    """
    for segment in _overlapping(segments, start_offset, end_offset):
        if segment.max_timestamp < timestamp_ms:
            continue
        position = _reached_after(segment, timestamp_ms, start_offset, load_index)
        for batch in _batches_from(segment, position, end_offset):
            if batch.max_timestamp >= timestamp_ms:
                found = first_at_or_after(
                    batch.buf, timestamp_ms, start_offset=start_offset, end_offset=end_offset
                )
                if found is not None:
                    return found
    return None


def find_max_timestamp(
    segments: Sequence[Segment], *, start_offset: int, end_offset: int, load_index: LoadIndex
) -> TimedOffset | None:
    """The record of [start_offset, end_offset) with the largest timestamp, the first of several.

    Raises:
        As `find_timestamp`.
    """
    best: TimedOffset | None = None
    for segment in _overlapping(segments, start_offset, end_offset):
        if best is not None and segment.max_timestamp <= best.timestamp_ms:
            continue
        largest_ms = _largest_within(segment, start_offset, end_offset, load_index)
        if largest_ms < 0 or (best is not None and largest_ms <= best.timestamp_ms):
            continue
        position = _reached_after(segment, largest_ms, start_offset, load_index)
        for batch in _batches_from(segment, position, end_offset):
            if best is None or batch.max_timestamp > best.timestamp_ms:
                found = max_timestamp(batch.buf, start_offset=start_offset, end_offset=end_offset)
                if found is not None and (best is None or found.timestamp_ms > best.timestamp_ms):
                    best = found
            if best is not None and best.timestamp_ms >= largest_ms:
                break
    return best


def _overlapping(
    segments: Sequence[Segment], start_offset: int, end_offset: int
) -> Iterator[Segment]:
    for segment in segments[max(find_segment(segments, start_offset), 0) :]:
        if segment.base_offset >= end_offset:
            return
        if segment.end.offset > start_offset:
            yield segment


def _reached_after(
    segment: Segment, timestamp_ms: int, start_offset: int, load_index: LoadIndex
) -> int:
    """A position before which nothing from `start_offset` on reaches a timestamp."""
    index = load_index(segment, True)
    assert index is not None
    at = max(
        index.before_time(timestamp_ms), index.before_offset(start_offset - segment.base_offset)
    )
    return index.positions[at] if at >= 0 else SEGMENT_HEADER_BYTES


def _largest_within(
    segment: Segment, start_offset: int, end_offset: int, load_index: LoadIndex
) -> int:
    """Largest timestamp of a segment's records within a range of offsets."""
    index = load_index(segment, True)
    assert index is not None
    first = index.before_offset(start_offset - segment.base_offset)
    known_ms, position = -1, SEGMENT_HEADER_BYTES
    if start_offset <= segment.base_offset:
        last = index.before_offset(end_offset - segment.base_offset)
    else:
        # Timestamps of the index count from the segment's start. From an entry behind the range's
        # start on they count if they grew since.
        last = index.before_offset(end_offset - segment.base_offset)
        after = first + 1
        if not (after < last and index.timestamps[last] > index.timestamps[after]):
            last = first
    if last > first or (last >= 0 and start_offset <= segment.base_offset):
        known_ms, position = index.timestamps[last], index.positions[last]
    elif first >= 0:
        position = index.positions[first]
    for batch in _batches_from(segment, position, end_offset):
        if batch.max_timestamp <= known_ms or batch.end_offset <= start_offset:
            continue
        if start_offset <= batch.base_offset and batch.end_offset <= end_offset:
            known_ms = batch.max_timestamp
            continue
        found = max_timestamp(batch.buf, start_offset=start_offset, end_offset=end_offset)
        if found is not None:
            known_ms = max(known_ms, found.timestamp_ms)
    return known_ms


def _batches_from(segment: Segment, position: int, end_offset: int) -> Iterator[Frame]:
    """The batches from a position on that begin below an offset."""
    try:
        for start, end in segment.runs(position, segment.end.size_bytes):
            for frame in walk(segment.file, start, end, chunk_bytes=_TIME_CHUNK_BYTES):
                if frame.base_offset >= end_offset:
                    return
                yield frame
    except FrameFault as fault:
        raise DamagedSegment(segment, fault) from fault
