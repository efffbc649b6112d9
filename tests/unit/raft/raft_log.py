"""A log in memory that loses power: see core/raft/log_port.py for what it is to a group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.ids import LogIndex, Term
from sprawl.core.log.frames import Entry, EntryType, encode_entry
from sprawl.core.log.tokens import DurableUpTo
from sprawl.core.raft.state import Randomness


class Flush(NamedTuple):
    """A flush that was begun: what it will claim, and what it brings to disk."""

    token: DurableUpTo
    content: tuple[Entry, ...]
    truncations: int
    operations: int


class MemoryLog:
    """Entries in memory, those on disk, and the changes between: an entry, or where it was cut."""

    def __init__(
        self, entries: Sequence[Entry] = (), *, base: int = 0, base_term: int = -1
    ) -> None:
        self.base, self.base_term = base, base_term
        self.content: list[Entry] = list(entries)
        self.disk: list[Entry] = list(entries)
        self.changes: list[Entry | int] = []
        self.synced = base + len(self.content)
        self.truncations = 0
        self.fails = False
        self.refuted: int | None = None

    # --- the port -------------------------------------------------------------------------------

    @property
    def first_index(self) -> LogIndex:
        return LogIndex(self.base + 1)

    @property
    def last_index(self) -> LogIndex:
        return LogIndex(self.base + len(self.content))

    @property
    def last_term(self) -> Term:
        return self.content[-1].term if self.content else Term(self.base_term)

    @property
    def synced_index(self) -> LogIndex:
        return LogIndex(self.synced)

    def term_at(self, index: int) -> Term | None:
        if index == self.base:
            return Term(self.base_term)
        at = index - self.base - 1
        return self.content[at].term if 0 <= at < len(self.content) else None

    def entries(self, lo: int, hi: int, max_bytes: int, *, verify: bool = False) -> list[Entry]:
        if not self.first_index <= lo <= self.last_index:
            raise ValueError(f"entry {lo} is not in the log")
        found: list[Entry] = []
        for entry in self.content[lo - self.base - 1 : hi - self.base - 1]:
            max_bytes -= len(entry.frame)
            if found and max_bytes < 0:
                break
            found.append(entry)
        return found

    def append_entry(
        self, entry_type: EntryType, payload: bytes, *, term: int, now_ms: int | None = None
    ) -> LogIndex:
        index = LogIndex(self.last_index + 1)
        frame = encode_entry(entry_type, payload, next_offset=0, term=term)
        self._add(Entry(index, Term(term), entry_type, memoryview(frame)))
        return index

    def append_replicated(self, entries: Sequence[Entry], *, now_ms: int) -> DurableUpTo:
        for entry in entries:
            self._add(entry)
        return DurableUpTo(self.last_index, self.last_term)

    def refute(self, index: int) -> None:
        self.refuted = index

    def truncate_suffix(self, from_index: int) -> None:
        self._check()
        del self.content[from_index - self.base - 1 :]
        self.changes.append(from_index)
        self.synced = min(self.synced, from_index - 1)
        self.truncations += 1

    def _add(self, entry: Entry) -> None:
        self._check()
        assert entry.index == self.last_index + 1
        assert entry.term >= self.last_term
        self.content.append(entry)
        self.changes.append(entry)

    def _check(self) -> None:
        if self.fails:
            raise KafkaFault(ErrorCode.KAFKA_STORAGE_ERROR)

    # --- the disk -------------------------------------------------------------------------------

    def begin_flush(self) -> Flush:
        token = DurableUpTo(self.last_index, self.last_term)
        return Flush(token, tuple(self.content), self.truncations, len(self.changes))

    def end_flush(self, flush: Flush) -> DurableUpTo:
        """What was there when the flush began is on disk, unless it was cut meanwhile."""
        if flush.truncations == self.truncations:
            self.disk = list(flush.content)
            del self.changes[: flush.operations]
            self.synced = max(self.synced, flush.token.index)
        return flush.token

    def flush(self) -> DurableUpTo:
        return self.end_flush(self.begin_flush())

    def crash(self, rng: Randomness) -> None:
        """Lose power: none or any number of the changes since the last sync survive, in order."""
        disk = list(self.disk)
        kept = rng.randrange(2) * rng.randrange(len(self.changes) + 1)
        for change in self.changes[:kept]:
            if isinstance(change, int):
                del disk[change - self.base - 1 :]
            else:
                disk.append(change)
        self.content = disk
        self.recover()

    def recover(self) -> None:
        """What an open does: what is there is on disk."""
        self.disk = list(self.content)
        self.changes = []
        self.synced = self.last_index
        self.truncations += 1

    def compact(self, index: int) -> None:
        """Forget the entries up to `index`, all of them on disk."""
        assert self.base <= index <= self.synced
        assert not self.changes
        self.base_term = self.term_at(index) or 0
        del self.content[: index - self.base]
        self.disk = list(self.content)
        self.base = index

    def install(self, index: int, term: int) -> None:
        """Put a snapshot in the place of everything, synced."""
        self.base, self.base_term = index, term
        self.content = []
        self.recover()
