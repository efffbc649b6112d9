"""Transaction markers, as Kafka lays them out."""

from __future__ import annotations

import pytest

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.records.batch import CONTROL, TRANSACTIONAL, parse_header
from sprawl.core.records.control import EndTxnMarker, encode_marker, read_marker
from sprawl.core.records.record import decode_records, encode_batch


def control(key: bytes | None, value: bytes | None) -> tuple[bytes, object]:
    batch = bytes(encode_batch([(0, key, value, [])], attributes=CONTROL | TRANSACTIONAL))
    return batch, parse_header(batch)


@pytest.mark.parametrize(
    ("is_commit", "key"), [(False, b"\x00\x00\x00\x00"), (True, b"\x00\x00\x00\x01")]
)
def test_a_marker_is_a_control_batch_of_one_record(is_commit, key):
    marker = EndTxnMarker(is_commit, 77)
    batch = encode_marker(
        marker, producer_id=9, producer_epoch=4, timestamp_ms=123, base_offset=1_000
    )
    header = parse_header(batch)
    assert header.is_control
    assert header.is_transactional
    assert (header.producer_id, header.producer_epoch, header.base_sequence) == (9, 4, -1)
    (record,) = decode_records(batch)
    assert (record.offset, record.timestamp_ms) == (1_000, 123)
    assert record.key == key
    assert record.value == b"\x00\x00" + b"\x00\x00\x00\x4d"
    assert read_marker(batch, 0, header) == marker


def test_other_control_records_are_no_markers():
    batch, header = control(b"\x00\x00\x00\x02", b"leader change")
    assert read_marker(batch, 0, header) is None


def test_a_marker_of_a_later_version_is_read():
    batch, header = control(b"\x00\x01\x00\x01more", b"\x00\x01\x00\x00\x00\x05more")
    assert read_marker(batch, 0, header) == EndTxnMarker(True, 5)


@pytest.mark.parametrize(
    ("key", "value"),
    [(None, b""), (b"\x00", b""), (b"\x00\x00\x00\x01", None), (b"\x00" * 4, b"1")],
)
def test_damaged_markers_are_invalid(key, value):
    batch, header = control(key, value)
    with pytest.raises(KafkaFault) as caught:
        read_marker(batch, 0, header)
    assert caught.value.code == ErrorCode.INVALID_RECORD
