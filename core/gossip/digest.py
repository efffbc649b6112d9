"""A member's load in at most 200 bytes: enough to rank nodes; details are asked for. Pure.

u16 cpu, u16 disk (1/100 %), u32 partitions, u32 led, u32 bytes/s in, u32 bytes/s out, u32 p99_us,
u8 number of hot groups, then each: 16 bytes topic id, u32 partition, u32 bytes/s
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple
from uuid import UUID

from sprawl.core.gossip.model import PacketFault
from sprawl.core.ids import LogKey, TopicId
from sprawl.core.limits import GOSSIP_DIGEST_BYTES_MAX

HOT_GROUPS_MAX: Final = 3
_FULL: Final = 10_000
_U32_MAX: Final = 0xFFFF_FFFF
_HEAD: Final = struct.Struct(">HHIIIIIB")
_HOT: Final = struct.Struct(">16sII")
assert _HEAD.size + HOT_GROUPS_MAX * _HOT.size <= GOSSIP_DIGEST_BYTES_MAX


class HotGroup(NamedTuple):
    """A partition that a node leads and whose log grows: by so many bytes a second."""

    key: LogKey
    bytes_per_s: int


class LoadDigest(NamedTuple):
    """A node's load as it tells it.

    Args:
        cpu: share of all cores that its process used, in hundredths of a percent, in [0, 10000].
        disk: share of its data's volume that is full, in the same unit; 0 when there is none.
        partitions: replicas it holds.
        led: partitions it leads.
        bytes_in, bytes_out: a second, from and to Kafka clients.
        p99_us: 99th percentile of its produce latency, in microseconds; 0 without requests.
        hot_groups: the busiest partitions it leads, at most three, busiest first.
    """

    cpu: int
    disk: int
    partitions: int
    led: int
    bytes_in: int
    bytes_out: int
    p99_us: int
    hot_groups: tuple[HotGroup, ...] = ()


def encode_digest(digest: LoadDigest) -> bytes:
    """The bytes; numbers beyond their range are told as its end.

    Raises:
        ValueError: there are more than three hot groups.
    """
    if len(digest.hot_groups) > HOT_GROUPS_MAX:
        raise ValueError(f"{len(digest.hot_groups)} hot groups")
    shares = (min(max(share, 0), _FULL) for share in digest[:2])
    counts = (min(max(count, 0), _U32_MAX) for count in digest[2:7])
    parts = [_HEAD.pack(*shares, *counts, len(digest.hot_groups))]
    for (topic_id, partition), rate in digest.hot_groups:
        parts.append(_HOT.pack(topic_id.bytes, partition, min(max(rate, 0), _U32_MAX)))
    return b"".join(parts)


def parse_digest(data: bytes) -> LoadDigest:
    """Read `encode_digest`'s bytes.

    Raises:
        PacketFault: they are not that.
    """
    try:
        cpu, disk, held, led, bytes_in, bytes_out, p99_us, count = _HEAD.unpack_from(data)
    except struct.error as fault:
        raise PacketFault("malformed", f"digest: {fault}") from None
    if count > HOT_GROUPS_MAX or len(data) != _HEAD.size + count * _HOT.size:
        raise PacketFault("malformed", f"digest of {len(data)} bytes with {count} hot groups")
    if max(cpu, disk) > _FULL:
        raise PacketFault("malformed", "digest: a share above 100 %")
    groups = tuple(
        HotGroup(LogKey(TopicId(UUID(bytes=topic)), partition), rate)
        for topic, partition, rate in _HOT.iter_unpack(data[_HEAD.size :])
    )
    return LoadDigest(cpu, disk, held, led, bytes_in, bytes_out, p99_us, groups)
