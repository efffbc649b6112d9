"""What the client hands out is what was written, or nothing."""

from __future__ import annotations

import pytest

from sprawl.client.fetching import _records
from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.records.record import encode_batch


def test_a_flipped_bit_of_a_value_is_refused() -> None:
    data = bytearray(encode_batch([(1_000, b"k", b"value", [])]))
    read = [record.value for record, _ in _records(memoryview(data), 0) if record is not None]
    assert read == [b"value"]
    data[-2] ^= 1
    with pytest.raises(KafkaFault) as refused:
        list(_records(memoryview(data), 0))
    assert refused.value.code is ErrorCode.CORRUPT_MESSAGE


def test_a_batch_that_seems_to_end_before_the_position_is_not_passed_over() -> None:
    records = [(1_000, b"k", b"value", [])] * 4
    data = bytearray(encode_batch(records))
    assert [record.offset for record, _ in _records(memoryview(data), 3) if record] == [3]
    data[26] ^= 2  # the last offset delta
    with pytest.raises(KafkaFault) as refused:
        list(_records(memoryview(data), 3))
    assert refused.value.code is ErrorCode.CORRUPT_MESSAGE
