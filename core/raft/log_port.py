"""What a group needs of its log. `core.log.partition_log.PartitionLog` is one.

Rules:

1. What `append_entry`, `append_replicated` and `truncate_suffix` returned from can be read at once.
   It survives a power loss only when `synced_index` says so.
2. The first entry of a log has index 1. Index 0 stands for the nothing before it, with term -1.
3. `synced_index` goes back when a truncation cuts below it, in the same call. A topic that chose
   to be acknowledged from memory has an adapter whose `synced_index` is its last index.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from sprawl.core.ids import LogIndex, Term
from sprawl.core.log.frames import Entry, EntryType
from sprawl.core.log.tokens import DurableUpTo

NO_INDEX: Final = LogIndex(0)
"""The place before the first entry of every log."""
NO_TERM: Final = Term(-1)
"""The term of that place."""


class RaftLog(Protocol):
    """A log of entries with index and term."""

    @property
    def first_index(self) -> LogIndex:
        """Index of the oldest entry kept; one past the last when there is none."""
        ...

    @property
    def last_index(self) -> LogIndex:
        """Index of the newest entry; one below the first when there is none."""
        ...

    @property
    def last_term(self) -> Term:
        """Term of the newest entry; -1 when there never was one."""
        ...

    @property
    def synced_index(self) -> LogIndex:
        """Entries up to this one survive a power loss."""
        ...

    def term_at(self, index: int) -> Term | None:
        """The term of an entry, also of the one before the first; None when it is not known."""
        ...

    def entries(self, lo: int, hi: int, max_bytes: int, *, verify: bool = False) -> list[Entry]:
        """The entries with index in [lo, hi), at least one, up to about `max_bytes`.

        Args:
            verify: check all of each, not only what makes others able to check it.

        Raises:
            ValueError: `lo` cannot be had entry by entry any more: the follower needs a snapshot.
            KafkaFault: CORRUPT_MESSAGE, KAFKA_STORAGE_ERROR.
        """
        ...

    def append_entry(
        self, entry_type: EntryType, payload: bytes, *, term: int, now_ms: int | None = None
    ) -> LogIndex:
        """Write an entry that takes no offset.

        Raises:
            KafkaFault: KAFKA_STORAGE_ERROR; nothing was appended.
        """
        ...

    def append_replicated(self, entries: Sequence[Entry], *, now_ms: int) -> DurableUpTo:
        """Write a leader's entries, which follow the last one.

        Raises:
            ValueError, FrameFault: the entries are not what they should be.
            KafkaFault: KAFKA_STORAGE_ERROR; those before the one that failed were appended.
        """
        ...

    def refute(self, index: int) -> None:
        """The entry at `index` is not the one that the group committed there: it was changed on
        this disk since it was written. Who looks after the log hears of it."""
        ...

    def truncate_suffix(self, from_index: int) -> None:
        """Take back the entries from `from_index` on.

        Raises:
            KafkaFault: KAFKA_STORAGE_ERROR; the log is as it was.
        """
        ...
