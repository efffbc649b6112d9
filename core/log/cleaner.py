"""Compaction of one log: the pass of core/records/compaction over its sealed segments.

    sealed, synced segments ──plan──> map of keys ──> groups of neighbours that fit one segment
    each group:  <base>.log.cleaned  written and synced
                 facts of the sources forgotten in the store (synced)
                 <base>.log.swap     renamed: from here on the new segment counts
                 sources             removed from the log, discarded
                 <base>.log          renamed; its facts stored

A crash before the rename to `.swap` leaves the old segments, one after it the new segment; recovery
removes what is left of the other. Runs in a thread while the log is read and appended to; only the
change from old to new segments takes the log's lock.

Source: Kafka's log cleaner (groups, dirty ratio); docs of the rules in core/records/compaction.py.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.log.changes import replace_segments, set_cleaned_to
from sprawl.core.log.frames import EntryType, Frame, FrameFault, parse_frame, producer_id_of, walk
from sprawl.core.log.reading import DamagedSegment
from sprawl.core.log.recovery import CLEANED_SUFFIX
from sprawl.core.log.segment import (
    OFFSET_SPAN_MAX,
    SEGMENT_HEADER_BYTES,
    Segment,
    SegmentEnd,
    SegmentHeader,
)
from sprawl.core.records.compaction import (
    CleaningPlan,
    Compactor,
    OffsetMap,
    SegmentFacts,
    map_offsets,
    plan_cleaning,
)
from sprawl.core.records.producers import LastBatch

if TYPE_CHECKING:
    from sprawl.core.log.partition_log import PartitionLog

_log = logging.getLogger(__name__)
_LAST_BATCHES_TRIES: Final = 100


class Compaction(NamedTuple):
    """What a pass did.

    Args:
        cleaned_to_offset: how far the log is clean now.
        before_bytes, after_bytes: size of the segments that were rewritten.
        is_whole: False when the map was full, and another pass should follow soon.
    """

    cleaned_to_offset: int
    before_bytes: int
    after_bytes: int
    is_whole: bool


def compact_log(
    log: PartitionLog, now_ms: int, *, up_to_offset: int | None = None
) -> Compaction | None:
    """Run one pass if the log is dirty enough.

    Args:
        up_to_offset: nothing at or above it is touched: the last stable offset, or less.

    Returns:
        None when there was nothing to do.

    Raises:
        OSError, KafkaFault: the log is as it was, or some of its groups are compacted.
    """
    if "compact" not in log.config.cleanup_policy:
        return None
    truncations = log.truncations
    log.flush()
    plan = _plan(log, now_ms, up_to_offset)
    if not plan.is_due:
        return None
    sealed = [each for each in log.segments[:-1] if each.end.offset <= plan.end_offset]
    if not sealed:
        return None
    offset_map = OffsetMap()
    aborted = log.producers.aborted_transactions(0, plan.end_offset)
    dirty = [each for each in sealed if each.end.offset > plan.first_dirty_offset]
    is_whole = map_offsets(
        (frame.buf for each in dirty for frame in _data_frames(log, each)),
        offset_map,
        start_offset=plan.first_dirty_offset,
        end_offset=plan.end_offset,
        aborted=aborted,
    )
    end_offset = plan.end_offset if is_whole else offset_map.end_offset
    compactor = Compactor(
        offset_map,
        delete_retention_ms=log.config.delete_retention_ms,
        now_ms=now_ms,
        last_batches=_last_batches(log),
        aborted=aborted,
    )
    touched = [each for each in sealed if each.base_offset < end_offset]
    before_bytes = sum(each.data_bytes for each in touched)
    after_bytes = 0
    for group in _groups(touched, log.config.segment_bytes):
        after_bytes += _rewrite(log, group, compactor, now_ms)
    set_cleaned_to(log, end_offset, truncations)
    if compactor.unreadable_batch_count:
        _log.error(
            "%s: %d batches could not be read and were kept as they are",
            log.tp,
            compactor.unreadable_batch_count,
        )
    return Compaction(end_offset, before_bytes, after_bytes, is_whole)


def _plan(log: PartitionLog, now_ms: int, up_to_offset: int | None) -> CleaningPlan:
    segments = log.segments
    unstable = log.producers.first_open_transaction_offset()
    bounds: list[int] = [log.synced_offset, segments[-1].base_offset]
    bounds += [bound for bound in (unstable, up_to_offset) if bound is not None]
    # Damaged ranges stay as they are, and so does what stands behind them.
    bounds += [each.start_offset for each in log.damage]
    return plan_cleaning(
        [
            SegmentFacts(
                base_offset=each.base_offset,
                end_offset=each.end.offset,
                size_bytes=each.data_bytes,
                first_timestamp_ms=each.first_timestamp,
                max_timestamp_ms=each.max_timestamp,
            )
            for each in segments[:-1]
        ],
        cleaned_to_offset=log.cleaned_to_offset,
        log_start_offset=log.log_start_offset,
        active_base_offset=segments[-1].base_offset,
        first_unstable_offset=min(bounds),
        config=log.config,
        now_ms=now_ms,
    )


def _last_batches(log: PartitionLog) -> Mapping[int, LastBatch]:
    """The producers' last batches, while the owner of the log may be adding producers."""
    for _ in range(_LAST_BATCHES_TRIES):
        try:
            return log.producers.last_batches()
        except RuntimeError:
            # A dict that grows while it is walked over; the next try sees it grown.
            continue
    raise KafkaFault(ErrorCode.KAFKA_STORAGE_ERROR, "The producer table never stands still.")


def _groups(segments: Sequence[Segment], segment_bytes: int) -> Iterator[list[Segment]]:
    """Neighbours that fit into one segment together."""
    group: list[Segment] = []
    size = 0
    for segment in segments:
        is_full = group and (
            size + segment.data_bytes > segment_bytes
            or segment.end.offset - group[0].base_offset > OFFSET_SPAN_MAX
        )
        if is_full:
            yield group
            group, size = [], 0
        group.append(segment)
        size += segment.data_bytes
    if group:
        yield group


def _rewrite(log: PartitionLog, group: Sequence[Segment], compactor: Compactor, now_ms: int) -> int:
    """Compact neighbours into one segment and put it in their place; its size in bytes."""
    first, last = group[0], group[-1]
    header = SegmentHeader(
        log.topic_id,
        log.tp.partition,
        first.base_offset,
        first.first_index,
        created_ms=max(each.created_ms for each in group),
        is_compacted=True,
        offset_span=last.end.offset - first.base_offset,
        index_span=last.end.index - first.first_index,
    )
    directory = log.directory
    name = first.file.name + CLEANED_SUFFIX
    directory.delete(name)
    cleaned = Segment.create(directory, first.key, header, suffix=CLEANED_SUFFIX, keep_tail=False)
    try:
        for source in group:
            for frame in _frames(log, source):
                _copy(cleaned, frame, compactor, log.config.index_interval_bytes)
        cleaned.end = SegmentEnd(cleaned.end.size_bytes, last.end.offset, last.end.index)
        cleaned.file.sync()
        if not replace_segments(log, group, cleaned):
            # Retention or a truncation was faster.
            cleaned.file.close()
            directory.delete(name)
            return sum(each.data_bytes for each in group)
    except (OSError, KafkaFault):
        cleaned.file.close()
        directory.delete(name)
        raise
    return cleaned.data_bytes


def _copy(cleaned: Segment, frame: Frame, compactor: Compactor, interval: int) -> None:
    if frame.type is not EntryType.DATA:
        cleaned.append_entry(bytes(frame.buf), index_interval_bytes=interval)
        return
    kept = compactor.compact(frame.buf)
    if kept is None:
        return
    copy = parse_frame(memoryview(kept), frame.position, verify=False)
    cleaned.append(
        (kept,),
        len(kept),
        base_offset=copy.base_offset,
        end_offset=copy.end_offset,
        max_timestamp=copy.max_timestamp,
        index_interval_bytes=interval,
    )
    if producer_id_of(kept) >= 0:
        cleaned.has_producers = True


def _data_frames(log: PartitionLog, segment: Segment) -> Iterator[Frame]:
    return (frame for frame in _frames(log, segment) if frame.type is EntryType.DATA)


def _frames(log: PartitionLog, segment: Segment) -> Iterator[Frame]:
    """Every frame of a segment, verified."""
    try:
        yield from walk(segment.file, SEGMENT_HEADER_BYTES, segment.end.size_bytes, verify=True)
    except FrameFault as fault:
        _log.error(
            "%s: compaction stops at segment %d, which is damaged and stays as it is: %s",
            log.tp,
            segment.base_offset,
            fault,
        )
        raise log.damaged(DamagedSegment(segment, fault)) from fault
