"""Control batches: the markers that end a transaction in a partition.

A control batch holds one record. Its key is `version i16 = 0, type i16`; an end marker's value
is `version i16 = 0, coordinator_epoch i32`. It takes an offset, and consumers skip it.

Source: KIP-98, EndTxnMarker version 0.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.records.batch import CONTROL, TRANSACTIONAL, BatchHeader
from sprawl.core.records.crc import Readable
from sprawl.core.records.record import encode_batch, read_section, walk_records

ABORT: Final = 0
COMMIT: Final = 1

_KEY: Final = struct.Struct(">hh")
_VALUE: Final = struct.Struct(">hi")


class EndTxnMarker(NamedTuple):
    """How a producer's transaction ended, and the epoch of the coordinator that said so."""

    is_commit: bool
    coordinator_epoch: int


def encode_marker(
    marker: EndTxnMarker,
    *,
    producer_id: int,
    producer_epoch: int,
    timestamp_ms: int,
    base_offset: int = 0,
) -> bytearray:
    """A control batch with this marker."""
    key = _KEY.pack(0, COMMIT if marker.is_commit else ABORT)
    value = _VALUE.pack(0, marker.coordinator_epoch)
    return encode_batch(
        [(timestamp_ms, key, value, ())],
        base_offset=base_offset,
        producer_id=producer_id,
        producer_epoch=producer_epoch,
        attributes=TRANSACTIONAL | CONTROL,
    )


def read_marker(buf: Readable, pos: int, header: BatchHeader) -> EndTxnMarker | None:
    """The marker in the control batch at `pos`.

    Returns:
        None for a batch that compaction emptied, and for control records of another type.

    Raises:
        KafkaFault: INVALID_RECORD, CORRUPT_MESSAGE.
    """
    section = read_section(buf, pos, header)
    for record in walk_records(section, header.record_count):
        if record.key is None or len(record.key) < _KEY.size:
            raise KafkaFault(ErrorCode.INVALID_RECORD, "A control record has no type.")
        kind = _KEY.unpack_from(record.key)[1]
        if kind not in (ABORT, COMMIT):
            return None
        if record.value_length < _VALUE.size:
            raise KafkaFault(ErrorCode.INVALID_RECORD, "An end marker has no coordinator epoch.")
        return EndTxnMarker(kind == COMMIT, _VALUE.unpack_from(section, record.value_start)[1])
    return None
