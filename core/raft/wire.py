"""Messages of many groups in one frame between two nodes.

    0   u8   version, 2
    1   u32  number of messages
    5        the messages, one after the other:
             16 bytes topic id, i32 partition, u8 kind, i64 sender, i64 to, i32 term,
             then what the kind says (`_BODIES`); an Append goes on with its entries: u32 number,
             u32 bytes, and the entries' frames as they stand in a segment (core/log/frames.py)

All numbers are big-endian. An entry's index is its place after `prev_index`; its term and type are
in its frame. Who reads a frame gets the entries as views of it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Final
from uuid import UUID

from sprawl.core.ids import LogIndex, LogKey, TopicId
from sprawl.core.limits import (
    RAFT_APPEND_ENTRIES_MAX,
    RAFT_FRAME_BYTES_MAX,
    RAFT_FRAME_MESSAGES_MAX,
    RAFT_KEYS_CACHED_MAX,
)
from sprawl.core.log.frames import FRAME_BYTES, Entry, FrameFault, frame_size, parse_frame
from sprawl.core.raft.messages import (
    Append,
    AppendAnswer,
    Heartbeat,
    HeartbeatAnswer,
    Hibernate,
    Message,
    PreVote,
    PreVoteAnswer,
    ReadIndex,
    ReadIndexAnswer,
    TimeoutNow,
    Vote,
    VoteAnswer,
)

VERSION: Final = 2
_HEAD: Final = struct.Struct(">BI")
_ITEM: Final = struct.Struct(">16siBqqi")
_ENTRIES: Final = struct.Struct(">II")
_APPEND: Final = 5
_BATCH_MAGIC: Final = 2
_KINDS: Final[tuple[tuple[int, Callable[..., Message], struct.Struct], ...]] = (
    (1, PreVote, struct.Struct(">qiqi")),
    (2, PreVoteAnswer, struct.Struct(">?qi")),
    (3, Vote, struct.Struct(">qi?qi")),
    (4, VoteAnswer, struct.Struct(">?qi")),
    (_APPEND, Append, struct.Struct(">qiq")),
    (6, AppendAnswer, struct.Struct(">q?qi?")),
    (7, Heartbeat, struct.Struct(">qq")),
    (8, HeartbeatAnswer, struct.Struct(">q")),
    (9, TimeoutNow, struct.Struct(">")),
    (10, ReadIndex, struct.Struct(">q")),
    (11, ReadIndexAnswer, struct.Struct(">qq")),
    (12, Hibernate, struct.Struct(">qq")),
)
_BODIES: Final = {kind: (made, body) for kind, made, body in _KINDS}
_NUMBERS: Final[dict[object, tuple[int, struct.Struct]]] = {
    made: (kind, body) for kind, made, body in _KINDS
}
_COMMON_FIELDS: Final = 3


class WireFault(Exception):
    """The bytes are no frame of messages."""


def encode(items: Iterable[tuple[LogKey, Message]]) -> bytes:
    """The frame of some messages, in their order.

    Raises:
        ValueError: they are too many or too large for one frame.
    """
    return b"".join(encode_buffers(items))


def encode_buffers(items: Iterable[tuple[LogKey, Message]]) -> list[bytes | memoryview]:
    """The same as buffers to write one after the other: entries are not copied.

    Raises:
        ValueError: they are too many or too large for one frame.
    """
    parts: list[bytes | memoryview] = [b""]
    count = 0
    for key, message in items:
        count += 1
        number, body = _NUMBERS[type(message)]
        sender, to, term = message[:_COMMON_FIELDS]
        head = _ITEM.pack(key.topic_id.bytes, key.partition, number, sender, to, term)
        if isinstance(message, Append):
            frames = [entry.frame for entry in message.entries]
            fixed = body.pack(message.prev_index, message.prev_term, message.commit_index)
            parts.append(head + fixed + _ENTRIES.pack(len(frames), sum(map(len, frames))))
            parts += frames
        else:
            parts.append(head + body.pack(*message[_COMMON_FIELDS:]))
    parts[0] = _HEAD.pack(VERSION, count)
    size_bytes = sum(map(len, parts))
    if count > RAFT_FRAME_MESSAGES_MAX or size_bytes > RAFT_FRAME_BYTES_MAX:
        raise ValueError(f"{count} messages of {size_bytes} bytes are too much for one frame")
    return parts


def parse(data: bytes | bytearray | memoryview) -> list[tuple[LogKey, Message]]:
    """Read a frame; entries are views of it.

    Raises:
        WireFault: it is malformed, or of a version not known here.
    """
    view = memoryview(data).toreadonly()
    if len(view) < _HEAD.size or len(view) > RAFT_FRAME_BYTES_MAX:
        raise WireFault(f"a frame of {len(view)} bytes")
    version, count = _HEAD.unpack_from(view)
    if version != VERSION:
        raise WireFault(f"version {version}")
    if count > RAFT_FRAME_MESSAGES_MAX:
        raise WireFault(f"{count} messages")
    items: list[tuple[LogKey, Message]] = []
    at = _HEAD.size
    try:
        for _ in range(count):
            key, message, at = _parse_item(view, at)
            items.append((key, message))
    except (struct.error, FrameFault) as fault:
        raise WireFault(f"message {len(items)} of {count}: {fault}") from None
    if at != len(view):
        raise WireFault(f"{len(view) - at} bytes after the last message")
    return items


def _parse_item(view: memoryview, at: int) -> tuple[LogKey, Message, int]:
    topic_id, partition, number, sender, to, term = _ITEM.unpack_from(view, at)
    at += _ITEM.size
    known = _BODIES.get(number)
    if known is None:
        raise WireFault(f"message of unknown kind {number}")
    made, body = known
    fields = body.unpack_from(view, at)
    at += body.size
    key = _key(topic_id, partition)
    if number == _APPEND:
        prev_index, prev_term, commit_index = fields
        entries, at = _parse_entries(view, at, prev_index)
        return key, Append(sender, to, term, prev_index, prev_term, commit_index, entries), at
    return key, made(sender, to, term, *fields), at


@lru_cache(RAFT_KEYS_CACHED_MAX)
def _key(topic_id: bytes, partition: int) -> LogKey:
    return LogKey(TopicId(UUID(bytes=topic_id)), partition)


def _parse_entries(view: memoryview, at: int, prev_index: int) -> tuple[tuple[Entry, ...], int]:
    count, size_bytes = _ENTRIES.unpack_from(view, at)
    at += _ENTRIES.size
    end = at + size_bytes
    if count > RAFT_APPEND_ENTRIES_MAX or end > len(view):
        raise WireFault(f"{count} entries of {size_bytes} bytes, {len(view) - at} are left")
    entries: list[Entry] = []
    for number in range(1, count + 1):
        if at + FRAME_BYTES > end:
            raise WireFault(f"entry {number} of {count} is cut off")
        size = frame_size(view, at, at)
        if at + size > end:
            raise WireFault(f"entry {number} of {count} is cut off")
        # Batches are verified when they are appended.
        buf = view[at : at + size]
        frame = parse_frame(buf, at, verify=buf[FRAME_BYTES - 1] != _BATCH_MAGIC)
        entries.append(Entry(LogIndex(prev_index + number), frame.term, frame.type, buf))
        at += size
    if at != end:
        raise WireFault(f"{end - at} bytes after the last entry")
    return tuple(entries), at
