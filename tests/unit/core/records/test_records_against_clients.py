"""Our batches and those of kafka-python and aiokafka, each read by the other, byte for byte."""

from __future__ import annotations

import warnings

import pytest
from aiokafka.record.default_records import DefaultRecordBatch as AioBatch
from aiokafka.record.default_records import DefaultRecordBatchBuilder as AioBuilder

from sprawl.core.records.batch import check_crc, iter_batches, parse_header
from sprawl.core.records.record import Record, decode_records, encode_batch

with warnings.catch_warnings():  # it reads its files with a deprecated importlib.resources call
    warnings.simplefilter("ignore", DeprecationWarning)
    from kafka.record.default_records import DefaultRecordBatchBuilder
    from kafka.record.memory_records import MemoryRecords

RECORDS = [
    (1_700_000_000_000, b"first", b"v" * 200, [("h", b"1"), ("h2", None)]),
    (1_700_000_000_050, None, b"", []),
    (1_699_999_999_000, b"tombstone", None, []),
]
PRODUCER = {"producer_id": 4_000_000_000, "producer_epoch": 3, "base_sequence": 2_000_000_000}


def theirs(codec: int, builder_class: type = DefaultRecordBatchBuilder) -> bytes:
    builder = builder_class(
        magic=2,
        compression_type=codec,
        is_transactional=0,
        batch_size=1_000_000,
        **PRODUCER,
    )
    for index, (timestamp_ms, key, value, headers) in enumerate(RECORDS):
        builder.append(index, timestamp_ms, key, value, headers)
    return bytes(builder.build())


def as_records(records: object) -> list[Record]:
    return [
        Record(each.offset, each.timestamp, each.key, each.value, list(each.headers))
        for each in records
    ]


def expected() -> list[Record]:
    return [Record(index, *each) for index, each in enumerate(RECORDS)]


def test_the_same_bytes_without_compression():
    assert encode_batch(RECORDS, leader_epoch=0, **PRODUCER) == _with_epoch(theirs(0), 0)


def _with_epoch(batch: bytes, leader_epoch: int) -> bytes:
    return batch[:12] + leader_epoch.to_bytes(4, "big", signed=True) + batch[16:]


@pytest.mark.parametrize("codec", [0, 1, 3, 4])
def test_we_read_kafka_python(codec):
    batch = theirs(codec)
    header = parse_header(batch)
    assert check_crc(batch, 0, header)
    assert header.compression == codec
    assert (header.producer_id, header.producer_epoch) == (4_000_000_000, 3)
    assert header.base_sequence == 2_000_000_000
    assert list(decode_records(batch)) == expected()


@pytest.mark.parametrize("codec", [0, 1, 3, 4])
def test_kafka_python_reads_us(codec):
    first = encode_batch(RECORDS, compression=codec, **PRODUCER)
    second = encode_batch(RECORDS, base_offset=3, compression=codec)
    batches = MemoryRecords(bytes(first + second))
    read = batches.next_batch()
    assert read.validate_crc()
    assert (read.producer_id, read.producer_epoch) == (4_000_000_000, 3)
    assert read.last_sequence == parse_header(first).last_sequence
    assert as_records(read) == expected()
    assert [each.offset for each in batches.next_batch()] == [3, 4, 5]
    assert batches.next_batch() is None


@pytest.mark.parametrize("codec", range(5))
def test_we_read_aiokafka(codec):
    batch = theirs(codec, AioBuilder)
    assert check_crc(batch, 0, parse_header(batch))
    assert list(decode_records(batch)) == expected()


@pytest.mark.parametrize("codec", range(5))
def test_aiokafka_reads_us(codec):
    read = AioBatch(bytes(encode_batch(RECORDS, compression=codec, **PRODUCER)))
    assert read.validate_crc()
    assert as_records(read) == expected()


def test_a_run_of_both_is_walked():
    run = theirs(1) + bytes(encode_batch(RECORDS)) + theirs(4, AioBuilder)
    assert [header.compression for _, header in iter_batches(run)] == [1, 0, 4]
