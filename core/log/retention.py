"""Which segments a topic's retention leaves no use for: a pure decision over segment facts.

Segments go from the oldest on, whole. The last one counts as well: the log seals it first when it
has to go.

Source: Kafka's retention.ms and retention.bytes; KIP-107 (log start).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple, Protocol


class RetentionRules(Protocol):
    """The configs that decide, by Kafka's names."""

    @property
    def cleanup_policy(self) -> Collection[str]: ...

    @property
    def retention_ms(self) -> int: ...

    @property
    def retention_bytes(self) -> int: ...


class SegmentAge(NamedTuple):
    """What retention has to know of a segment.

    Args:
        last_change_ms: its largest timestamp, or when it was created if no record has one.
    """

    base_offset: int
    end_offset: int
    size_bytes: int
    last_change_ms: int


def count_useless(
    segments: Sequence[SegmentAge],
    *,
    log_start_offset: int,
    up_to_offset: int,
    config: RetentionRules,
    now_ms: int,
) -> int:
    """How many segments, counted from the oldest, may be deleted.

    Args:
        segments: all of the log.
        log_start_offset: what is below it was deleted by request, whatever the policy says.
        up_to_offset: nothing that ends above it goes (the high watermark).
        now_ms: wall time.
    """
    is_limited = "delete" in config.cleanup_policy
    excess_bytes = 0
    if is_limited and config.retention_bytes >= 0:
        excess_bytes = sum(each.size_bytes for each in segments) - config.retention_bytes
    count = 0
    for segment in segments:
        if segment.end_offset > up_to_offset:
            break
        is_old = (
            is_limited
            and config.retention_ms >= 0
            and now_ms - segment.last_change_ms > config.retention_ms
        )
        is_excess = 0 < segment.size_bytes <= excess_bytes
        # A segment without records holds entries that no offset accounts for.
        has_records = segment.base_offset < segment.end_offset
        is_below = has_records and segment.end_offset <= log_start_offset
        if not (is_old or is_excess or is_below):
            break
        if count + 1 == len(segments) and not has_records:
            break
        excess_bytes -= segment.size_bytes
        count += 1
    return count
