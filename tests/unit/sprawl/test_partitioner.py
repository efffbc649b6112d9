"""Keys land where Java's producer would put them."""

from __future__ import annotations

import pytest

from sprawl.client.partitioner import murmur2, partition_for

JAVA = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}
"""Hashes that Kafka's Java clients give, as signed 32-bit integers."""


@pytest.mark.parametrize(("key", "expected"), JAVA.items())
def test_murmur2_gives_the_bits_of_the_java_client(key: bytes, expected: int) -> None:
    assert murmur2(key) == expected & 0xFFFFFFFF


def test_every_tail_length_is_hashed() -> None:
    hashes = {murmur2(b"abcd" + b"x" * tail) for tail in range(8)}
    assert len(hashes) == 8


@pytest.mark.parametrize(("key", "expected"), JAVA.items())
def test_a_negative_hash_still_names_a_partition(key: bytes, expected: int) -> None:
    assert partition_for(key, 7) == (expected & 0x7FFFFFFF) % 7


def test_one_partition_takes_every_key() -> None:
    assert {partition_for(bytes([n]), 1) for n in range(256)} == {0}
