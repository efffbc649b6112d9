"""Any records come back, and any bytes give records or a KafkaFault."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.records.batch import HEADER, MAGIC, BatchHeader, check_crc, parse_header
from sprawl.core.records.compression import compress, decompress
from sprawl.core.records.control import read_marker
from sprawl.core.records.producers import ProducerTable
from sprawl.core.records.record import Record, build_batch, decode_records, encode_batch
from sprawl.core.records.timestamps import TimedOffset, first_at_or_after, max_timestamp
from sprawl.core.records.validation import validate_produced
from sprawl.core.records.varint import append_varint, read_varint

INT64 = st.integers(-(2**63), 2**63 - 1)
TIMES = st.integers(-1, 2**42)
BYTES = st.none() | st.binary(max_size=200)
HEADERS = st.lists(st.tuples(st.text(max_size=20), BYTES), max_size=3)
RECORDS = st.lists(st.tuples(TIMES, BYTES, BYTES, HEADERS), min_size=1, max_size=20)
CODECS = st.integers(0, 4)


class CompactedTopic:
    """A topic whose rules have every record read."""

    cleanup_policy = frozenset({"compact"})
    max_message_bytes = 2**31
    message_timestamp_type = "CreateTime"
    message_timestamp_before_max_ms = 2**62
    message_timestamp_after_max_ms = 2**62
    compression_type = "producer"
    compression_gzip_level = -1
    compression_lz4_level = 9
    compression_zstd_level = 3


def code_of(call: Callable[[], object]) -> ErrorCode | None:
    """The code of the fault that the call raises; None when it returns."""
    try:
        call()
    except KafkaFault as fault:
        return fault.code
    return None


@given(RECORDS, CODECS, st.integers(0, 2**50), st.integers(-1, 2**31 - 1))
def test_records_come_back(records, codec, base_offset, base_sequence):
    batch = encode_batch(
        records,
        base_offset=base_offset,
        compression=codec,
        producer_id=1,
        base_sequence=base_sequence,
    )
    header = parse_header(batch)
    assert check_crc(batch, 0, header)
    assert header.last_offset == base_offset + len(records) - 1
    assert header.max_timestamp == max(record[0] for record in records)
    assert list(decode_records(batch)) == [
        Record(base_offset + index, *record) for index, record in enumerate(records)
    ]


@given(RECORDS, CODECS, TIMES)
def test_look_ups_by_time_agree_with_reading_everything(records, codec, timestamp_ms):
    batch = encode_batch(records, compression=codec)
    times = [TimedOffset(each.offset, each.timestamp_ms) for each in decode_records(batch)]
    later = [each for each in times if each.timestamp_ms >= timestamp_ms]
    assert first_at_or_after(batch, timestamp_ms) == (later[0] if later else None)
    assert max_timestamp(batch) == max(times, key=lambda each: (each.timestamp_ms, -each.offset))


@given(INT64)
def test_varints_come_back(value):
    out = bytearray()
    append_varint(out, value)
    assert read_varint(bytes(out), 0, 10) == (value, len(out))


@given(st.binary(max_size=300), st.integers(1, 4))
def test_any_bytes_decompress_or_are_a_fault(data, codec):
    outcome = code_of(lambda: decompress(codec, data, 1_000_000))
    assert outcome in (None, ErrorCode.INVALID_RECORD)


@given(st.binary(max_size=2_000), st.integers(1, 4), st.data())
def test_damaged_data_decompresses_or_is_a_fault(content, codec, data):
    packed = bytearray(compress(codec, content))
    for _ in range(data.draw(st.integers(1, 3))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    outcome = code_of(lambda: decompress(codec, packed, 10_000_000))
    assert outcome in (None, ErrorCode.INVALID_RECORD)


@given(st.binary(max_size=120), st.integers(-2, 50), st.integers(0, 7), st.integers(0, 2))
def test_any_section_gives_records_or_a_fault(section, count, codec, attributes):
    """Behind a sound header and CRC, which is how far the produce path looks by itself."""
    flags = codec | attributes << 4
    header = BatchHeader(0, 0, -1, MAGIC, 0, 0, max(count - 1, 0), 5, 5, 1, 0, 0, count)
    batch = build_batch(header, section)
    batch[22] = flags
    header = parse_header(batch)
    for read in (
        lambda: list(decode_records(batch)),
        lambda: first_at_or_after(batch, 0),
        lambda: max_timestamp(batch),
        lambda: read_marker(batch, 0, header),
        lambda: ProducerTable().replay(batch, 0, header, 0),
    ):
        assert code_of(read) in (
            None,
            ErrorCode.INVALID_RECORD,
            ErrorCode.UNSUPPORTED_COMPRESSION_TYPE,
        )


@given(RECORDS, CODECS, st.data())
def test_a_produced_batch_with_any_damage_is_refused_or_sound(records, codec, data):
    batch = encode_batch(records, compression=codec)
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(batch) - 1))
        batch[at] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del batch[data.draw(st.integers(0, len(batch) - 1)) :]
    try:
        header = validate_produced(
            memoryview(batch), config=CompactedTopic(), now_ms=2**41, produce_version=9
        )
    except KafkaFault:
        return
    assert check_crc(batch, 0, header)
    assert len(list(decode_records(batch))) == header.record_count
    assert all(record.key is not None for record in decode_records(batch))


@given(st.binary(max_size=200))
def test_any_bytes_as_a_header(data):
    outcome = code_of(lambda: parse_header(data))
    assert outcome in (None, ErrorCode.CORRUPT_MESSAGE)
    if outcome is None:
        assert HEADER.pack(*parse_header(data)) == data[: HEADER.size]
