"""The batch header: layout, stamping in place, runs of batches."""

from __future__ import annotations

import struct

import pytest

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.records.batch import (
    CONTROL,
    DELETE_HORIZON,
    LOG_APPEND_TIME,
    TRANSACTIONAL,
    check_crc,
    iter_batches,
    parse_header,
    stamp,
    stamp_log_append_time,
    stamp_timestamp,
)
from sprawl.core.records.crc import crc32c
from sprawl.core.records.record import decode_records, encode_batch

# Written out by hand: one record, key "k", value "v", no headers.
RECORD = bytes.fromhex("10 00 00 00 02 6b 02 76 00".replace(" ", ""))
AFTER_CRC = (
    struct.pack(">hi", 0, 0)  # attributes, last offset delta
    + struct.pack(">qq", 1_700_000_000_000, 1_700_000_000_000)
    + struct.pack(">qhi", 7, 2, 40)  # producer id, epoch, base sequence
    + struct.pack(">i", 1)
    + RECORD
)
BY_HAND = (
    struct.pack(">qiib", 0, 9 + len(AFTER_CRC), -1, 2)
    + struct.pack(">I", crc32c(AFTER_CRC))
    + AFTER_CRC
)


def test_crc_is_castagnoli():
    # Check value of CRC-32C in RFC 3720 appendix B.4 style: the digits 1 to 9.
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(b"56789", crc32c(b"1234")) == 0xE3069283


def test_a_batch_written_by_hand_is_read():
    header = parse_header(BY_HAND)
    assert header.size_bytes == len(BY_HAND)
    assert check_crc(BY_HAND, 0, header)
    assert (header.base_offset, header.last_offset, header.record_count) == (0, 0, 1)
    assert (header.producer_id, header.producer_epoch, header.base_sequence) == (7, 2, 40)
    assert header.max_timestamp == 1_700_000_000_000
    assert header.partition_leader_epoch == -1


def test_we_write_what_was_written_by_hand():
    batch = encode_batch(
        [(1_700_000_000_000, b"k", b"v", [])],
        producer_id=7,
        producer_epoch=2,
        base_sequence=40,
    )
    assert batch == BY_HAND


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        (TRANSACTIONAL, "is_transactional"),
        (CONTROL, "is_control"),
        (DELETE_HORIZON, "has_delete_horizon"),
        (LOG_APPEND_TIME, "timestamp_type"),
    ],
)
def test_each_attribute_is_its_own_bit(attributes, name):
    names = {"is_transactional", "is_control", "has_delete_horizon", "timestamp_type"}
    header = parse_header(encode_batch([(0, None, b"v", [])], compression=3, attributes=attributes))
    assert header.compression == 3
    assert {each for each in names if getattr(header, each)} == {name}


@pytest.mark.parametrize(
    ("base_sequence", "count", "last_sequence"),
    [(-1, 3, -1), (0, 1, 0), (5, 4, 8), (2**31 - 1, 1, 2**31 - 1), (2**31 - 2, 4, 1)],
)
def test_sequences_wrap_to_zero(base_sequence, count, last_sequence):
    batch = encode_batch(
        [(0, None, b"v", [])] * count,
        producer_id=1,
        producer_epoch=0,
        base_sequence=base_sequence,
    )
    assert parse_header(batch).last_sequence == last_sequence


def test_a_batch_is_found_behind_other_bytes():
    assert parse_header(b"xyz" + BY_HAND, 3) == parse_header(BY_HAND)
    assert check_crc(b"xyz" + BY_HAND + b"more", 3, parse_header(BY_HAND))


@pytest.mark.parametrize("size", [0, 16, 60])
def test_a_short_header_is_corrupt(size):
    with pytest.raises(KafkaFault) as caught:
        parse_header(BY_HAND[:size])
    assert caught.value.code == ErrorCode.CORRUPT_MESSAGE


@pytest.mark.parametrize("magic", [0, 1, 3, 0x52])
def test_another_magic_is_corrupt(magic):
    other = bytearray(BY_HAND)
    other[16] = magic
    with pytest.raises(KafkaFault) as caught:
        parse_header(other)
    assert caught.value.code == ErrorCode.CORRUPT_MESSAGE


@pytest.mark.parametrize("length", [-1, 0, 48])
def test_a_length_without_room_for_the_header_is_corrupt(length):
    other = bytearray(BY_HAND)
    struct.pack_into(">i", other, 8, length)
    with pytest.raises(KafkaFault) as caught:
        parse_header(other)
    assert caught.value.code == ErrorCode.CORRUPT_MESSAGE


def test_every_bit_after_the_crc_is_covered():
    for position in range(21, len(BY_HAND)):
        flipped = bytearray(BY_HAND)
        flipped[position] ^= 0x10
        assert not check_crc(flipped, 0, parse_header(BY_HAND))


def test_a_cut_batch_fails_its_check():
    assert not check_crc(BY_HAND[:-1], 0, parse_header(BY_HAND))


def test_stamping_what_the_log_assigns_keeps_the_crc():
    batch = bytearray(b"before") + BY_HAND
    stamp(memoryview(batch), 6, base_offset=2**40, leader_epoch=12)
    header = parse_header(batch, 6)
    assert (header.base_offset, header.partition_leader_epoch) == (2**40, 12)
    assert check_crc(batch, 6, header)
    assert [record.offset for record in decode_records(batch, 6)] == [2**40]
    assert batch[:6] == b"before"


def test_append_time_is_every_records_time():
    batch = encode_batch([(5, None, b"a", []), (9, None, b"b", [])])
    header = stamp_log_append_time(memoryview(batch), 0, 1_000)
    assert header == parse_header(batch)
    assert check_crc(batch, 0, header)
    assert [record.timestamp_ms for record in decode_records(batch)] == [1_000, 1_000]


def test_a_timestamp_that_stands_already_leaves_the_bytes():
    batch = bytearray(BY_HAND)
    stamp_timestamp(batch, 0, timestamp_type=0, max_timestamp=1_700_000_000_000)
    assert batch == BY_HAND


def test_append_time_can_be_taken_back():
    batch = encode_batch([(5, None, b"a", []), (9, None, b"b", [])])
    original = bytes(batch)
    stamp_log_append_time(batch, 0, 1_000)
    stamp_timestamp(batch, 0, timestamp_type=0, max_timestamp=9)
    assert batch == original


def test_a_run_is_walked_batch_by_batch():
    second = encode_batch([(0, None, b"x" * 100, [])] * 3, base_offset=1)
    run = BY_HAND + bytes(second)
    found = list(iter_batches(run))
    assert [(pos, header.base_offset) for pos, header in found] == [(0, 0), (len(BY_HAND), 1)]
    assert list(iter_batches(b"")) == []


@pytest.mark.parametrize("cut", [1, 5, 60, 61, 100])
def test_a_cut_last_batch_ends_the_run(cut):
    second = bytes(encode_batch([(0, None, b"x" * 200, [])], base_offset=1))
    assert len(list(iter_batches(BY_HAND + second[:cut]))) == 1


def test_garbage_between_batches_is_corrupt():
    run = BY_HAND + b"\x00" * 100
    found = iter_batches(run)
    next(found)
    with pytest.raises(KafkaFault) as caught:
        next(found)
    assert caught.value.code == ErrorCode.CORRUPT_MESSAGE
