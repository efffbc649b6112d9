"""A partition's log as its Raft group sees it: the same log, with the LOG_START entries noted.

A log start moves on when its entry is committed, on every replica alike, as soon as the replica has
the entry on its disk. So that nobody has to look for such entries in a log that is opened again,
the ones that are not done yet stand in the key-value store, written before the entry is. A note is
a hint: it counts when that entry stands in the log, so that one whose entry was never written, or
was cut off, does no harm.

    starts/<topic id><partition>    (index, offset) of each, ascending
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.ids import LogIndex, LogKey, Offset, Term
from sprawl.core.log.frames import Entry, EntryType

if TYPE_CHECKING:
    from sprawl.core.log.partition_log import PartitionLog
    from sprawl.core.log.tokens import DurableUpTo
    from sprawl.core.storage.port import KeyValueStore

_log = logging.getLogger(__name__)

_PREFIX: Final = b"starts/"
_OFFSET: Final = struct.Struct(">q")
_START: Final = struct.Struct(">qq")


class GroupLog:
    """Implements core.raft's RaftLog over a PartitionLog.

    Args:
        key: of the partition.
    """

    __slots__ = ("_key", "_kv", "_log", "_starts")

    def __init__(self, log: PartitionLog, key: LogKey, kv: KeyValueStore) -> None:
        self._log = log
        self._kv = kv
        self._key = store_key(key)
        found = kv.get(self._key) or b""
        self._starts = [
            (LogIndex(index), Offset(offset)) for index, offset in _START.iter_unpack(found)
        ]

    # --- what passes through --------------------------------------------------------------------

    @property
    def first_index(self) -> LogIndex:
        return self._log.first_index

    @property
    def last_index(self) -> LogIndex:
        return self._log.last_index

    @property
    def last_term(self) -> Term:
        return self._log.last_term

    @property
    def synced_index(self) -> LogIndex:
        return self._log.synced_index

    def term_at(self, index: int) -> Term | None:
        return self._log.term_at(index)

    def entries(self, lo: int, hi: int, max_bytes: int, *, verify: bool = False) -> list[Entry]:
        return self._log.entries(lo, hi, max_bytes, verify=verify)

    def refute(self, index: int) -> None:
        self._log.refute(index)

    # --- what is noted --------------------------------------------------------------------------

    def append_entry(
        self, entry_type: EntryType, payload: bytes, *, term: int, now_ms: int | None = None
    ) -> LogIndex:
        """See RaftLog.append_entry."""
        if entry_type is EntryType.LOG_START:
            self._note(LogIndex(self._log.last_index + 1), payload)
        return self._log.append_entry(entry_type, payload, term=term, now_ms=now_ms)

    def append_replicated(self, entries: Sequence[Entry], *, now_ms: int) -> DurableUpTo:
        """See RaftLog.append_replicated."""
        for entry in entries:
            if entry.type is EntryType.LOG_START:
                self._note(entry.index, bytes(entry.payload))
        return self._log.append_replicated(entries, now_ms=now_ms)

    def truncate_suffix(self, from_index: int) -> None:
        """See RaftLog.truncate_suffix."""
        self._log.truncate_suffix(from_index)
        if self._starts and self._starts[-1][0] >= from_index:
            self._starts = [each for each in self._starts if each[0] < from_index]
            self._store()

    def append_start(self, offset: int, *, term: int, now_ms: int) -> LogIndex:
        """Write the entry that moves the log start to `offset` once it is committed.

        Raises:
            KafkaFault: KAFKA_STORAGE_ERROR; nothing was appended.
        """
        return self.append_entry(
            EntryType.LOG_START, _OFFSET.pack(offset), term=term, now_ms=now_ms
        )

    @property
    def open_start(self) -> LogIndex | None:
        """The first entry that is not done yet; None when there is none."""
        return self._starts[0][0] if self._starts else None

    def committed_start(self, commit_index: int) -> Offset | None:
        """Where the log starts by the entries up to the commit index; None: no news.

        The caller moves the log start there and then calls `start_moved`.

        Raises:
            KafkaFault: CORRUPT_MESSAGE, KAFKA_STORAGE_ERROR: the log cannot be read there.
        """
        offset = None
        for index, each in self._starts:
            if index > commit_index:
                break
            if self._stands(index, each):
                offset = each
        return offset

    def _stands(self, index: LogIndex, offset: Offset) -> bool:
        """Whether the log has that entry."""
        try:
            entry = self._log.entries(index, index + 1, 1)[0]
        except ValueError:
            return False  # below the log's first entry: it was done long ago
        is_start = entry.type is EntryType.LOG_START
        return is_start and bytes(entry.payload) == _OFFSET.pack(offset)

    def start_moved(self, commit_index: int) -> None:
        """The entries up to the commit index are done."""
        self._starts = [each for each in self._starts if each[0] > commit_index]
        self._store()

    def replaced(self) -> None:
        """The log is a copy now, and the store has no open entries."""
        self._starts = []

    def forget(self) -> None:
        """The replica is gone for good."""
        self._starts = []
        self._store()

    def _note(self, index: LogIndex, payload: bytes) -> None:
        (offset,) = _OFFSET.unpack(payload)
        starts = [each for each in self._starts if each[0] < index] + [(index, Offset(offset))]
        try:
            self._kv.put(self._key, b"".join(_START.pack(*each) for each in starts), sync=True)
        except OSError as failure:
            raise KafkaFault(
                ErrorCode.KAFKA_STORAGE_ERROR,
                f"A log start of {self._log.tp} cannot be noted: {failure}",
            ) from failure
        self._starts = starts

    def _store(self) -> None:
        """Notes that are done may stay where they cannot be taken back."""
        try:
            if self._starts:
                self._kv.put(self._key, b"".join(_START.pack(*each) for each in self._starts))
            else:
                self._kv.delete(self._key)
        except OSError as failure:
            _log.warning("%s: log starts that are done stay noted: %s", self._log.tp, failure)


def store_key(key: LogKey) -> bytes:
    """Where a partition's open LOG_START entries are kept."""
    return _PREFIX + key.topic_id.bytes + key.partition.to_bytes(4, "big")
