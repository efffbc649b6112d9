"""What a produced batch must satisfy: each of Kafka's rules, its code, and their order."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import pytest

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.records.batch import (
    CONTROL,
    LOG_APPEND_TIME,
    MAGIC,
    TRANSACTIONAL,
    BatchHeader,
    check_crc,
    parse_header,
    seal,
)
from sprawl.core.records.record import build_batch, decode_records, encode_batch
from sprawl.core.records.validation import InvalidRecords, conform_to_topic, validate_produced

NOW_MS = 1_700_000_000_000
HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """Kafka's defaults."""

    cleanup_policy: frozenset[str] = frozenset({"delete"})
    max_message_bytes: int = 1_048_588
    message_timestamp_type: str = "CreateTime"
    message_timestamp_before_max_ms: int = 2**63 - 1
    message_timestamp_after_max_ms: int = HOUR_MS
    compression_type: str = "producer"
    compression_gzip_level: int = -1
    compression_lz4_level: int = 9
    compression_zstd_level: int = 3


COMPACTED = Topic(cleanup_policy=frozenset({"compact"}))
APPEND_TIME = Topic(message_timestamp_type="LogAppendTime")


def batch(*timestamps_ms: int, key: bytes | None = b"k", **options: object) -> bytearray:
    times = timestamps_ms or (NOW_MS,)
    return encode_batch([(each, key, b"value", []) for each in times], **options)


def with_header(buf: bytearray, **changes: int) -> bytearray:
    """The batch with other header fields and a CRC that fits them."""
    header = parse_header(buf)._replace(**changes)
    changed = bytearray(struct.pack(">qiibIhiqqqhii", *header)) + buf[61:]
    if "batch_length" not in changes:
        seal(changed, 0, len(changed))
    return changed


def validate(buf: bytes | bytearray, topic: Topic = Topic(), version: int = 9) -> BatchHeader:
    return validate_produced(
        memoryview(bytearray(buf)), config=topic, now_ms=NOW_MS, produce_version=version
    )


def refused(buf: bytes | bytearray, topic: Topic = Topic(), version: int = 9) -> KafkaFault:
    with pytest.raises(KafkaFault) as caught:
        validate(buf, topic, version)
    return caught.value


@pytest.mark.parametrize("codec", range(5))
@pytest.mark.parametrize("topic", [Topic(), COMPACTED, APPEND_TIME])
def test_a_sound_batch_passes_untouched(codec, topic):
    sent = batch(NOW_MS, NOW_MS + 5, NOW_MS - 5, compression=codec)
    buf = bytearray(sent)
    header = validate_produced(memoryview(buf), config=topic, now_ms=NOW_MS, produce_version=7)
    assert header == parse_header(sent)
    assert buf == sent


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"\x00" * 11,
        bytes(batch())[:16],
        bytes(batch())[:40],
        bytes(batch())[:-1],
        bytes(batch()) + bytes(batch()),
        bytes(batch()) + b"\x00",
    ],
    ids=[
        "nothing",
        "less than a length",
        "all but the magic",
        "half a header",
        "cut",
        "two batches",
        "a byte more",
    ],
)
def test_the_field_holds_exactly_one_batch(sent):
    assert refused(sent).code == ErrorCode.INVALID_RECORD


@pytest.mark.parametrize("magic", [0, 1])
@pytest.mark.parametrize("size", [17, 200])
def test_old_formats_are_invalid(magic, size):
    old = bytearray(size)
    struct.pack_into(">qiib", old, 0, 0, size - 12, 0, magic)
    assert refused(old).code == ErrorCode.INVALID_RECORD


@pytest.mark.parametrize("magic", [3, 0x52, 255])
def test_formats_that_do_not_exist_are_corrupt(magic):
    other = batch()
    other[16] = magic
    assert refused(other).code == ErrorCode.CORRUPT_MESSAGE


def test_a_length_without_room_for_a_header_is_corrupt():
    assert refused(with_header(batch(), batch_length=30)).code == ErrorCode.CORRUPT_MESSAGE
    short = bytearray(50)
    struct.pack_into(">qiib", short, 0, 0, 38, 0, 2)
    assert refused(short).code == ErrorCode.CORRUPT_MESSAGE


def test_a_wrong_checksum_is_corrupt():
    damaged = batch()
    damaged[-1] ^= 1
    assert refused(damaged).code == ErrorCode.CORRUPT_MESSAGE


def test_the_base_offset_is_0():
    assert refused(batch(base_offset=1)).code == ErrorCode.INVALID_RECORD


def test_the_size_as_sent_is_bounded():
    sent = batch()
    assert validate(sent, Topic(max_message_bytes=len(sent)))
    fault = refused(sent, Topic(max_message_bytes=len(sent) - 1))
    assert fault.code == ErrorCode.MESSAGE_TOO_LARGE


def test_the_size_counts_compressed():
    sent = encode_batch([(NOW_MS, b"k", b"a" * 100_000, [])], compression=1)
    assert validate(sent, Topic(max_message_bytes=1_000))


@pytest.mark.parametrize("version", [3, 6])
def test_zstd_needs_produce_7(version):
    assert refused(batch(compression=4), version=version).code == (
        ErrorCode.UNSUPPORTED_COMPRESSION_TYPE
    )
    assert validate(batch(compression=3), version=version)
    assert validate(batch(compression=4), version=7)


@pytest.mark.parametrize("codec", [5, 6, 7])
@pytest.mark.parametrize("version", [3, 13])
def test_codecs_that_do_not_exist(codec, version):
    fault = refused(with_header(batch(), attributes=codec), version=version)
    assert fault.code == ErrorCode.UNSUPPORTED_COMPRESSION_TYPE


@pytest.mark.parametrize(
    "changes",
    [
        {"record_count": 0, "last_offset_delta": -1},
        {"record_count": 0},
        {"record_count": -1, "last_offset_delta": -2},
        {"record_count": 3},
        {"last_offset_delta": 0},
        {"last_offset_delta": 5},
        {"last_offset_delta": -1},
        {"last_offset_delta": 2**31 - 1, "record_count": 2},
        {"attributes": CONTROL},
        {"attributes": CONTROL | TRANSACTIONAL, "producer_id": 1, "base_sequence": 0},
        {"producer_id": 1, "producer_epoch": 0, "base_sequence": -1},
        {"producer_id": 0, "producer_epoch": 0, "base_sequence": -1},
        {"attributes": TRANSACTIONAL},
    ],
    ids=str,
)
def test_a_header_that_contradicts_itself_is_invalid(changes):
    assert refused(with_header(batch(1, 2), **changes)).code == ErrorCode.INVALID_RECORD


def test_a_producers_batch_passes():
    sent = batch(producer_id=5, producer_epoch=0, base_sequence=9, attributes=TRANSACTIONAL)
    assert validate(sent).producer_id == 5
    assert validate(batch(producer_id=0, producer_epoch=0, base_sequence=0)).producer_id == 0


def test_the_order_of_the_rules():
    # Each breaks all later rules too; the code is that of the first.
    tiny = Topic(max_message_bytes=10)
    broken = with_header(batch(), attributes=CONTROL | 4, base_offset=7)
    broken[-1] ^= 1
    assert refused(bytes(broken) + b"more", tiny, 3).code == ErrorCode.UNSUPPORTED_COMPRESSION_TYPE
    assert refused(bytes(broken) + b"more", tiny).code == ErrorCode.INVALID_RECORD
    broken[7] = 0
    assert refused(broken, tiny).code == ErrorCode.MESSAGE_TOO_LARGE
    assert refused(broken).code == ErrorCode.CORRUPT_MESSAGE


@pytest.mark.parametrize("topic", [Topic(), APPEND_TIME, Topic(compression_type="uncompressed")])
def test_records_that_no_rule_is_about_are_not_read(topic):
    newest_ms = NOW_MS + HOUR_MS
    header = BatchHeader(0, 0, -1, MAGIC, 0, 0, 0, newest_ms, newest_ms, -1, -1, -1, 1)
    assert validate(build_batch(header, b"no records"), topic).record_count == 1
    assert refused(build_batch(header, b"no records"), COMPACTED).code == ErrorCode.INVALID_RECORD


# --- rules about records -------------------------------------------------------------------------


@pytest.mark.parametrize("codec", range(5))
def test_a_compacted_topic_needs_keys_and_names_the_records_without(codec):
    records = [(NOW_MS, key, b"v", []) for key in (b"a", None, b"", None, b"b")]
    fault = refused(encode_batch(records, compression=codec), COMPACTED)
    assert isinstance(fault, InvalidRecords)
    assert fault.code == ErrorCode.INVALID_RECORD
    assert [error.batch_index for error in fault.record_errors] == [1, 3]
    assert validate(encode_batch(records, compression=codec))


def test_compact_and_delete_needs_keys_too():
    both = Topic(cleanup_policy=frozenset({"compact", "delete"}))
    assert refused(batch(key=None), both).code == ErrorCode.INVALID_RECORD


@pytest.mark.parametrize(
    ("timestamps_ms", "bad"),
    [
        ([NOW_MS + HOUR_MS], []),
        ([NOW_MS, NOW_MS + HOUR_MS + 1, NOW_MS], [1]),
        ([NOW_MS + 2 * HOUR_MS, NOW_MS + 3 * HOUR_MS], [0, 1]),
        ([0], []),
        ([-1, -1], []),
    ],
)
def test_timestamps_too_far_ahead(timestamps_ms, bad):
    sent = batch(*timestamps_ms)
    if not bad:
        assert validate(sent)
        return
    fault = refused(sent)
    assert isinstance(fault, InvalidRecords)
    assert fault.code == ErrorCode.INVALID_TIMESTAMP
    assert [error.batch_index for error in fault.record_errors] == bad


def test_timestamps_too_old():
    topic = Topic(message_timestamp_before_max_ms=1_000)
    assert validate(batch(NOW_MS - 1_000, -1), topic)
    fault = refused(batch(NOW_MS, NOW_MS - 1_001), topic)
    assert isinstance(fault, InvalidRecords)
    assert fault.code == ErrorCode.INVALID_TIMESTAMP
    assert [error.batch_index for error in fault.record_errors] == [1]


def test_a_wrong_timestamp_beside_a_missing_key_is_the_timestamps_code():
    records = [(NOW_MS, None, b"", []), (NOW_MS + 2 * HOUR_MS, b"k", b"", [])]
    fault = refused(encode_batch(records), COMPACTED)
    assert isinstance(fault, InvalidRecords)
    assert fault.code == ErrorCode.INVALID_TIMESTAMP
    assert [error.batch_index for error in fault.record_errors] == [0, 1]


def test_append_time_topics_do_not_look_at_the_producers_time():
    topic = Topic(message_timestamp_type="LogAppendTime", message_timestamp_before_max_ms=0)
    assert validate(batch(5, NOW_MS + 9 * HOUR_MS), topic)


def test_a_producer_may_not_claim_append_time_on_an_append_time_topic():
    fault = refused(batch(NOW_MS, NOW_MS, attributes=LOG_APPEND_TIME), APPEND_TIME)
    assert isinstance(fault, InvalidRecords)
    assert fault.code == ErrorCode.INVALID_TIMESTAMP
    assert [error.batch_index for error in fault.record_errors] == [0, 1]


def test_a_claim_of_append_time_on_a_create_time_topic_is_taken_back():
    buf = batch(NOW_MS, NOW_MS + 7, attributes=LOG_APPEND_TIME)
    header = validate_produced(memoryview(buf), config=Topic(), now_ms=NOW_MS, produce_version=9)
    assert header == parse_header(buf)
    assert check_crc(buf, 0, header)
    assert [each.timestamp_ms for each in decode_records(buf)] == [NOW_MS, NOW_MS + 7]


@pytest.mark.parametrize("max_timestamp", [NOW_MS + 9 * HOUR_MS, 0])
def test_a_max_timestamp_that_no_record_has_is_corrected(max_timestamp):
    buf = with_header(batch(NOW_MS, NOW_MS + 7), max_timestamp=max_timestamp)
    header = validate_produced(memoryview(buf), config=Topic(), now_ms=NOW_MS, produce_version=9)
    assert header.max_timestamp == NOW_MS + 7
    assert header == parse_header(buf)
    assert check_crc(buf, 0, header)


@pytest.mark.parametrize(
    ("section", "codec"),
    [(b"garbage", 0), (b"", 0), (b"\x02" * 40, 0), (b"not gzip", 1), (b"not zstd", 4)],
)
def test_malformed_records_are_invalid_where_records_are_read(section, codec):
    header = BatchHeader(0, 0, -1, MAGIC, 0, 0, 1, NOW_MS, NOW_MS, -1, -1, -1, 2)
    broken = with_header(build_batch(header, section), attributes=codec)
    assert refused(broken, COMPACTED).code == ErrorCode.INVALID_RECORD


def test_offset_deltas_must_count_up_where_records_are_read():
    sent = encode_batch([(NOW_MS, b"k", b"", [])] * 2, offsets=[1, 1])
    assert parse_header(sent).last_offset_delta == 1
    fault = refused(sent, COMPACTED)
    assert isinstance(fault, InvalidRecords)
    assert fault.code == ErrorCode.INVALID_RECORD
    assert [error.batch_index for error in fault.record_errors] == [0]


# --- what the topic makes of it ------------------------------------------------------------------


def conform(sent: bytearray, topic: Topic) -> tuple[memoryview, BatchHeader]:
    buf = memoryview(sent)
    header = validate_produced(buf, config=topic, now_ms=NOW_MS, produce_version=9)
    out, header = conform_to_topic(buf, header, config=topic, now_ms=NOW_MS + 1)
    assert header == parse_header(out)
    assert check_crc(out, 0, header)
    return out, header


@pytest.mark.parametrize("codec", range(5))
def test_the_producers_codec_is_kept(codec):
    sent = batch(compression=codec)
    out, _ = conform(bytearray(sent), Topic())
    assert out == sent


@pytest.mark.parametrize(
    ("name", "codec"),
    [("uncompressed", 0), ("gzip", 1), ("snappy", 2), ("lz4", 3), ("zstd", 4)],
)
@pytest.mark.parametrize("sent_codec", range(5))
def test_the_topics_codec_is_given(name, codec, sent_codec):
    sent = batch(
        NOW_MS, NOW_MS - 9, compression=sent_codec, producer_id=5, producer_epoch=1, base_sequence=3
    )
    out, header = conform(bytearray(sent), Topic(compression_type=name))
    assert header.compression == codec
    assert list(decode_records(out)) == list(decode_records(sent))
    assert (header.producer_id, header.producer_epoch, header.base_sequence) == (5, 1, 3)
    if codec == sent_codec:
        assert out == sent


def test_levels_of_the_topic_are_used():
    value = bytes(index * index % 251 for index in range(20_000))
    sent = encode_batch([(NOW_MS, b"k", value, [])])
    fast, _ = conform(bytearray(sent), Topic(compression_type="gzip", compression_gzip_level=1))
    best, _ = conform(bytearray(sent), Topic(compression_type="gzip", compression_gzip_level=9))
    assert len(best) < len(fast)


def test_the_size_counts_again_in_the_new_codec():
    sent = encode_batch([(NOW_MS, b"k", b"a" * 5_000, [])], compression=1)
    size_bytes = len(encode_batch([(NOW_MS, b"k", b"a" * 5_000, [])]))
    fits = Topic(compression_type="uncompressed", max_message_bytes=size_bytes)
    assert conform(bytearray(sent), fits)[1].size_bytes == size_bytes
    topic = Topic(compression_type="uncompressed", max_message_bytes=size_bytes - 1)
    header = validate(sent, topic)
    with pytest.raises(KafkaFault) as caught:
        conform_to_topic(memoryview(sent), header, config=topic, now_ms=NOW_MS)
    assert caught.value.code == ErrorCode.MESSAGE_TOO_LARGE


def test_append_time_is_stamped_in_place():
    sent = batch(3, 9, compression=3)
    out, header = conform(sent, APPEND_TIME)
    assert out == sent
    assert header.max_timestamp == NOW_MS + 1
    assert [each.timestamp_ms for each in decode_records(out)] == [NOW_MS + 1] * 2
