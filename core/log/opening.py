"""Opening a log: what recovery found becomes a log that can be appended to.

What recovery had to read is synced and stored again before the log is used, so that after `open`
everything in the log is on disk, and the next open finds it so.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from uuid import UUID

from sprawl.core.ids import TopicId, TopicPartition
from sprawl.core.log.config import LogConfig
from sprawl.core.log.copies import finish_copy
from sprawl.core.log.epochs import EpochTable
from sprawl.core.log.recovered import DamagedLog, Recovered, StrayLog
from sprawl.core.log.recovery import Recovery
from sprawl.core.log.segment import (
    LOG_SUFFIX,
    SEGMENT_HEADER_BYTES,
    Segment,
    SegmentHeader,
    SegmentKey,
    parse_segment_header,
)
from sprawl.core.log.state import LogState, Marks, RecoveryPoint, Summary
from sprawl.core.storage.port import LogDirectory

_log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class OpenedLog:
    """A log's parts, ready for use.

    Args:
        is_new_file: whether the active segment was just created, and its name is not synced.
    """

    segments: list[Segment]
    epochs: EpochTable
    marks: Marks
    is_new_file: bool


def owner_of(directory: LogDirectory) -> UUID | None:
    """The topic id that a directory's log belongs to; None when nothing in it tells.

    Raises:
        OSError: the directory or a file in it cannot be read.
    """
    for info in directory.list():
        if not info.name.endswith(LOG_SUFFIX):
            continue
        file = directory.open(info.name)
        try:
            return parse_segment_header(file.read(0, SEGMENT_HEADER_BYTES)).topic_id
        except ValueError:
            continue
        finally:
            file.close()
    return None


def open_log(
    *,
    tp: TopicPartition,
    topic_id: TopicId,
    config: LogConfig,
    directory: LogDirectory,
    state: LogState,
    now_ms: int,
    clean_shutdown: bool,
    refuses_damage: bool = False,
) -> OpenedLog:
    """Find the log in its directory, or begin it there.

    Raises:
        DamagedLog: it lost what was on disk, and damage is refused.
        OSError: the files cannot be read or written.
    """
    finish_copy(directory, state)
    stored_marks = state.marks()
    # A store that knows the log knows its start: the one that the log tells of may not be decided.
    is_known = stored_marks is not None or state.recovery_point() is not None
    marks = stored_marks or Marks()
    if refuses_damage and marks.damage:
        raise DamagedLog(f"known to be damaged: {[tuple(each)[:2] for each in marks.damage]}")
    for _ in range(2):
        recovery = Recovery(
            str(tp),
            directory=directory,
            state=state,
            topic_id=topic_id,
            partition=tp.partition,
            log_start_offset=marks.log_start_offset,
            index_interval_bytes=config.index_interval_bytes,
            refuses_damage=refuses_damage,
        )
        try:
            found = recovery.run()
            break
        except StrayLog as stray:
            _log.warning("%s: %s, which is gone; it was set aside", tp, stray)
            directory.set_aside(stray.topic_id.hex)
    else:
        raise OSError(f"the directory of {tp} cannot be set aside")
    epochs = recovery.epochs
    if clean_shutdown and (found.cut_bytes or found.damage):
        _log.error("%s: the log was stopped in good order, and yet it is not whole", tp)
    marks = _marks(marks, found, is_known=is_known)
    if found.end_offset < marks.log_start_offset:
        # The tail that was lost lay below what had been deleted already.
        for segment in found.segments:
            state.write(deletes=state.segment_keys(segment.key), sync=True)
            segment.file.discard(0)
        found.segments.clear()
        found.end_offset = marks.log_start_offset
    _drop_deleted(found, state, marks.log_start_offset)
    is_new_file = _begin_segment(tp, topic_id, directory, found, now_ms)
    if found.must_store or found.damage:
        _store(directory, state, found.segments, epochs, marks)
        is_new_file = False
    elif state.recovery_point() is None:
        # From here on a missing recovery point means that the store was lost. Nothing of the
        # segment is synced, its header neither.
        active = found.segments[-1]
        point = RecoveryPoint(active.key, 0, active.end.offset, active.end.index)
        state.write([state.put_point(point)])
    return OpenedLog(segments=found.segments, epochs=epochs, marks=marks, is_new_file=is_new_file)


def _marks(marks: Marks, found: Recovered, *, is_known: bool) -> Marks:
    log_start = marks.log_start_offset
    if not is_known and found.log_start_seen >= 0:
        log_start = max(log_start, min(found.log_start_seen, found.end_offset))
    damage = tuple(sorted({*marks.damage, *found.damage}))
    is_damaged = any(each.start_offset <= log_start < each.end_offset for each in damage)
    if found.segments and not is_damaged:
        log_start = max(log_start, found.segments[0].base_offset)
    return marks._replace(log_start_offset=log_start, damage=damage)


def _drop_deleted(found: Recovered, state: LogState, log_start_offset: int) -> None:
    """Remove segments below the log start again whose removal a power loss took back."""
    segments = found.segments
    while len(segments) > 1 and segments[1].base_offset <= log_start_offset:
        if segments[0].base_offset == log_start_offset:
            return
        state.write(deletes=state.segment_keys(segments[0].key))
        segments.pop(0).file.discard(0)


def _begin_segment(
    tp: TopicPartition,
    topic_id: TopicId,
    directory: LogDirectory,
    found: Recovered,
    now_ms: int,
) -> bool:
    """Make sure that the last segment can be appended to; True when it was created now."""
    segments = found.segments
    last = segments[-1] if segments else None
    if last is not None and not found.must_roll and not last.is_compacted:
        return False
    is_same_base = last is not None and last.base_offset == found.end_offset
    key = SegmentKey(found.end_offset, found.end_index if is_same_base else 0)
    header = SegmentHeader(topic_id, tp.partition, found.end_offset, found.end_index, now_ms)
    segments.append(Segment.create(directory, key, header, keep_tail=True))
    return True


def _store(
    directory: LogDirectory,
    state: LogState,
    segments: list[Segment],
    epochs: EpochTable,
    marks: Marks,
) -> None:
    """Sync what was read by recovery, then store what it found."""
    puts = [state.put_epochs(epochs), state.put_marks(marks)]
    for segment in segments:
        index = segment.index
        if index is not None:
            segment.file.sync()
            puts += state.put_segment(segment.key, Summary.of(segment, segment.end), index)
    directory.sync()
    active = segments[-1]
    end = active.end
    puts.append(state.put_point(RecoveryPoint(active.key, end.size_bytes, end.offset, end.index)))
    state.write(puts, sync=True)
    for segment in segments[:-1]:
        segment.index = None
