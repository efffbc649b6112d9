"""Which partition a key belongs to: the Java client's default, murmur2.

Source: Apache Kafka's DefaultPartitioner behaviour; murmur2 is Austin Appleby's public domain
hash, 32 bit, with the seed that Kafka's clients use.
"""

from __future__ import annotations

_SEED = 0x9747B28C
_MULTIPLIER = 0x5BD1E995
_MASK = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """Returns: the hash in [0, 2**32), the same bits as Java's signed int."""
    length = len(data)
    value = (_SEED ^ length) & _MASK
    whole = length & ~3
    for at in range(0, whole, 4):
        word = int.from_bytes(data[at : at + 4], "little")
        word = word * _MULTIPLIER & _MASK
        word ^= word >> 24
        word = word * _MULTIPLIER & _MASK
        value = (value * _MULTIPLIER & _MASK) ^ word
    if length > whole:
        value ^= int.from_bytes(data[whole:], "little")
        value = value * _MULTIPLIER & _MASK
    value ^= value >> 13
    value = value * _MULTIPLIER & _MASK
    return value ^ (value >> 15)


def partition_for(key: bytes, partition_count: int) -> int:
    """Returns: the partition in [0, partition_count) that Java's producer would choose."""
    return (murmur2(key) & 0x7FFFFFFF) % partition_count
