"""The small values that pass between a log and those who drive it."""

from __future__ import annotations

from typing import NamedTuple

from sprawl.core.ids import LogIndex, Offset, Term
from sprawl.core.log.segment import Segment


class AppendResult(NamedTuple):
    """Where a batch went. `timestamp_ms` is its largest."""

    index: LogIndex  # type: ignore[assignment]  # hides tuple.index, unused
    term: Term
    first_offset: Offset
    last_offset: Offset
    timestamp_ms: int


class DurableUpTo(NamedTuple):
    """Every entry up to `index`, whose term is `term`, is on disk: what Raft may count."""

    index: LogIndex  # type: ignore[assignment]  # hides tuple.index, unused
    term: Term


class Sealed(NamedTuple):
    """A segment that takes no more appends and is not synced yet.

    Args:
        producers: snapshot of the producer table at its end; None when there are no producers.
    """

    segment: Segment
    producers: bytes | None
