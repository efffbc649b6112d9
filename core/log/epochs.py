"""Where each term of a log begins, by index and by offset.

Kafka's leader epochs are the terms that wrote records; a term that wrote only entries without
offsets exists for Raft alone, and look-ups by epoch pass over it.

Source: KIP-101, KIP-279 (largest epoch not above the one asked for), KIP-320.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from operator import attrgetter
from typing import Final, NamedTuple

from sprawl.core.ids import LogIndex, Offset, Term

_ITEM: Final = struct.Struct(">iqq")
_UNDEFINED: Final = (-1, -1)
_NO_END: Final = 2**63 - 1

_by_term = attrgetter("term")
_by_index = attrgetter("start_index")
_by_offset = attrgetter("start_offset")


class EpochStart(NamedTuple):
    """The first entry of a term, and the log's next offset when it was appended."""

    term: Term
    start_index: LogIndex
    start_offset: Offset


class EpochTable:
    """The terms of one log: terms and indexes strictly ascend, offsets do not descend.

    Threads look terms up while the event loop changes them: the tuple is exchanged, never changed,
    and each look-up reads it once.
    """

    __slots__ = ("_starts",)

    def __init__(self) -> None:
        self._starts: tuple[EpochStart, ...] = ()

    def __len__(self) -> int:
        return len(self._starts)

    @property
    def last_term(self) -> Term:
        """The term of the last entry; -1 when the log never had one."""
        return self._starts[-1].term if self._starts else Term(-1)

    def starts(self) -> tuple[EpochStart, ...]:
        """All of them, oldest first."""
        return self._starts

    def assign(self, term: int, index: int, offset: int) -> bool:
        """Take note of an entry; True when it begins a new term.

        Raises:
            ValueError: the term is below that of an earlier entry.
        """
        last = self.last_term
        if term == last:
            return False
        if term < last:
            raise ValueError(f"term {term} after term {last}")
        self._starts += (EpochStart(Term(term), LogIndex(index), Offset(offset)),)
        return True

    def term_at(self, index: int) -> Term | None:
        """The term of the entry with this index; None when it is older than the table."""
        starts = self._starts
        at = bisect_right(starts, index, key=_by_index) - 1
        return starts[at].term if at >= 0 else None

    def reach(self, index: int) -> tuple[Term | None, int]:
        """`term_at`, and the first index after it that may have another one."""
        starts = self._starts
        at = bisect_right(starts, index, key=_by_index)
        end = starts[at].start_index if at < len(starts) else _NO_END
        return starts[at - 1].term if at else None, end

    def epoch_of_offset(self, offset: int) -> Term | None:
        """The term of the record at this offset; None when it is older than the table."""
        starts = self._starts
        at = bisect_right(starts, offset, key=_by_offset) - 1
        return starts[at].term if at >= 0 else None

    def end_offset(self, epoch: int, log_end_offset: int) -> tuple[int, int]:
        """Where the largest epoch that is at most `epoch` ends.

        Returns:
            (epoch, end offset); (-1, -1) when `epoch` is newer than all. When it is older than all,
            `epoch` itself with the first offset known.
        """
        starts = self._with_records(log_end_offset)
        if not starts or epoch < 0 or epoch > self.last_term:
            return _UNDEFINED
        at = bisect_right(starts, epoch, key=_by_term) - 1
        if at + 1 == len(starts):
            return (starts[at].term, log_end_offset)
        return (starts[at].term if at >= 0 else epoch, starts[at + 1].start_offset)

    def truncate_suffix(self, from_index: int) -> None:
        """Forget the terms that began at `from_index` or later."""
        starts = self._starts
        kept = len(starts)
        while kept and starts[kept - 1].start_index >= from_index:
            kept -= 1
        self._starts = starts[:kept]

    def advance_start(self, first_index: int) -> bool:
        """Forget the terms that ended before `first_index - 1`; True when there were any.

        The term of the entry before the first one stays known: Raft compares it.
        """
        gone = bisect_right(self._starts, first_index - 1, key=_by_index) - 1
        if gone <= 0:
            return False
        self._starts = self._starts[gone:]
        return True

    def encode(self) -> bytes:
        """The table as bytes."""
        return b"".join(_ITEM.pack(*each) for each in self._starts)

    @classmethod
    def parse(cls, data: bytes) -> EpochTable:
        """Read `encode`'s bytes."""
        table = cls()
        for term, index, offset in _ITEM.iter_unpack(data):
            table.assign(term, index, offset)
        return table

    def _with_records(self, log_end_offset: int) -> list[EpochStart]:
        starts = self._starts
        return [
            each
            for at, each in enumerate(starts)
            if at + 1 == len(starts) or each.start_offset < starts[at + 1].start_offset
        ]
