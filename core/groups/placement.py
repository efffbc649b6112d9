"""Which partition of __consumer_offsets a group lives in: Java's String.hashCode, made positive.

Tools and other brokers compute the same, so it must match for every group id, also beyond the
Basic Multilingual Plane, where Java hashes the two halves of a surrogate pair.
"""

from __future__ import annotations

from functools import lru_cache

from sprawl.core.ids import TopicName

OFFSETS_TOPIC = TopicName("__consumer_offsets")


@lru_cache(maxsize=1_024)
def partition_for(group_id: str, partition_count: int) -> int:
    """`abs(hashCode) % partition_count`; the hash that has no positive counterpart counts as 0."""
    if group_id.isascii():
        units: bytes | memoryview = group_id.encode()
    else:
        units = memoryview(group_id.encode("utf-16-le", "surrogatepass")).cast("H")
    code = 0
    for unit in units:
        code = (31 * code + unit) & 0xFFFFFFFF
    if code >= 0x80000000:
        code = 0x100000000 - code
    return 0 if code == 0x80000000 else code % partition_count
