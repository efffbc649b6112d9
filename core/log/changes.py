"""What changes a log besides appends: syncs, truncation, deletion, the swap after compaction.

The order of each change is what makes it safe to crash in the middle:

    sync         files, names, then the store says that they are synced
    truncation   the store forgets what will go (synced), then the files are cut
    deletion     the store has the new log start (synced), then files are renamed and removed
    swap         see cleaner.py
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sprawl.core.ids import LogIndex, Offset, Term
from sprawl.core.limits import INDEX_CHECKPOINT_BYTES, PRODUCER_SNAPSHOTS_MAX
from sprawl.core.log.rebuilding import end_before, rebuild_producers
from sprawl.core.log.recovery import SWAP_SUFFIX
from sprawl.core.log.retention import SegmentAge, count_useless
from sprawl.core.log.segment import Segment, SegmentEnd
from sprawl.core.log.state import Puts, RecoveryPoint, Summary
from sprawl.core.log.tokens import DurableUpTo, Sealed

if TYPE_CHECKING:
    from sprawl.core.log.partition_log import PartitionLog

# --- syncs ---------------------------------------------------------------------------------------


def flush(log: PartitionLog, *, is_closing: bool = False) -> DurableUpTo:
    """See PartitionLog.flush.

    What is claimed is read at once, and not in the middle of a truncation: what is cut off then
    would be claimed. Whatever is appended, or sealed, after that is synced in vain.
    """
    with log.lock:
        if log.failure is not None:
            raise OSError(log.failure)
        truncations = log.truncations
        active = log.segments[-1]
        end = active.end
        term = log.epochs.term_at(end.index - 1)
        pending = log.pending
    token = DurableUpTo(LogIndex(end.index - 1), Term(-1) if term is None else term)
    is_synced = not pending and end.index - 1 == log.synced_index and not log.names_changed
    if is_synced and not is_closing:
        return token
    if not is_synced:
        _sync(log, pending, active)
    puts = [log.state.put_point(RecoveryPoint(active.key, end.size_bytes, end.offset, end.index))]
    for sealed in pending:
        puts += _put_segment(log, sealed.segment, sealed.segment.end)
        if sealed.producers is not None:
            puts.append(log.state.put_producers(sealed.segment.end.offset, sealed.producers))
    is_grown = end.size_bytes - log.stored_bytes >= INDEX_CHECKPOINT_BYTES
    if is_grown or is_closing:
        puts += _put_segment(log, active, end)
    if is_closing and len(log.producers):
        puts.append(log.state.put_producers(end.offset, log.producers.snapshot()))
    with log.lock:
        if log.is_closed or truncations != log.truncations:
            return DurableUpTo(log.synced_index, log.epochs.term_at(log.synced_index) or Term(-1))
        stored = log.state.producer_offsets() if pending else []
        deletes = [log.state.producer_key(each) for each in stored[:-PRODUCER_SNAPSHOTS_MAX]]
        _write_with_terms(log, puts, deletes)
        log.synced = (end.index - 1, end.offset)
        log.pending = tuple(each for each in log.pending if each not in pending)
        if is_grown:
            log.stored_bytes = end.size_bytes
        for sealed in pending:
            _retire_index(log, sealed.segment)
    return token


def _write_with_terms(log: PartitionLog, puts: Puts, deletes: Sequence[bytes]) -> None:
    """Have the store say what was synced, and which terms began in it: without them the next start
    would take it for damaged."""
    has_new = log.epochs_changed
    if has_new:
        log.epochs_changed = False  # a term that begins from here on sets it again
        puts = [*puts, log.state.put_epochs(log.epochs)]
    try:
        log.state.write(puts, deletes)
    except OSError:
        log.epochs_changed |= has_new
        raise


def _sync(log: PartitionLog, pending: Sequence[Sealed], active: Segment) -> None:
    try:
        for sealed in pending:
            _sync_file(log, sealed.segment)
        _sync_file(log, active)
        if log.names_changed:
            # A roll that comes now sets it again.
            log.names_changed = False
            log.directory.sync()
    except OSError as failure:
        if not log.is_closed:
            log.failure = f"A sync of {log.tp} failed: {failure}"
        raise


def _sync_file(log: PartitionLog, segment: Segment) -> None:
    try:
        segment.file.sync()
    except FileNotFoundError:
        # Retention may have removed a sealed segment meanwhile.
        if segment in log.segments:
            raise


def _put_segment(log: PartitionLog, segment: Segment, end: SegmentEnd) -> Puts:
    index = log.load_index(segment, may_block=True)
    assert index is not None
    return log.state.put_segment(segment.key, Summary.of(segment, end), index)


def _retire_index(log: PartitionLog, segment: Segment) -> None:
    """The index is in the store: memory keeps it only while it is used."""
    index, segment.index = segment.index, None
    if index is not None:
        log.indexes.put(segment, index)


# --- truncation ----------------------------------------------------------------------------------


def truncate(log: PartitionLog, from_index: int) -> None:
    """See PartitionLog.truncate_suffix; the index is one of the log's.

    Raises:
        ValueError, KafkaFault, OSError: nothing was changed, unless `log.failure` is set: then half
            of it was done, and the log is of no use until it is opened again.
    """
    with log.lock:
        kept = [each for each in log.segments if each.first_index <= from_index]
        segment = kept[-1]
        if not segment.is_compacted:
            own_index(log, segment)
        end, max_timestamp = end_before(log, segment, from_index)
        if end.offset < log.log_start_offset:
            raise ValueError(f"entry {from_index} is older than the log start")
        with _all_or_failed(log):
            _cut(log, kept, end, max_timestamp, from_index)
    with _all_or_failed(log):
        if not log.producers.truncate_to(end.offset):
            rebuild_producers(log, log.now_ms)


@contextmanager
def _all_or_failed(log: PartitionLog) -> Iterator[None]:
    """What is half done can neither be taken back nor used."""
    try:
        yield
    except Exception as failure:
        log.failure = f"A truncation of {log.tp} failed: {failure}"
        raise


def _cut(
    log: PartitionLog,
    kept: Sequence[Segment],
    end: SegmentEnd,
    max_timestamp: int,
    from_index: int,
) -> None:
    """Cut off what lies behind `end`, where the last of the kept segments is to end."""
    segment = kept[-1]
    gone = log.segments[len(kept) :]
    log.truncations += 1
    log.epochs.truncate_suffix(from_index)
    puts = [log.state.put_epochs(log.epochs)]
    if log.synced_index >= from_index:
        puts.append(
            log.state.put_point(RecoveryPoint(segment.key, end.size_bytes, end.offset, end.index))
        )
        log.synced = (end.index - 1, end.offset)
    deletes = [key for each in (segment, *gone) for key in log.state.segment_keys(each.key)]
    deletes += [
        log.state.producer_key(each) for each in log.state.producer_offsets() if each > end.offset
    ]
    log.state.write(puts, deletes, sync=True)
    # First, for a sync that is under way must not miss a file that is still one of the log's.
    log.segments = tuple(kept)
    log.pending = tuple(each for each in log.pending if each.segment in kept[:-1])
    for each in reversed(gone):
        log.indexes.drop(each)
        each.file.discard(0)
    segment.cut(end, max_timestamp=max_timestamp)
    # Another tuple: who read in a thread meanwhile sees that there was a change.
    log.segments = tuple(kept)
    log.stored_bytes = 0
    # Until the next flush a power loss may bring back what was cut.
    log.names_changed = True


def own_index(log: PartitionLog, segment: Segment) -> None:
    """Load the index of a segment that is about to be changed."""
    if segment.index is None:
        segment.index = log.load_index(segment, may_block=True)
        log.indexes.drop(segment)
        segment.resume_index()


# --- deletion ------------------------------------------------------------------------------------


def advance_start(log: PartitionLog, offset: int) -> None:
    """Move the log start up, and drop the segments that lie below it as a whole.

    Raises:
        OSError: the start is as it was, or files are left for the next open to remove.
    """
    with log.lock:
        segments = log.segments
        count = 0
        while (
            count < len(segments) - 1
            and segments[count].base_offset < offset
            and segments[count].end.offset <= offset
        ):
            count += 1
        gone = segments[:count]
        damage = tuple(each for each in log.marks.damage if each.end_offset > offset)
        marks = log.marks._replace(log_start_offset=offset, damage=damage)
        deletes = [key for each in gone for key in log.state.segment_keys(each.key)]
        puts = [log.state.put_marks(marks)]
        # What these segments say of producers cannot be read from them any more.
        puts += [
            log.state.put_producers(each.segment.end.offset, each.producers)
            for each in log.pending
            if each.segment in gone and each.producers is not None
        ]
        log.state.write(puts, deletes, sync=True)
        log.marks = marks
        log.segments = segments[count:]
        log.pending = tuple(each for each in log.pending if each.segment not in gone)
        if log.epochs.advance_start(log.first_index):
            log.epochs_changed = True
        log.producers.advance_log_start(offset)
        for each in gone:
            log.indexes.drop(each)
            each.file.discard(log.config.file_delete_delay_ms)


def retention_start(log: PartitionLog, now_ms: int, up_to_offset: int) -> Offset | None:
    """See PartitionLog.retention_start."""
    segments = log.segments
    count = count_useless(
        [SegmentAge(s.base_offset, s.end.offset, s.data_bytes, s.last_change_ms) for s in segments],
        log_start_offset=log.log_start_offset,
        up_to_offset=up_to_offset,
        config=log.config,
        now_ms=now_ms,
    )
    if count == 0:
        return None
    if count == len(segments):
        log.roll(now_ms)
    return Offset(max(log.segments[count].base_offset, log.log_start_offset))


def delete_old(log: PartitionLog, now_ms: int, up_to_offset: int | None) -> int:
    """See PartitionLog.delete_old_segments."""
    up_to = log.log_end_offset if up_to_offset is None else up_to_offset
    start = retention_start(log, now_ms, up_to)
    if start is None:
        return 0
    before = len(log.segments)
    advance_start(log, start)
    return before - len(log.segments)


# --- compaction ----------------------------------------------------------------------------------


def replace_segments(log: PartitionLog, group: Sequence[Segment], cleaned: Segment) -> bool:
    """Put a compacted, synced segment in the place of its sources.

    Returns:
        False when the sources are not in the log any more.

    Raises:
        OSError: before the rename to `.swap` nothing was changed; after it the new segment counts.
    """
    with log.lock:
        segments = log.segments
        if log.is_closed or group[0] not in segments:
            return False
        at = segments.index(group[0])
        if segments[at : at + len(group)] != tuple(group):
            return False
        deletes = [key for each in group for key in log.state.segment_keys(each.key)]
        log.state.write(deletes=deletes, sync=True)
        name = group[0].file.name
        cleaned.file.rename(name + SWAP_SUFFIX)
        log.segments = (*segments[:at], cleaned, *segments[at + len(group) :])
        log.directory.sync()
        for each in group:
            log.indexes.drop(each)
            each.file.discard(log.config.file_delete_delay_ms)
        cleaned.file.rename(name)
        log.directory.sync()
        log.state.write(_put_segment(log, cleaned, cleaned.end))
        _retire_index(log, cleaned)
    return True


def set_cleaned_to(log: PartitionLog, offset: int, truncations: int) -> None:
    """Remember how far compaction came, unless the log was cut or replaced meanwhile."""
    with log.lock:
        if not log.is_closed and truncations == log.truncations:
            log.marks = log.marks._replace(cleaned_to_offset=offset)
            log.state.write([log.state.put_marks(log.marks)])
