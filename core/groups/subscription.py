"""The topics a consumer subscribes to, read from its ConsumerProtocolSubscription metadata.

Every version of the subscription starts with the fields of version 0 (int16 version, array of
topic names), and later versions promise to keep that prefix, so only that much is read. The
coordinator needs it for two rules: the offsets of a subscribed topic do not expire, and
OffsetDelete refuses to remove them.

Source: ConsumerProtocolSubscription schema; KIP-211; KIP-496.
"""

from __future__ import annotations

from struct import Struct
from struct import error as StructError

CONSUMER_PROTOCOL_TYPE = "consumer"

_HEAD = Struct(">hi")
_LENGTH = Struct(">h")


def subscribed_topics(metadata: bytes) -> frozenset[str] | None:
    """The topic names, or None when `metadata` is not a consumer subscription."""
    try:
        version, count = _HEAD.unpack_from(metadata, 0)
        if version < 0 or count < 0:
            return None
        position = _HEAD.size
        topics = set()
        for _ in range(count):
            (length,) = _LENGTH.unpack_from(metadata, position)
            position += _LENGTH.size
            end = position + length
            if length < 0 or end > len(metadata):
                return None
            topics.add(metadata[position:end].decode())
            position = end
    except (StructError, UnicodeDecodeError):
        return None
    return frozenset(topics)
