"""Look-ups by time, inside batches and record by record.

Timestamps of producers need not ascend, so the answer to "first at or after" is the first record in
offset order that qualifies. A batch whose max timestamp is too small is skipped unread.

Source: KIP-79 (offset by time), KIP-734 (max timestamp).
"""

from __future__ import annotations

from typing import NamedTuple

from sprawl.core.records.batch import LOG_APPEND_TIME, BatchHeader, iter_batches
from sprawl.core.records.crc import Readable
from sprawl.core.records.record import read_section, walk_records


class TimedOffset(NamedTuple):
    """A record's offset and its timestamp in milliseconds since the epoch."""

    offset: int
    timestamp_ms: int


def first_at_or_after(
    buf: Readable, timestamp_ms: int, *, start_offset: int = 0, end_offset: int | None = None
) -> TimedOffset | None:
    """The first record of a run of batches whose timestamp is at least `timestamp_ms`.

    Args:
        start_offset: records below it do not count (the log start may lie inside a batch).
        end_offset: records from it on do not count; None for no bound.

    Raises:
        KafkaFault: CORRUPT_MESSAGE, INVALID_RECORD, UNSUPPORTED_COMPRESSION_TYPE.
    """
    for pos, header in iter_batches(buf):
        if end_offset is not None and header.base_offset >= end_offset:
            return None
        if header.max_timestamp < timestamp_ms or header.last_offset < start_offset:
            continue
        for found in _timed_offsets(buf, pos, header):
            if end_offset is not None and found.offset >= end_offset:
                return None
            if found.timestamp_ms >= timestamp_ms and found.offset >= start_offset:
                return found
    return None


def max_timestamp(
    buf: Readable, *, start_offset: int = 0, end_offset: int | None = None
) -> TimedOffset | None:
    """The record with the largest timestamp in a run of batches; the earliest of several.

    Args, raises: as `first_at_or_after`.
    """
    best: TimedOffset | None = None
    for pos, header in iter_batches(buf):
        if end_offset is not None and header.base_offset >= end_offset:
            break
        if header.last_offset < start_offset:
            continue
        if best is not None and header.max_timestamp <= best.timestamp_ms:
            continue
        for found in _timed_offsets(buf, pos, header):
            if end_offset is not None and found.offset >= end_offset:
                break
            if found.offset >= start_offset and (
                best is None or found.timestamp_ms > best.timestamp_ms
            ):
                best = found
    return best


def _timed_offsets(buf: Readable, pos: int, header: BatchHeader) -> list[TimedOffset]:
    section = read_section(buf, pos, header)
    appended_at = header.max_timestamp if header.attributes & LOG_APPEND_TIME else None
    return [
        TimedOffset(
            header.base_offset + record.offset_delta,
            header.base_timestamp + record.timestamp_delta if appended_at is None else appended_at,
        )
        for record in walk_records(section, header.record_count)
    ]
