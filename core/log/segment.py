"""One segment of a log: a file of frames behind a header, and what is known of them.

The header has 64 bytes, big-endian:

     0  magic "SPSG", version u8, flags u8 (1 compacted), 2 zero bytes
     8  partition i32, topic id 16 bytes
    28  base offset i64, index of its first entry i64
    44  of a compacted segment: offsets it stands for u32, entries it stands for u32; else zero
    52  created at, milliseconds, i64
    60  CRC-32C of the bytes before
"""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple
from uuid import UUID

from sprawl.core.ids import LogIndex, Offset
from sprawl.core.log.frames import EntryType, Frame
from sprawl.core.log.index import SparseIndex
from sprawl.core.records.crc import crc32c
from sprawl.core.storage.port import Buffer, LogDirectory, SegmentFile

SEGMENT_HEADER_BYTES: Final = 64
LOG_SUFFIX: Final = ".log"
_MAGIC: Final = b"SPSG"
_VERSION: Final = 1
_COMPACTED: Final = 1
_HEADER: Final = struct.Struct(">4sBBxxi16sqqIIq")
_CRC: Final = struct.Struct(">I")
_NAME_DIGITS: Final = 20
NO_TIMESTAMP: Final = -1
OFFSET_SPAN_MAX: Final = 2**31 - 1
"""Kafka's bound of a segment: offsets count from the base in 31 bits."""


class SegmentHeader(NamedTuple):
    """What a segment says of itself. The spans are 0 unless it was compacted."""

    topic_id: UUID
    partition: int
    base_offset: int
    first_index: int
    created_ms: int
    is_compacted: bool = False
    offset_span: int = 0
    index_span: int = 0

    def encode(self) -> bytes:
        """The 64 bytes."""
        body = _HEADER.pack(
            _MAGIC,
            _VERSION,
            _COMPACTED if self.is_compacted else 0,
            self.partition,
            self.topic_id.bytes,
            self.base_offset,
            self.first_index,
            self.offset_span,
            self.index_span,
            self.created_ms,
        )
        return body + _CRC.pack(crc32c(body))


def parse_segment_header(data: Buffer) -> SegmentHeader:
    """Read the first bytes of a segment.

    Raises:
        ValueError: they are cut off or damaged, or of a version not known here.
    """
    if len(data) < SEGMENT_HEADER_BYTES:
        raise ValueError(f"the header is cut off after {len(data)} bytes")
    magic, version, flags, partition, topic, base, first, offsets, indexes, created = (
        _HEADER.unpack_from(data)
    )
    if _CRC.unpack_from(data, _HEADER.size)[0] != crc32c(memoryview(data)[: _HEADER.size]):
        raise ValueError("the checksum of the header is wrong")
    if magic != _MAGIC or version != _VERSION:
        raise ValueError(f"no segment of version {_VERSION}")
    is_compacted = bool(flags & _COMPACTED)
    return SegmentHeader(
        UUID(bytes=topic), partition, base, first, created, is_compacted, offsets, indexes
    )


class SegmentKey(NamedTuple):
    """Names a segment within its log, in log order.

    Args:
        tag: 0, or the index of its first entry when the segment before it has the same base
            offset, having no records.
    """

    base_offset: int
    tag: int = 0


def segment_name(key: SegmentKey) -> str:
    """The file name of a segment: 20 digits as Kafka's, and the tag if there is one."""
    tag = f".{key.tag:0{_NAME_DIGITS}d}" if key.tag else ""
    return f"{key.base_offset:0{_NAME_DIGITS}d}{tag}{LOG_SUFFIX}"


def parse_segment_name(name: str, suffix: str = LOG_SUFFIX) -> SegmentKey | None:
    """The key in a file name; None when it is no segment's name."""
    if not name.endswith(suffix):
        return None
    base, dot, tag = name.removesuffix(suffix).partition(".")
    key = SegmentKey(_digits(base), _digits(tag) if dot else 0)
    return None if -1 in key else key


def _digits(text: str) -> int:
    return int(text) if len(text) == _NAME_DIGITS and text.isdecimal() else -1


class SegmentEnd(NamedTuple):
    """How far a segment reaches: bytes of the file, next offset, next index."""

    size_bytes: int
    offset: Offset
    index: LogIndex  # type: ignore[assignment]  # hides tuple.index, unused


class Segment:
    """A segment with its facts. Its one writer appends; `end` changes as a whole."""

    __slots__ = (
        "_indexed_position",
        "base_offset",
        "created_ms",
        "end",
        "file",
        "first_index",
        "first_timestamp",
        "gaps",
        "has_producers",
        "index",
        "is_compacted",
        "key",
        "max_timestamp",
    )

    def __init__(
        self,
        file: SegmentFile,
        key: SegmentKey,
        *,
        first_index: int,
        created_ms: int,
        is_compacted: bool = False,
    ) -> None:
        self.file = file
        self.key = key
        self.base_offset = Offset(key.base_offset)
        self.first_index = LogIndex(first_index)
        self.created_ms = created_ms
        self.is_compacted = is_compacted
        self.end = SegmentEnd(SEGMENT_HEADER_BYTES, self.base_offset, self.first_index)
        self.first_timestamp = NO_TIMESTAMP
        self.max_timestamp = NO_TIMESTAMP
        self.has_producers = False
        self.index: SparseIndex | None = SparseIndex()
        # Starts and ends, in turn, of runs that hold no records to serve: entries without offsets,
        # damaged bytes.
        self.gaps = array("I")
        self._indexed_position = SEGMENT_HEADER_BYTES

    @classmethod
    def create(
        cls,
        directory: LogDirectory,
        key: SegmentKey,
        header: SegmentHeader,
        *,
        suffix: str = "",
        keep_tail: bool,
    ) -> Segment:
        """A new file with a header and nothing else.

        Raises:
            OSError: nothing is left behind then.
        """
        name = segment_name(key) + suffix
        file = directory.create(name, keep_tail=keep_tail)
        try:
            file.append((header.encode(),))
        except OSError:
            file.close()
            directory.delete(name)
            raise
        return cls(
            file,
            key,
            first_index=header.first_index,
            created_ms=header.created_ms,
            is_compacted=header.is_compacted,
        )

    @property
    def data_bytes(self) -> int:
        """Bytes of frames."""
        return self.end.size_bytes - SEGMENT_HEADER_BYTES

    @property
    def is_empty(self) -> bool:
        return self.end.size_bytes <= SEGMENT_HEADER_BYTES

    @property
    def last_change_ms(self) -> int:
        """The largest timestamp, or the time of creation when no record has one."""
        return self.created_ms if self.max_timestamp < 0 else self.max_timestamp

    def append(
        self,
        bufs: Sequence[Buffer],
        size_bytes: int,
        *,
        base_offset: int,
        end_offset: int,
        max_timestamp: int,
        index_interval_bytes: int,
    ) -> None:
        """Write one batch; `base_offset` may leave a hole in a segment that is being compacted.

        Raises:
            OSError: the segment is as it was.
        """
        position = self.file.append(bufs)
        if position - self._indexed_position >= index_interval_bytes:
            self._index(base_offset, position)
        self.max_timestamp = max(self.max_timestamp, max_timestamp)
        if self.first_timestamp < 0:
            self.first_timestamp = max_timestamp
        self.end = SegmentEnd(
            position + size_bytes, Offset(end_offset), LogIndex(self.end.index + 1)
        )

    def append_entry(self, frame: Buffer, *, index_interval_bytes: int) -> None:
        """Write one entry without offsets.

        Raises:
            OSError: the segment is as it was.
        """
        position = self.file.append((frame,))
        self._note_entry(position, len(frame), index_interval_bytes)

    def note(self, frame: Frame, *, index_interval_bytes: int) -> None:
        """Take note of a frame that stands in the file at the end of what is known."""
        position, offset = frame.position, frame.base_offset
        if frame.type is not EntryType.DATA:
            self._note_entry(position, frame.size_bytes, index_interval_bytes)
            return
        if position - self._indexed_position >= index_interval_bytes:
            self._index(offset, position)
        self.max_timestamp = max(self.max_timestamp, frame.max_timestamp)
        if self.first_timestamp < 0:
            self.first_timestamp = frame.max_timestamp
        end_index = LogIndex(self.end.index + 1)
        self.end = SegmentEnd(position + frame.size_bytes, frame.end_offset, end_index)

    def past_gap(self, position: int) -> int:
        """The end of the gap that `position` lies in; `position` itself outside of gaps."""
        gaps = self.gaps
        at = bisect_right(gaps, position)
        return gaps[at] if at & 1 else position

    def runs(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """The parts of [start, end) that hold nothing but batches."""
        gaps = self.gaps
        at = bisect_right(gaps, start)
        if at & 1:
            start = gaps[at]
            at += 1
        while at < len(gaps) and gaps[at] < end:
            if gaps[at] > start:
                yield start, gaps[at]
            start = gaps[at + 1]
            at += 2
        if start < end:
            yield start, end

    def skip_to(self, position: int, offset: int, index: int) -> None:
        """Leave out damaged bytes: what follows stands at `position`."""
        self.gaps.extend((self.end.size_bytes, position))
        self.end = SegmentEnd(position, Offset(offset), LogIndex(index))
        self._index(offset, position)

    def resume_index(self) -> None:
        """Go on indexing where the loaded index ends."""
        index = self.index
        has_entries = index is not None and len(index) > 0
        self._indexed_position = (
            index.positions[-1] if index is not None and has_entries else SEGMENT_HEADER_BYTES
        )

    def cut(self, end: SegmentEnd, *, max_timestamp: int) -> None:
        """Take back everything from a frame's start on, in the file too.

        Raises:
            OSError: the file could not be cut; the segment is as it was.
        """
        assert self.index is not None
        self.file.truncate(end.size_bytes)
        self.index.truncate(bisect_right(self.index.positions, end.size_bytes - 1))
        self.resume_index()
        while self.gaps and self.gaps[-2] >= end.size_bytes:
            del self.gaps[-2:]
        if self.gaps and self.gaps[-1] > end.size_bytes:
            self.gaps[-1] = end.size_bytes
        self.max_timestamp = max_timestamp
        if max_timestamp < 0:
            self.first_timestamp = NO_TIMESTAMP
        self.end = end

    def _note_entry(self, position: int, size_bytes: int, index_interval_bytes: int) -> None:
        size_offset = self.end.offset
        if position - self._indexed_position >= index_interval_bytes:
            self._index(size_offset, position)
        gaps = self.gaps
        if gaps and gaps[-1] == position:
            gaps[-1] = position + size_bytes
        else:
            gaps.extend((position, position + size_bytes))
        end_index = LogIndex(self.end.index + 1)
        self.end = SegmentEnd(position + size_bytes, size_offset, end_index)

    def _index(self, offset: int, position: int) -> None:
        assert self.index is not None
        self.index.append(
            offset - self.base_offset,
            self.end.index - self.first_index,
            position,
            self.max_timestamp,
        )
        self._indexed_position = position
