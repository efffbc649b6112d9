"""What stands in a segment file: record batches byte for byte, and entries without offsets.

Both kinds begin with the same 17 bytes, so that one walk goes over them:

    offset  0  i64  batch: base offset            entry: the next offset of the log
    offset  8  i32  length: bytes after this field
    offset 12  i32  leader epoch = term
    offset 16  i8   magic: 2 batch                0x52 entry
                    batch: core/records/batch.py
    entry:     17  u32  CRC-32C of bytes 0 to 16 and of all from 21 on
               21  i8   type (EntryType)
               22       payload
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from sprawl.core.errors import KafkaFault
from sprawl.core.ids import LogIndex, Offset, Term
from sprawl.core.records.batch import (
    HEADER,
    HEADER_BYTES,
    LENGTH_END,
    MAGIC,
    check_crc,
    parse_header,
)
from sprawl.core.records.crc import Readable, crc32c
from sprawl.core.storage.port import SegmentFile

FRAME: Final = struct.Struct(">qiib")
FRAME_BYTES: Final = FRAME.size
"""17: what both kinds begin with."""
ENTRY_MAGIC: Final = 0x52
_ENTRY: Final = struct.Struct(">qiibIb")
_CRC_POSITION: Final = 17
_TYPE_POSITION: Final = 21
ENTRY_HEADER_BYTES: Final = _ENTRY.size
_ENTRY_LENGTH_MIN: Final = ENTRY_HEADER_BYTES - LENGTH_END
_CHUNK_BYTES: Final = 1_048_576


class EntryType(enum.IntEnum):
    """What an entry of the log is. Only DATA takes offsets and is served to clients."""

    DATA = 0
    NOOP = 1
    CONFIG = 2
    LOG_START = 3
    CONTROLLER_COMMAND = 4
    TIER_MANIFEST = 5


class Entry(NamedTuple):
    """One entry of the log as Raft sees it.

    Args:
        frame: all of its bytes: of a batch with offset and epoch stamped, or of an entry.
    """

    index: LogIndex  # type: ignore[assignment]  # hides tuple.index, unused
    term: Term
    type: EntryType
    frame: memoryview

    @property
    def payload(self) -> memoryview:
        """What `append_entry` got; of DATA the whole batch."""
        return self.frame if self.type is EntryType.DATA else self.frame[ENTRY_HEADER_BYTES:]


class Frame(NamedTuple):
    """One frame met by a walk. `end_offset` is one past its last offset."""

    position: int
    size_bytes: int
    base_offset: Offset
    end_offset: Offset
    term: Term
    type: EntryType
    max_timestamp: int
    buf: memoryview


class FrameFault(Exception):
    """The bytes at a position of a segment are no frame.

    Args:
        position: of the frame.
        size_bytes: what the bytes claim to be its size; 0 when that cannot be.
    """

    def __init__(self, position: int, reason: str, size_bytes: int = 0) -> None:
        super().__init__(f"position {position}: {reason}")
        self.position = position
        self.reason = reason
        self.size_bytes = size_bytes


def encode_entry(
    entry_type: EntryType, payload: Readable, *, next_offset: int, term: int
) -> bytearray:
    """The frame of an entry without offsets."""
    frame = bytearray(ENTRY_HEADER_BYTES)
    length = _ENTRY_LENGTH_MIN + len(payload)
    _ENTRY.pack_into(frame, 0, next_offset, length, term, ENTRY_MAGIC, 0, entry_type)
    frame += payload
    struct.pack_into(">I", frame, _CRC_POSITION, _entry_crc(memoryview(frame)))
    return frame


def frame_size(buf: Readable, pos: int, position: int) -> int:
    """Size of the frame that starts at `pos` of `buf`, from its first 17 bytes.

    Args:
        position: of the frame in its file, for the fault.

    Raises:
        FrameFault: it cannot be one.
    """
    _, length, _, magic = FRAME.unpack_from(buf, pos)
    minimum = HEADER_BYTES - LENGTH_END if magic == MAGIC else _ENTRY_LENGTH_MIN
    if magic not in (MAGIC, ENTRY_MAGIC) or length < minimum:
        raise FrameFault(position, f"no frame starts here (magic {magic}, length {length})")
    return LENGTH_END + int(length)


def parse_frame(buf: memoryview, position: int, *, verify: bool) -> Frame:
    """Read a whole frame.

    Args:
        buf: exactly the frame.
        position: of the frame in its file.
        verify: check the CRC too.

    Raises:
        FrameFault: the CRC is wrong, or the type of an entry unknown.
    """
    size = len(buf)
    base, _, term, magic = FRAME.unpack_from(buf)
    if magic == MAGIC:
        header = HEADER.unpack_from(buf)
        if verify and not _is_sound_batch(buf):
            raise FrameFault(position, "the checksum of a record batch is wrong", size)
        end = base + header[6] + 1
        return Frame(position, size, base, end, term, EntryType.DATA, header[8], buf)
    if verify and _entry_crc(buf) != struct.unpack_from(">I", buf, _CRC_POSITION)[0]:
        raise FrameFault(position, "the checksum of an entry is wrong", size)
    try:
        entry_type = EntryType(buf[_TYPE_POSITION])
    except ValueError:
        raise FrameFault(position, f"entry of unknown type {buf[_TYPE_POSITION]}", size) from None
    return Frame(position, size, base, base, term, entry_type, -1, buf)


def walk(
    file: SegmentFile,
    position: int,
    end: int,
    *,
    verify: bool = False,
    chunk_bytes: int = _CHUNK_BYTES,
) -> Iterator[Frame]:
    """The frames of a file from `position` to `end`, read in large pieces.

    Raises:
        FrameFault: where the bytes are no frame, or the last one is cut off; every frame before it
            was returned.
        OSError: the file cannot be read.
    """
    chunk = memoryview(b"")
    chunk_start = position
    while position < end:
        at = position - chunk_start
        size = FRAME_BYTES
        if at + size <= len(chunk):
            size = frame_size(chunk, at, position)
        if at + size > len(chunk):
            if position + size > end:
                raise FrameFault(position, f"cut off: {end - position} of at least {size} bytes")
            wanted = min(max(chunk_bytes, size), end - position)
            chunk = memoryview(file.read(position, wanted))
            chunk_start = position
            if len(chunk) < size:
                raise FrameFault(position, f"cut off: {len(chunk)} of at least {size} bytes")
            continue
        yield parse_frame(chunk[at : at + size], position, verify=verify)
        position += size


def misplaced(frame: Frame, offset: int, term: int | None) -> FrameFault:
    """The fault for a frame that stands where another one belongs."""
    found = f"offset {frame.base_offset} of term {frame.term}"
    return FrameFault(frame.position, f"{found} where {offset} of {term} belongs", frame.size_bytes)


def producer_id_of(batch: Readable) -> int:
    """The producer id in a batch, -1 when it has none."""
    producer_id: int = HEADER.unpack_from(batch)[9]
    return producer_id


def _is_sound_batch(buf: memoryview) -> bool:
    try:
        return check_crc(buf, 0, parse_header(buf))
    except KafkaFault:
        return False


def _entry_crc(frame: memoryview) -> int:
    return crc32c(frame[_TYPE_POSITION:], crc32c(frame[:_CRC_POSITION]))
