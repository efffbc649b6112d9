"""Partitions whose replica here was let go by its group, and whose data is deleted, or will be.

The mark is written, synced, before the first file goes, and stays: what is still there when such a
replica comes back is only part of what it was, and goes before the new log is opened.

    gone/<topic id><partition>
"""

from __future__ import annotations

import logging
import struct
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sprawl.core.controller.metadata_log import METADATA_TP
from sprawl.core.ids import LogKey, TopicId

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sprawl.core.partition.hosted_topic import HostedTopic
    from sprawl.core.storage.port import KeyValueStore, LogStore

_log = logging.getLogger(__name__)

_STRAYS_NAMED_MAX: Final = 10
_PREFIX: Final = b"gone/"
_PARTITION: Final = struct.Struct(">i")


class Departures:
    """The marks of this node; loaded once, written through."""

    def __init__(self, kv: KeyValueStore) -> None:
        self._kv = kv
        self._gone = {_parse(key) for key, _ in kv.iterate(_PREFIX)}

    def __contains__(self, key: LogKey) -> bool:
        return key in self._gone

    def add(self, key: LogKey) -> None:
        """The group has let the replica go: true at once, and kept by `mark`."""
        self._gone.add(key)

    def mark(self, key: LogKey) -> None:
        """Blocks. Raises: OSError."""
        self._kv.put(_encode(key), b"", sync=True)

    def clear(self, key: LogKey) -> None:
        """It is back, and nothing is left of what it was. Blocks. Raises: OSError."""
        self._kv.delete(_encode(key), sync=True)
        self._gone.discard(key)

    def forget(self, keys: Iterable[LogKey]) -> None:
        """Topics were deleted."""
        for key in keys:
            if key in self._gone:
                self._gone.discard(key)
                self._kv.delete(_encode(key))


def _encode(key: LogKey) -> bytes:
    return _PREFIX + key.topic_id.bytes + _PARTITION.pack(key.partition)


def _parse(encoded: bytes) -> LogKey:
    name = encoded[len(_PREFIX) :]
    return LogKey(TopicId(UUID(bytes=name[:16])), _PARTITION.unpack(name[16:])[0])


def report_strays(store: LogStore, topics: Iterable[HostedTopic]) -> None:
    """Name the directories of no topic. They are left alone: they cost room, while deleting
    them would turn a lost list of topics into lost data."""
    known = {f"{topic.name}-{index}" for topic in topics for index in topic.here()}
    strays = sorted(set(store.names()) - known - {str(METADATA_TP)})
    if strays:
        _log.warning(
            "%d log directories belong to no topic and are left as they are: %s",
            len(strays),
            ", ".join(strays[:_STRAYS_NAMED_MAX]),
        )
