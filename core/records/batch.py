"""The header of a record batch (format v2), read and stamped in place.

    offset  0  base_offset i64             what the log assigns      \\
    offset  8  batch_length i32            bytes after this field     | outside the CRC
    offset 12  partition_leader_epoch i32  what the log assigns       |
    offset 16  magic i8 = 2                                           |
    offset 17  crc u32                     CRC-32C of all that follows/
    offset 21  attributes i16, last_offset_delta i32, base_timestamp i64, max_timestamp i64,
               producer_id i64, producer_epoch i16, base_sequence i32, record_count i32
    offset 61  records, compressed as a whole

Nothing here looks at records. A log that receives a batch changes the first and third field only,
so that the CRC of the producer still covers what the consumer gets.

Source: KIP-98, KIP-32 (timestamp types), KIP-534 (delete horizon).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.records.crc import Readable, crc32c

HEADER = struct.Struct(">qiibIhiqqqhii")
HEADER_BYTES = HEADER.size
"""61: where the records start."""
LENGTH_END = 12
"""Bytes up to and including `batch_length`, which counts what follows."""
MAGIC_OFFSET = 16
CRC_START = 21
"""First byte that the CRC covers."""
MAGIC = 2
BATCH_LENGTH_MIN = HEADER_BYTES - LENGTH_END

CODEC_MASK = 0x07
LOG_APPEND_TIME = 0x08
TRANSACTIONAL = 0x10
CONTROL = 0x20
DELETE_HORIZON = 0x40

NO_PRODUCER_ID = -1
NO_SEQUENCE = -1
NO_TIMESTAMP = -1
SEQUENCE_MAX = 2**31 - 1

_CRC = struct.Struct(">I")
_ATTRIBUTES = struct.Struct(">h")
_BASE_OFFSET = struct.Struct(">q")
_LEADER_EPOCH = struct.Struct(">i")
_MAX_TIMESTAMP = struct.Struct(">q")
_LENGTH = struct.Struct(">i")
_LEADER_EPOCH_OFFSET = 12
_CRC_OFFSET = 17
_MAX_TIMESTAMP_OFFSET = 35


class BatchHeader(NamedTuple):
    """The 61 bytes before the records. Timestamps are milliseconds since the epoch, -1 is none."""

    base_offset: int
    batch_length: int
    partition_leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    base_timestamp: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    record_count: int

    @property
    def compression(self) -> int:
        """Codec id: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd; 5 to 7 are not defined."""
        return self.attributes & CODEC_MASK

    @property
    def timestamp_type(self) -> int:
        """0 CreateTime, 1 LogAppendTime (every record then has `max_timestamp`)."""
        return 1 if self.attributes & LOG_APPEND_TIME else 0

    @property
    def is_transactional(self) -> bool:
        return bool(self.attributes & TRANSACTIONAL)

    @property
    def is_control(self) -> bool:
        return bool(self.attributes & CONTROL)

    @property
    def has_delete_horizon(self) -> bool:
        """Whether `base_timestamp` is the time from which tombstones may go (KIP-534)."""
        return bool(self.attributes & DELETE_HORIZON)

    @property
    def last_offset(self) -> int:
        return self.base_offset + self.last_offset_delta

    @property
    def size_bytes(self) -> int:
        """Size of the whole batch, header included."""
        return LENGTH_END + self.batch_length

    @property
    def last_sequence(self) -> int:
        """Sequence of the last record; -1 when the batch carries none. Wraps after 2^31 - 1."""
        if self.base_sequence < 0:
            return NO_SEQUENCE
        return (self.base_sequence + self.last_offset_delta) & SEQUENCE_MAX


def parse_header(buf: Readable, pos: int = 0) -> BatchHeader:
    """Read the header that starts at `pos`; the records need not be in `buf`.

    Raises:
        KafkaFault: CORRUPT_MESSAGE when fewer than 61 bytes are left, the magic is not 2, or the
            length is too small for a header.
    """
    try:
        header = tuple.__new__(BatchHeader, HEADER.unpack_from(buf, pos))
    except struct.error:
        raise KafkaFault(
            ErrorCode.CORRUPT_MESSAGE,
            f"A record batch header has {HEADER_BYTES} bytes; {max(len(buf) - pos, 0)} are left.",
        ) from None
    if header[3] != MAGIC or header[1] < BATCH_LENGTH_MIN:
        raise KafkaFault(
            ErrorCode.CORRUPT_MESSAGE,
            f"No record batch of format 2: magic {header[3]}, length {header[1]}.",
        )
    return header


def iter_batches(buf: Readable) -> Iterator[tuple[int, BatchHeader]]:
    """The batches of a run, with the position of each.

    A batch that the buffer holds only in part ends the run without a fault: fetch responses and
    reads of a fixed size cut batches off.

    Raises:
        KafkaFault: CORRUPT_MESSAGE at a header that cannot be one.
    """
    pos = 0
    end = len(buf)
    while end - pos >= HEADER_BYTES:
        header = parse_header(buf, pos)
        if header.size_bytes > end - pos:
            return
        yield pos, header
        pos += header.size_bytes


def check_crc(buf: Readable, pos: int, header: BatchHeader) -> bool:
    """Whether the whole batch is in `buf` and its checksum is right."""
    end = pos + LENGTH_END + header.batch_length
    if end > len(buf):
        return False
    return crc32c(memoryview(buf)[pos + CRC_START : end]) == header.crc


def stamp(buf: memoryview | bytearray, pos: int, *, base_offset: int, leader_epoch: int) -> None:
    """Write what the log assigns; the CRC does not cover it and stays valid."""
    _BASE_OFFSET.pack_into(buf, pos, base_offset)
    _LEADER_EPOCH.pack_into(buf, pos + _LEADER_EPOCH_OFFSET, leader_epoch)


def stamp_timestamp(
    buf: memoryview | bytearray, pos: int, *, timestamp_type: int, max_timestamp: int
) -> BatchHeader:
    """Set the timestamp type and the max timestamp; nothing is written when they stand already.

    Args:
        timestamp_type: 0 CreateTime, 1 LogAppendTime.
        max_timestamp: milliseconds since the epoch.

    Returns:
        The header as it is now, with its new CRC.
    """
    header = parse_header(buf, pos)
    if header.timestamp_type == timestamp_type and header.max_timestamp == max_timestamp:
        return header
    attributes = header.attributes & ~LOG_APPEND_TIME
    if timestamp_type:
        attributes |= LOG_APPEND_TIME
    _ATTRIBUTES.pack_into(buf, pos + CRC_START, attributes)
    _MAX_TIMESTAMP.pack_into(buf, pos + _MAX_TIMESTAMP_OFFSET, max_timestamp)
    crc = seal(buf, pos, header.size_bytes)
    return header._replace(attributes=attributes, max_timestamp=max_timestamp, crc=crc)


def stamp_log_append_time(buf: memoryview | bytearray, pos: int, now_ms: int) -> BatchHeader:
    """Give every record of the batch the broker's time, as message.timestamp.type asks for."""
    return stamp_timestamp(buf, pos, timestamp_type=1, max_timestamp=now_ms)


def seal(buf: memoryview | bytearray, pos: int, size_bytes: int) -> int:
    """Write length and CRC of the batch of `size_bytes` at `pos`; returns the CRC."""
    _LENGTH.pack_into(buf, pos + 8, size_bytes - LENGTH_END)
    crc = crc32c(memoryview(buf)[pos + CRC_START : pos + size_bytes])
    _CRC.pack_into(buf, pos + _CRC_OFFSET, crc)
    return crc
