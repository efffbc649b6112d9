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
