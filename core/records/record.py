"""The records of a batch: read (decompressed, bounded) and written.

A record is `length varint, attributes i8, timestamp_delta varlong, offset_delta varint, key length
varint, key, value length varint, value, header count varint, headers`; a header is `key length
varint, key, value length varint, value`. Length -1 is null; every number is zigzag.

Malformed records raise `KafkaFault` and nothing else, whatever the bytes.

Source: KIP-98 (format), KIP-82 (headers).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.records.batch import (
    CODEC_MASK,
    HEADER,
    HEADER_BYTES,
    LENGTH_END,
    LOG_APPEND_TIME,
    MAGIC,
    NO_SEQUENCE,
    BatchHeader,
    parse_header,
    seal,
)
from sprawl.core.records.compression import compress, decompress
from sprawl.core.records.crc import Readable
from sprawl.core.records.varint import append_varint, read_varint

RecordHeaders = Sequence[tuple[str, bytes | None]]
NewRecord = tuple[int, bytes | None, bytes | None, RecordHeaders]
"""(timestamp_ms, key, value, headers)."""


class Record(NamedTuple):
    """One record as its readers see it."""

    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]


class RawRecord(NamedTuple):
    """Where one record stands in the decompressed records section, and what rules look at.

    Args:
        start: of the record, at its length.
        deltas_start: at its timestamp delta, after length and attributes.
        rest_start: at its offset delta, after the timestamp delta.
        end: after its last byte.
    """

    start: int
    deltas_start: int
    rest_start: int
    end: int
    timestamp_delta: int
    offset_delta: int
    key: bytes | None
    value_start: int
    value_length: int
    headers: Sequence[tuple[bytes, bytes | None]]


_NO_HEADERS: tuple[tuple[bytes, bytes | None], ...] = ()


def read_section(buf: Readable, pos: int, header: BatchHeader) -> bytes:
    """The records of the batch at `pos`, decompressed.

    Raises:
        KafkaFault: CORRUPT_MESSAGE when the batch is cut off, INVALID_RECORD,
            UNSUPPORTED_COMPRESSION_TYPE.
    """
    end = pos + LENGTH_END + header.batch_length
    if end > len(buf):
        raise KafkaFault(
            ErrorCode.CORRUPT_MESSAGE,
            f"A record batch of {header.size_bytes} bytes has {len(buf) - pos} left.",
        )
    body = memoryview(buf)[pos + HEADER_BYTES : end]
    return decompress(header.attributes & CODEC_MASK, body)


def walk_records(section: bytes, record_count: int) -> Iterator[RawRecord]:
    """Every record of a decompressed section, checked for structure.

    Args:
        record_count: as the batch header says.

    Raises:
        KafkaFault: INVALID_RECORD for anything that is not exactly `record_count` records.
    """
    if record_count < 0:
        raise _invalid(f"the batch counts {record_count} records")
    pos = 0
    end = len(section)
    try:
        for _ in range(record_count):
            record = _read_record(section, pos, end)
            yield record
            pos = record.end
    except IndexError:
        raise _invalid("the records end early") from None
    except ValueError as error:
        raise _invalid(str(error)) from None
    if pos != end:
        raise _invalid(f"{end - pos} bytes follow the last of {record_count} records")


def _read_record(data: bytes, start: int, section_end: int) -> RawRecord:
    length, pos = read_varint(data, start, 5)
    end = pos + length
    # The smallest record: attributes, two deltas, two lengths, a header count.
    if length < 6 or end > section_end:
        raise ValueError(f"a record of {length} bytes with {section_end - pos} left")
    deltas_start = pos + 1
    timestamp_delta, rest_start = read_varint(data, deltas_start, 10)
    offset_delta, pos = read_varint(data, rest_start, 5)
    key = None
    key_length, pos = read_varint(data, pos, 5)
    if key_length >= 0:
        key = data[pos : pos + key_length]
        pos += key_length
    value_length, value_start = read_varint(data, pos, 5)
    pos = value_start + value_length if value_length > 0 else value_start
    if pos >= end:
        raise ValueError(f"a value of {value_length} bytes leaves its record")
    headers: Sequence[tuple[bytes, bytes | None]] = _NO_HEADERS
    if data[pos]:
        header_count, pos = read_varint(data, pos, 5)
        headers, pos = _read_headers(data, pos, end, header_count)
    else:
        pos += 1
    if pos != end:
        raise ValueError(f"a record of {length} bytes ends {abs(end - pos)} bytes off")
    fields = (
        start,
        deltas_start,
        rest_start,
        end,
        timestamp_delta,
        offset_delta,
        key,
        value_start,
        value_length,
        headers,
    )
    return tuple.__new__(RawRecord, fields)


def _read_headers(
    data: bytes, pos: int, end: int, count: int
) -> tuple[list[tuple[bytes, bytes | None]], int]:
    # A header has two lengths at least.
    if count < 0 or count * 2 > end - pos:
        raise ValueError(f"a record counts {count} headers in {end - pos} bytes")
    headers: list[tuple[bytes, bytes | None]] = []
    for _ in range(count):
        key_length, pos = read_varint(data, pos, 5)
        if not 0 <= key_length <= end - pos:
            raise ValueError(f"a header key of {key_length} bytes with {end - pos} left")
        key = data[pos : pos + key_length]
        pos += key_length
        value_length, pos = read_varint(data, pos, 5)
        if value_length > end - pos:
            raise ValueError(f"a header value of {value_length} bytes with {end - pos} left")
        value = None
        if value_length >= 0:
            value = data[pos : pos + value_length]
            pos += value_length
        headers.append((key, value))
    return headers, pos


def decode_records(buf: Readable, pos: int = 0) -> Iterator[Record]:
    """The records of the batch at `pos`, control records included.

    Header keys that are not UTF-8 are read with U+FFFD in place of the bad bytes, as Kafka does.

    Raises:
        KafkaFault: CORRUPT_MESSAGE, INVALID_RECORD, UNSUPPORTED_COMPRESSION_TYPE. Records before
            the malformed one have been yielded by then.
    """
    header = parse_header(buf, pos)
    section = read_section(buf, pos, header)
    base_offset = header.base_offset
    base_timestamp = header.base_timestamp
    log_append_time = header.max_timestamp if header.attributes & LOG_APPEND_TIME else None
    for raw in walk_records(section, header.record_count):
        value_end = raw.value_start + raw.value_length
        yield Record(
            base_offset + raw.offset_delta,
            base_timestamp + raw.timestamp_delta if log_append_time is None else log_append_time,
            raw.key,
            section[raw.value_start : value_end] if raw.value_length >= 0 else None,
            [(key.decode("utf-8", "replace"), value) for key, value in raw.headers],
        )


def encode_batch(
    records: Sequence[NewRecord],
    *,
    base_offset: int = 0,
    leader_epoch: int = -1,
    compression: int = 0,
    level: int | None = None,
    producer_id: int = -1,
    producer_epoch: int = -1,
    base_sequence: int = NO_SEQUENCE,
    attributes: int = 0,
    offsets: Sequence[int] | None = None,
) -> bytearray:
    """One batch of at least one record.

    Args:
        compression: codec id, 0 to 4; `level` of the codec, None for Kafka's default.
        attributes: flags besides the codec: TRANSACTIONAL, CONTROL, LOG_APPEND_TIME.
        offsets: of the records, ascending, when they are not `base_offset` onwards.

    Raises:
        ValueError: no records, or numbers that do not fit the format.
    """
    if not records:
        raise ValueError("a batch needs a record")
    if offsets is not None and len(offsets) != len(records):
        raise ValueError("as many offsets as records")
    base_timestamp = records[0][0]
    section = bytearray()
    delta = 0
    for index, record in enumerate(records):
        delta = index if offsets is None else offsets[index] - base_offset
        _append_record(section, record, base_timestamp, delta)
    header = BatchHeader(
        base_offset=base_offset,
        batch_length=0,
        partition_leader_epoch=leader_epoch,
        magic=MAGIC,
        crc=0,
        attributes=attributes & ~CODEC_MASK | compression,
        last_offset_delta=delta,
        base_timestamp=base_timestamp,
        max_timestamp=max(record[0] for record in records),
        producer_id=producer_id,
        producer_epoch=producer_epoch,
        base_sequence=base_sequence,
        record_count=len(records),
    )
    return build_batch(header, section, level=level)


def build_batch(header: BatchHeader, section: Readable, *, level: int | None = None) -> bytearray:
    """A batch of this header and decompressed records; length and CRC are made here.

    The records are compressed with the codec that the header names.

    Raises:
        ValueError: numbers that do not fit the format.
    """
    body = compress(header.compression, section, level) if header.compression else section
    batch = bytearray(HEADER_BYTES)
    try:
        HEADER.pack_into(batch, 0, *header)
    except struct.error as error:
        raise ValueError(f"{error}: {header}") from None
    batch += body
    seal(batch, 0, len(batch))
    return batch


def _append_record(
    section: bytearray, record: NewRecord, base_timestamp: int, offset_delta: int
) -> None:
    timestamp_ms, key, value, headers = record
    body = bytearray(1)
    append_varint(body, timestamp_ms - base_timestamp)
    append_varint(body, offset_delta)
    _append_nullable(body, key)
    _append_nullable(body, value)
    append_varint(body, len(headers))
    for name, header_value in headers:
        _append_nullable(body, name.encode("utf-8"))
        _append_nullable(body, header_value)
    append_varint(section, len(body))
    section += body


def _append_nullable(out: bytearray, data: bytes | None) -> None:
    if data is None:
        out.append(1)
        return
    append_varint(out, len(data))
    out += data


def _invalid(detail: str) -> KafkaFault:
    return KafkaFault(ErrorCode.INVALID_RECORD, f"Malformed records: {detail}.")
