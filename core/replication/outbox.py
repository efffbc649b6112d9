"""What the groups of a node have to say in one turn, put together for each replica's node."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from sprawl.core.raft.messages import Append
from sprawl.core.raft.wire import encode_buffers

if TYPE_CHECKING:
    from sprawl.core.ids import LogKey, ReplicaId
    from sprawl.core.raft.messages import Message
    from sprawl.core.raft.ready import Ready
    from sprawl.core.replication.group import Peers

FRAME_BYTES: Final = 4_194_304
"""A frame is closed once it holds so much: what follows is not kept waiting behind 100 MiB."""
_MESSAGE_BYTES: Final = 64


class Outbox:
    """Messages in their order for each receiver, sent in as few frames as possible."""

    __slots__ = ("_messages",)

    def __init__(self) -> None:
        self._messages: dict[ReplicaId, list[tuple[LogKey, Message]]] = {}

    def put(self, key: LogKey, ready: Ready) -> None:
        """Take what a group has to say."""
        for message in ready.messages:
            self._messages.setdefault(message.to, []).append((key, message))

    def send(self, peers: Peers) -> Iterator[tuple[ReplicaId, LogKey]]:
        """Send everything; yields (replica, group) for each message that is known to be lost."""
        for to, messages in self._messages.items():
            for part in _frames(messages):
                if not peers.send(to, encode_buffers(part)):
                    for key, _ in part:
                        yield to, key


def _frames(messages: list[tuple[LogKey, Message]]) -> Iterator[list[tuple[LogKey, Message]]]:
    """The messages in order, in frames of about FRAME_BYTES."""
    part: list[tuple[LogKey, Message]] = []
    size_bytes = 0
    for item in messages:
        part.append(item)
        size_bytes += _MESSAGE_BYTES
        if isinstance(item[1], Append):
            size_bytes += sum(len(entry.frame) for entry in item[1].entries)
        if size_bytes >= FRAME_BYTES:
            yield part
            part, size_bytes = [], 0
    if part:
        yield part
