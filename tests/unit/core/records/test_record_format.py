"""Records: what is written is read, and what is malformed is a fault."""

from __future__ import annotations

import pytest

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.records.batch import MAGIC, BatchHeader, check_crc, parse_header
from sprawl.core.records.record import Record, build_batch, decode_records, encode_batch
from sprawl.core.records.varint import append_varint, read_varint

SAMPLE = [
    (1_000, b"k1", b"v1", [("trace", b"1"), ("trace", None), ("", b"")]),
    (900, None, b"", []),
    (1_100, b"", None, [("grüße", "ß".encode())]),
    (1_000, b"k" * 300, b"v" * 70_000, []),
]


def varint(value: int) -> bytes:
    out = bytearray()
    append_varint(out, value)
    return bytes(out)


def batch_of(section: bytes, *, count: int, codec: int = 0) -> bytearray:
    """A batch with a sound header and CRC around any bytes."""
    return build_batch(
        BatchHeader(0, 0, -1, MAGIC, 0, codec, max(count - 1, 0), 0, 0, -1, -1, -1, count), section
    )


def record_of(body: bytes) -> bytes:
    return varint(len(body)) + body


GOOD = b"\x00" + varint(0) + varint(0) + varint(-1) + varint(-1) + varint(0)


@pytest.mark.parametrize("codec", range(5))
def test_records_come_back_as_they_were(codec):
    batch = encode_batch(SAMPLE, base_offset=50, leader_epoch=3, compression=codec)
    header = parse_header(batch)
    assert check_crc(batch, 0, header)
    assert (header.base_offset, header.last_offset, header.record_count) == (50, 53, 4)
    assert (header.base_timestamp, header.max_timestamp) == (1_000, 1_100)
    assert header.partition_leader_epoch == 3
    assert list(decode_records(batch)) == [
        Record(50 + index, timestamp_ms, key, value, headers)
        for index, (timestamp_ms, key, value, headers) in enumerate(SAMPLE)
    ]


def test_offsets_may_have_gaps():
    batch = encode_batch([(0, b"a", b"", []), (0, b"b", b"", [])], base_offset=10, offsets=[12, 19])
    assert [record.offset for record in decode_records(batch)] == [12, 19]
    assert parse_header(batch).last_offset == 19


def test_records_are_read_behind_other_bytes():
    batch = b"....." + encode_batch(SAMPLE) + b"....."
    assert len(list(decode_records(batch, 5))) == len(SAMPLE)


def test_header_keys_that_are_not_utf8_are_read_with_a_replacement():
    body = b"\x00" + varint(0) * 2 + varint(-1) * 2 + varint(1) + varint(2) + b"\xffa" + varint(-1)
    (record,) = decode_records(batch_of(record_of(body), count=1))
    assert record.headers == [("\ufffda", None)]


def test_nulls_may_have_any_negative_length():
    body = b"\x00" + varint(0) * 2 + varint(-7) + varint(-(2**31)) + varint(0)
    (record,) = decode_records(batch_of(record_of(body), count=1))
    assert (record.key, record.value) == (None, None)


def test_a_batch_without_records_has_none():
    assert list(decode_records(batch_of(b"", count=0))) == []


def test_nothing_to_encode():
    with pytest.raises(ValueError):
        encode_batch([])


def test_numbers_that_do_not_fit():
    with pytest.raises(ValueError):
        encode_batch([(2**63, None, None, [])])
    with pytest.raises(ValueError):
        encode_batch([(0, None, None, [])], producer_epoch=40_000)


@pytest.mark.parametrize(
    ("value", "size"),
    [(0, 1), (-1, 1), (63, 1), (-64, 1), (64, 2), (2**31 - 1, 5), (-(2**31), 5)],
)
def test_varint_sizes(value, size):
    assert len(varint(value)) == size
    assert read_varint(b"\x05" + varint(value), 1, 5) == (value, 1 + size)


@pytest.mark.parametrize("value", [2**63 - 1, -(2**63)])
def test_varlong_ends(value):
    assert read_varint(varint(value), 0, 10) == (value, 10)


@pytest.mark.parametrize(
    ("data", "size_bytes_max"),
    [
        (b"\x80\x80\x80\x80\x10", 5),
        (b"\xff\xff\xff\xff\xff\x01", 5),
        (b"\xff" * 9 + b"\x02", 10),
        (b"\xff" * 11, 10),
    ],
)
def test_varints_beyond_their_type(data, size_bytes_max):
    with pytest.raises(ValueError):
        read_varint(data, 0, size_bytes_max)


@pytest.mark.parametrize(
    ("section", "count"),
    [
        (b"", 1),
        (record_of(GOOD), 2),
        (record_of(GOOD) * 2, 1),
        (record_of(GOOD) + b"\x00", 1),
        (b"\x00", 0),
        (record_of(GOOD), -1),
        (record_of(GOOD), 2**31 - 1),
        (varint(-1), 1),
        (varint(0), 1),
        (varint(2**31 - 1) + GOOD, 1),
        (varint(len(GOOD) + 1) + GOOD, 1),
        (varint(len(GOOD) - 1) + GOOD, 1),
        (b"\xff\xff\xff\xff\xff\xff" + GOOD, 1),
        (record_of(GOOD + b"\x00"), 1),
        (record_of(b"\x00" + varint(0) * 2 + varint(100) + b"abc" + varint(-1) + varint(0)), 1),
        (record_of(b"\x00" + varint(0) * 2 + varint(-1) + varint(100) + b"abc" + varint(0)), 1),
        (record_of(b"\x00" + varint(0) * 2 + varint(-1) + varint(2**31 - 1) + varint(0)), 1),
        (record_of(b"\x00" + varint(0) * 2 + varint(-1) * 2 + varint(-1)), 1),
        (record_of(b"\x00" + varint(0) * 2 + varint(-1) * 2 + varint(2**31 - 1)), 1),
        (record_of(b"\x00" + varint(0) * 2 + varint(-1) * 2 + varint(1) + varint(-1) * 2), 1),
        (record_of(b"\x00" + varint(0) * 2 + varint(-1) * 2 + varint(1) + varint(9) + b"ab"), 1),
        (
            record_of(b"\x00" + varint(0) * 2 + varint(-1) * 2 + varint(1) + b"\x02a" + varint(9)),
            1,
        ),
        (record_of(b"\x00" + b"\x80" * 11), 1),
        (record_of(b"\x00" + varint(0) + varint(2**31) + varint(-1) * 2 + varint(0)), 1),
    ],
)
@pytest.mark.parametrize("codec", [0, 4])
def test_malformed_records_are_invalid(section, count, codec):
    with pytest.raises(KafkaFault) as caught:
        list(decode_records(batch_of(section, count=count, codec=codec)))
    assert caught.value.code == ErrorCode.INVALID_RECORD


def test_a_cut_batch_is_corrupt():
    batch = encode_batch(SAMPLE)
    with pytest.raises(KafkaFault) as caught:
        list(decode_records(batch[:-1]))
    assert caught.value.code == ErrorCode.CORRUPT_MESSAGE


def test_records_before_the_damage_are_given():
    section = record_of(GOOD) + varint(500)
    found = decode_records(batch_of(section, count=2))
    assert next(found).offset == 0
    with pytest.raises(KafkaFault):
        next(found)
