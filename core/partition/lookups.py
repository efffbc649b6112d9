"""Offsets of a log by time, and by the leader epoch that they were written in.

Source: KIP-79 and KIP-734 (ListOffsets), KIP-101 (epochs), KIP-405 (the local log's start).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.ids import LeaderEpoch, Offset

if TYPE_CHECKING:
    from sprawl.core.log.partition_log import PartitionLog

NO_TIMESTAMP = -1
UNKNOWN_OFFSET = -1
UNDEFINED_EPOCH = -1

# ListOffsets' special timestamps.
LATEST = -1
EARLIEST = -2
MAX_TIMESTAMP = -3
EARLIEST_LOCAL = -4
LATEST_TIERED = -5
EARLIEST_PENDING_UPLOAD = -6


class ListedOffset(NamedTuple):
    """The answer to a ListOffsets query; -1 in a field means that there is none."""

    offset: int
    timestamp_ms: int
    leader_epoch: int


NOT_FOUND = ListedOffset(UNKNOWN_OFFSET, NO_TIMESTAMP, UNDEFINED_EPOCH)


def end_offset_for_epoch(
    log: PartitionLog, epoch: int, leader_epoch: LeaderEpoch
) -> tuple[int, int]:
    """See Partition.end_offset_for_epoch."""
    end_offset = log.log_end_offset
    if epoch == leader_epoch:
        return (epoch, end_offset)
    if epoch < 0 or epoch > leader_epoch:
        return (UNDEFINED_EPOCH, UNKNOWN_OFFSET)
    if epoch >= log.last_term:
        # Nothing was appended since: our own epoch starts where the log ends.
        return (max(log.last_term, 0), end_offset)
    return log.epoch_end_offset(epoch)


def diverging(
    log: PartitionLog, offset: int, last_fetched_epoch: int, leader_epoch: LeaderEpoch
) -> tuple[int, int] | None:
    """From where a reader's copy differs from a log, as (epoch, end offset) (KIP-595).

    Args:
        offset: where the reader goes on.
        last_fetched_epoch: epoch of the record before it in the copy; -1 when it does not say.

    Raises:
        KafkaFault: OFFSET_OUT_OF_RANGE when this log does not tell.
    """
    if last_fetched_epoch < 0:
        return None
    epoch, end_offset = end_offset_for_epoch(log, last_fetched_epoch, leader_epoch)
    if epoch < 0 or end_offset < 0:
        raise KafkaFault(
            ErrorCode.OFFSET_OUT_OF_RANGE,
            f"The end of epoch {last_fetched_epoch} is not known here.",
        )
    if epoch < last_fetched_epoch or end_offset < offset:
        return (epoch, end_offset)
    return None


def list_offset(
    log: PartitionLog, timestamp: int, end_offset: Offset, leader_epoch: LeaderEpoch
) -> ListedOffset:
    """Find an offset below `end_offset`; see Partition.list_offset."""
    if timestamp == LATEST:
        return ListedOffset(end_offset, NO_TIMESTAMP, leader_epoch)
    if timestamp in (EARLIEST, EARLIEST_LOCAL):
        start_offset = log.log_start_offset
        return ListedOffset(start_offset, NO_TIMESTAMP, _epoch_of(log, start_offset, leader_epoch))
    if timestamp in (LATEST_TIERED, EARLIEST_PENDING_UPLOAD):
        return NOT_FOUND
    if timestamp == MAX_TIMESTAMP:
        found = log.max_timestamp_offset(end_offset)
    else:
        found = log.offset_for_timestamp(timestamp, end_offset)
    if found is None:
        return NOT_FOUND
    offset, timestamp_ms = found
    return ListedOffset(offset, timestamp_ms, _epoch_of(log, Offset(offset), leader_epoch))


def _epoch_of(log: PartitionLog, offset: Offset, leader_epoch: LeaderEpoch) -> int:
    """The leader epoch in which the record at `offset` was, or will be, written."""
    if offset >= log.log_end_offset:
        return leader_epoch
    return log.epoch_of_offset(offset)
