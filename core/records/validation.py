"""What a produced batch must satisfy before the log takes it.

The rules and their order are Kafka's (README, "Produce"). A batch that meets them all is looked at
by header and checksum only; records are read when a rule is about records: the topic is compacted,
its oldest allowed timestamp is bounded, its codec differs from the batch's, or the header's own
timestamps are out of range or contradict each other.

Source: KIP-98, KIP-32, KIP-467 (record errors), KIP-937 (timestamp bounds), KIP-110 (zstd).
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Sequence
from typing import Final, NamedTuple, Protocol, TypeVar

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.records.batch import (
    CODEC_MASK,
    CONTROL,
    CRC_START,
    HEADER,
    LENGTH_END,
    LOG_APPEND_TIME,
    MAGIC,
    MAGIC_OFFSET,
    NO_TIMESTAMP,
    TRANSACTIONAL,
    BatchHeader,
    parse_header,
    stamp_log_append_time,
    stamp_timestamp,
)
from sprawl.core.records.compression import CODEC_NAMES, NONE, ZSTD
from sprawl.core.records.crc import crc32c
from sprawl.core.records.record import build_batch, read_section, walk_records

ZSTD_PRODUCE_VERSION_MIN: Final = 7

_LENGTH: Final = struct.Struct(">i")
_LENGTH_OFFSET: Final = 8


class ProduceRules(Protocol):
    """The configs of a topic that decide about a produced batch, by Kafka's names."""

    @property
    def cleanup_policy(self) -> Collection[str]:
        """`delete`, `compact` or both."""

    @property
    def max_message_bytes(self) -> int: ...

    @property
    def message_timestamp_type(self) -> str:
        """`CreateTime` or `LogAppendTime`."""

    @property
    def message_timestamp_before_max_ms(self) -> int: ...

    @property
    def message_timestamp_after_max_ms(self) -> int: ...

    @property
    def compression_type(self) -> str:
        """`producer`, `uncompressed`, or the name of a codec."""

    @property
    def compression_gzip_level(self) -> int: ...

    @property
    def compression_lz4_level(self) -> int: ...

    @property
    def compression_zstd_level(self) -> int: ...


class RecordError(NamedTuple):
    """Which record of the batch (counted from 0) is refused, and why."""

    batch_index: int
    message: str


class InvalidRecords(KafkaFault):
    """A batch is refused for some of its records.

    Args:
        record_errors: one for each bad record, in order; Produce v8 and later carries them.
    """

    def __init__(self, code: ErrorCode, message: str, record_errors: Sequence[RecordError]) -> None:
        super().__init__(code, message)
        self.record_errors = list(record_errors)


InvalidRecordsT = TypeVar("InvalidRecordsT", bound=InvalidRecords)


def validate_produced(
    buf: memoryview, *, config: ProduceRules, now_ms: int, produce_version: int
) -> BatchHeader:
    """Check the records field of one partition of a Produce request.

    When the records had to be read and the header's max timestamp is not theirs, it is corrected in
    place, as Kafka does.

    Args:
        buf: writable, exactly one batch.
        now_ms: wall time, milliseconds since the epoch.
        produce_version: of the request.

    Returns:
        The header as it stands in `buf`.

    Raises:
        KafkaFault: INVALID_RECORD, CORRUPT_MESSAGE, MESSAGE_TOO_LARGE, INVALID_TIMESTAMP,
            UNSUPPORTED_COMPRESSION_TYPE. Faults of single records are `InvalidRecords`.
    """
    try:
        header = tuple.__new__(BatchHeader, HEADER.unpack_from(buf))
    except struct.error:
        raise _no_batch(buf) from None
    size_bytes = LENGTH_END + header[1]
    attributes = header[5]
    if (
        header[3] != MAGIC
        or size_bytes != len(buf)
        or header[0] != 0
        or size_bytes > config.max_message_bytes
        or ((attributes & CODEC_MASK) >= ZSTD and produce_version < ZSTD_PRODUCE_VERSION_MIN)
    ):
        _refuse_frame(buf, header, config, produce_version)
    if crc32c(buf[CRC_START:]) != header[4]:
        raise KafkaFault(
            ErrorCode.CORRUPT_MESSAGE, "The checksum of the record batch does not match its bytes."
        )
    count = header[12]
    if (
        count <= 0
        or header[6] + 1 != count
        or attributes & CONTROL
        or (header[11] < 0 if header[9] >= 0 else attributes & TRANSACTIONAL)
        or (attributes & CODEC_MASK) > ZSTD
    ):
        _refuse_header(header)
    if _records_matter(header, config, now_ms):
        return _validate_records(buf, header, config, now_ms)
    return header


def _no_batch(buf: memoryview) -> KafkaFault:
    if len(buf) > MAGIC_OFFSET:
        (length,) = _LENGTH.unpack_from(buf, _LENGTH_OFFSET)
        if LENGTH_END + length <= len(buf) and buf[MAGIC_OFFSET] not in (0, 1):
            return KafkaFault(
                ErrorCode.CORRUPT_MESSAGE, "The record batch is smaller than its header."
            )
        if buf[MAGIC_OFFSET] in (0, 1):
            return _old_format(buf[MAGIC_OFFSET])
    return KafkaFault(
        ErrorCode.INVALID_RECORD, "A partition's records must hold one whole record batch."
    )


def _old_format(magic: int) -> KafkaFault:
    return KafkaFault(
        ErrorCode.INVALID_RECORD,
        f"Produce requests carry record batches of magic 2, not {magic}.",
    )


def _refuse_frame(
    buf: memoryview, header: BatchHeader, config: ProduceRules, produce_version: int
) -> None:
    """Find the rule that the fast check saw broken; the order is Kafka's."""
    if header.magic in (0, 1):
        raise _old_format(header.magic)
    parse_header(buf)
    if header.size_bytes > len(buf):
        raise _no_batch(buf[:0])
    if header.compression == ZSTD and produce_version < ZSTD_PRODUCE_VERSION_MIN:
        raise KafkaFault(
            ErrorCode.UNSUPPORTED_COMPRESSION_TYPE,
            f"zstd needs Produce version {ZSTD_PRODUCE_VERSION_MIN} or later.",
        )
    if header.size_bytes < len(buf):
        raise KafkaFault(
            ErrorCode.INVALID_RECORD,
            "A partition's records must be exactly one record batch;"
            f" {len(buf) - header.size_bytes} bytes follow the first.",
        )
    if header.base_offset != 0:
        raise KafkaFault(
            ErrorCode.INVALID_RECORD,
            f"The base offset of a produced batch must be 0; it is {header.base_offset}.",
        )
    if header.size_bytes > config.max_message_bytes:
        raise _too_large(header.size_bytes, config)


def _too_large(size_bytes: int, config: ProduceRules) -> KafkaFault:
    return KafkaFault(
        ErrorCode.MESSAGE_TOO_LARGE,
        f"The record batch has {size_bytes} bytes; max.message.bytes is"
        f" {config.max_message_bytes}.",
    )


def _refuse_header(header: BatchHeader) -> None:
    if header.last_offset_delta < 0:
        detail = f"the offset range of the batch ends before it starts ({header.last_offset_delta})"
    elif header.record_count <= 0:
        detail = f"the batch counts {header.record_count} records"
    elif header.last_offset_delta + 1 != header.record_count:
        detail = (
            f"the batch counts {header.record_count} records"
            f" for {header.last_offset_delta + 1} offsets"
        )
    elif header.is_control:
        detail = "clients may not write control records"
    elif header.producer_id >= 0 and header.base_sequence < 0:
        detail = f"producer id {header.producer_id} comes with the sequence {header.base_sequence}"
    elif header.compression > ZSTD:
        raise KafkaFault(
            ErrorCode.UNSUPPORTED_COMPRESSION_TYPE,
            f"There is no compression codec {header.compression}.",
        )
    else:
        detail = "a transactional batch has no producer id"
    raise KafkaFault(ErrorCode.INVALID_RECORD, f"The record batch is not valid: {detail}.")


def _records_matter(header: BatchHeader, config: ProduceRules, now_ms: int) -> bool:
    if "compact" in config.cleanup_policy:
        return True
    if config.compression_type != "producer" and header.compression != _target_codec(config):
        return True
    if header.attributes & LOG_APPEND_TIME:
        return True
    if config.message_timestamp_type == "LogAppendTime":
        return False
    return (
        config.message_timestamp_before_max_ms < now_ms
        or header.max_timestamp > now_ms + config.message_timestamp_after_max_ms
        or header.max_timestamp < header.base_timestamp
    )


def _validate_records(
    buf: memoryview, header: BatchHeader, config: ProduceRules, now_ms: int
) -> BatchHeader:
    needs_key = "compact" in config.cleanup_policy
    stamps_append_time = config.message_timestamp_type == "LogAppendTime"
    claims_append_time = bool(header.attributes & LOG_APPEND_TIME)
    oldest_ms = now_ms - config.message_timestamp_before_max_ms
    newest_ms = now_ms + config.message_timestamp_after_max_ms
    errors: list[RecordError] = []
    is_timestamp_wrong = False
    latest_ms = NO_TIMESTAMP
    section = read_section(buf, 0, header)
    for index, record in enumerate(walk_records(section, header.record_count)):
        if record.offset_delta != index:
            errors.append(RecordError(index, f"Its offset delta is {record.offset_delta}."))
            continue
        timestamp_ms = (
            header.max_timestamp
            if claims_append_time
            else header.base_timestamp + record.timestamp_delta
        )
        latest_ms = max(latest_ms, timestamp_ms)
        if needs_key and record.key is None:
            errors.append(RecordError(index, "A record of a compacted topic needs a key."))
        elif not stamps_append_time and timestamp_ms != NO_TIMESTAMP:
            if not oldest_ms <= timestamp_ms <= newest_ms:
                is_timestamp_wrong = True
                detail = f"Its timestamp {timestamp_ms} is not in [{oldest_ms}, {newest_ms}]."
                errors.append(RecordError(index, detail))
        elif claims_append_time:
            is_timestamp_wrong = True
            errors.append(RecordError(index, "Its timestamp type is LogAppendTime."))
    if errors:
        code = ErrorCode.INVALID_TIMESTAMP if is_timestamp_wrong else ErrorCode.INVALID_RECORD
        raise refused(InvalidRecords, code, errors)
    if stamps_append_time:
        return header
    return stamp_timestamp(buf, 0, timestamp_type=0, max_timestamp=latest_ms)


def refused(
    kind: type[InvalidRecordsT], code: ErrorCode, errors: list[RecordError]
) -> InvalidRecordsT:
    """The fault of a batch with these bad records, of which there is at least one."""
    first = errors[0]
    return kind(
        code,
        f"{len(errors)} records are not valid;"
        f" the first is number {first.batch_index}: {first.message}",
        errors,
    )


# --- what the topic makes of a valid batch -------------------------------------------------------


def conform_to_topic(
    buf: memoryview, header: BatchHeader, *, config: ProduceRules, now_ms: int
) -> tuple[memoryview, BatchHeader]:
    """Give a valid batch the codec and the timestamps that its topic asks for.

    A topic with `compression.type=producer` and CreateTime gets the very bytes it was sent.

    Args:
        buf: writable; changed in place unless it has to be compressed anew.
        header: what `validate_produced` returned.

    Returns:
        The batch to append and its header.

    Raises:
        KafkaFault: MESSAGE_TOO_LARGE when the batch is over max.message.bytes in its new codec.
    """
    if config.compression_type != "producer":
        codec = _target_codec(config)
        if codec != header.compression:
            buf = _recompressed(buf, header, codec, config)
            header = parse_header(buf)
            if header.size_bytes > config.max_message_bytes:
                raise _too_large(header.size_bytes, config)
    if config.message_timestamp_type == "LogAppendTime":
        header = stamp_log_append_time(buf, 0, now_ms)
    return buf, header


def _target_codec(config: ProduceRules) -> int:
    name = config.compression_type
    return NONE if name == "uncompressed" else CODEC_NAMES.index(name)


def _recompressed(
    buf: memoryview, header: BatchHeader, codec: int, config: ProduceRules
) -> memoryview:
    section = read_section(buf, 0, header)
    levels = {
        "gzip": config.compression_gzip_level,
        "lz4": config.compression_lz4_level,
        "zstd": config.compression_zstd_level,
    }
    changed = header._replace(attributes=header.attributes & ~CODEC_MASK | codec)
    return memoryview(build_batch(changed, section, level=levels.get(CODEC_NAMES[codec])))
