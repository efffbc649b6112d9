"""Offsets by time, record by record, in and out of compressed batches."""

from __future__ import annotations

import pytest

from sprawl.core.errors import KafkaFault
from sprawl.core.records.batch import stamp_log_append_time
from sprawl.core.records.record import encode_batch
from sprawl.core.records.timestamps import first_at_or_after, max_timestamp


def run(codec: int) -> bytes:
    """Offsets 0 to 2, then 3 to 5; times do not ascend."""
    first = [(100, None, b"", []), (300, None, b"", []), (200, None, b"", [])]
    second = [(250, None, b"", []), (300, None, b"", []), (50, None, b"", [])]
    return bytes(
        encode_batch(first, compression=codec)
        + encode_batch(second, base_offset=3, compression=codec)
    )


@pytest.mark.parametrize("codec", range(5))
@pytest.mark.parametrize(
    ("timestamp_ms", "found"),
    [(0, (0, 100)), (100, (0, 100)), (101, (1, 300)), (300, (1, 300)), (301, None)],
)
def test_first_at_or_after(codec, timestamp_ms, found):
    assert first_at_or_after(run(codec), timestamp_ms) == found


@pytest.mark.parametrize(
    ("start_offset", "end_offset", "first", "largest"),
    [
        (0, None, (1, 300), (1, 300)),
        (2, None, (2, 200), (4, 300)),
        (3, None, (3, 250), (4, 300)),
        (5, None, None, (5, 50)),
        (6, None, None, None),
        (0, 1, None, (0, 100)),
        (2, 4, (2, 200), (3, 250)),
        (0, 0, None, None),
    ],
)
def test_bounds_may_lie_inside_a_batch(start_offset, end_offset, first, largest):
    bounds = {"start_offset": start_offset, "end_offset": end_offset}
    assert first_at_or_after(run(1), 150, **bounds) == first
    assert max_timestamp(run(1), **bounds) == largest


def test_append_time_belongs_to_every_record():
    batch = encode_batch([(1, None, b"", []), (2, None, b"", [])], base_offset=7)
    stamp_log_append_time(batch, 0, 500)
    assert first_at_or_after(batch, 500) == (7, 500)
    assert first_at_or_after(batch, 501) is None
    assert first_at_or_after(batch, 400, start_offset=8) == (8, 500)
    assert max_timestamp(batch) == (7, 500)


def test_nothing_in_nothing():
    assert first_at_or_after(b"", 0) is None
    assert max_timestamp(b"") is None


def test_a_batch_that_cannot_qualify_is_not_read():
    damaged = bytearray(run(1))
    damaged[61:70] = b"xxxxxxxxx"
    with pytest.raises(KafkaFault):
        first_at_or_after(damaged, 100)
    assert first_at_or_after(damaged, 100, start_offset=3) == (3, 250)
