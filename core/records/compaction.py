"""Log compaction: which part of a log may be compacted, and what becomes of each batch.

A pass reads the dirty part once to learn the last offset of every key (`map_offsets`), then
rewrites everything up to where the map reaches, batch by batch (`Compactor`). Offsets, order, and
the first and last offset of each batch that stays never change.

    plan_cleaning ──> map_offsets ──> Compactor.compact, for every batch below the map's end
                          │
                          └─ map full: the pass ends early, the next one starts there

README.md has the rules.

Source: KIP-58 (min lag), KIP-354 (max lag), KIP-534 (delete horizon), KIP-98 (markers, empty
batches).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Final, NamedTuple, Protocol

from sprawl.core.errors import KafkaFault
from sprawl.core.limits import COMPACTION_KEYS_MAX
from sprawl.core.records.batch import (
    CODEC_MASK,
    DELETE_HORIZON,
    LOG_APPEND_TIME,
    NO_TIMESTAMP,
    BatchHeader,
    parse_header,
)
from sprawl.core.records.cleaned_transactions import CleanedTransactions
from sprawl.core.records.crc import Readable
from sprawl.core.records.producers import AbortedTransaction, LastBatch
from sprawl.core.records.record import RawRecord, build_batch, read_section, walk_records
from sprawl.core.records.varint import append_varint

# --- which part of a log -------------------------------------------------------------------------


class CleaningRules(Protocol):
    """The configs of a topic that decide when it is compacted, by Kafka's names."""

    @property
    def min_cleanable_dirty_ratio(self) -> float: ...

    @property
    def min_compaction_lag_ms(self) -> int: ...

    @property
    def max_compaction_lag_ms(self) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentFacts:
    """What the plan has to know of one segment.

    Args:
        end_offset: one past its last offset.
        first_timestamp_ms: max timestamp of its first batch; -1 when it has none.
        max_timestamp_ms: largest of all its records; -1 when it has none.
    """

    base_offset: int
    end_offset: int
    size_bytes: int
    first_timestamp_ms: int
    max_timestamp_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CleaningPlan:
    """The dirty part of a log, and whether it should be compacted now.

    Args:
        first_dirty_offset: where the dirty part starts; below it keys are unique already.
        end_offset: the base offset of the first segment that must not be touched.
    """

    first_dirty_offset: int
    end_offset: int
    clean_bytes: int
    dirty_bytes: int
    is_due: bool

    @property
    def dirty_ratio(self) -> float:
        """Share of the compactable bytes that is dirty; 0 when there are none."""
        total_bytes = self.clean_bytes + self.dirty_bytes
        return self.dirty_bytes / total_bytes if total_bytes else 0.0


def plan_cleaning(
    sealed: Sequence[SegmentFacts],
    *,
    cleaned_to_offset: int,
    log_start_offset: int,
    active_base_offset: int,
    first_unstable_offset: int,
    config: CleaningRules,
    now_ms: int,
) -> CleaningPlan:
    """Find what a pass over a log would compact.

    Args:
        sealed: every segment but the active one, by offset.
        cleaned_to_offset: where the last pass ended; 0 before the first.
        active_base_offset: of the active segment, which is never compacted.
        first_unstable_offset: the last stable offset, at most the high watermark.
        now_ms: wall time.
    """
    first_dirty_offset = cleaned_to_offset
    if not log_start_offset <= cleaned_to_offset <= active_base_offset:
        first_dirty_offset = log_start_offset
    barrier = min(first_unstable_offset, active_base_offset)
    dirty = [each for each in sealed if each.end_offset > first_dirty_offset]
    if config.min_compaction_lag_ms > 0:
        young = now_ms - config.min_compaction_lag_ms
        fresh = next((each for each in dirty if each.max_timestamp_ms > young), None)
        if fresh is not None:
            barrier = min(barrier, fresh.base_offset)
    end_offset = next(
        (each.base_offset for each in sealed if each.end_offset > barrier), active_base_offset
    )
    below = [each for each in sealed if each.base_offset < end_offset]
    plan = CleaningPlan(
        first_dirty_offset=first_dirty_offset,
        end_offset=end_offset,
        clean_bytes=sum(e.size_bytes for e in below if e.end_offset <= first_dirty_offset),
        dirty_bytes=sum(e.size_bytes for e in below if e.end_offset > first_dirty_offset),
        is_due=False,
    )
    old = now_ms - max(config.max_compaction_lag_ms, 0)
    is_overdue = any(0 < each.first_timestamp_ms < old for each in dirty)
    return replace(
        plan,
        is_due=plan.dirty_bytes > 0
        and (is_overdue or plan.dirty_ratio > config.min_cleanable_dirty_ratio),
    )


# --- the last offset of every key ----------------------------------------------------------------

_DIGEST_BYTES: Final = 16


class OffsetMap:
    """The last offset of each key of the dirty part, about 200 bytes a key.

    Keys are kept as 128-bit digests: a collision, which would lose a record, is less likely than an
    undetected error of the disk.

    Args:
        keys_max: bound of its size. One batch may exceed it, so that every pass advances.
    """

    __slots__ = ("_keys_max", "_offsets", "end_offset")

    def __init__(self, keys_max: int = COMPACTION_KEYS_MAX) -> None:
        self._keys_max = keys_max
        self._offsets: dict[bytes, int] = {}
        self.end_offset = 0
        """One past the last offset that the map accounts for."""

    def __len__(self) -> int:
        return len(self._offsets)

    def has_room(self, key_count: int) -> bool:
        """Whether as many further keys fit."""
        return not self._offsets or len(self._offsets) + key_count <= self._keys_max

    def put(self, key: bytes, offset: int) -> None:
        """Note a later record of the key."""
        self._offsets[blake2b(key, digest_size=_DIGEST_BYTES).digest()] = offset

    def last_offset(self, key: bytes) -> int:
        """Offset of the key's last record, -1 when the map has none."""
        return self._offsets.get(blake2b(key, digest_size=_DIGEST_BYTES).digest(), -1)


def map_offsets(
    batches: Iterable[Readable],
    offset_map: OffsetMap,
    *,
    start_offset: int,
    end_offset: int,
    aborted: Iterable[AbortedTransaction] = (),
) -> bool:
    """Fill the map from the dirty part of a log.

    Records of aborted transactions do not count, nor does a batch that cannot be read: it will be
    kept as it is.

    Args:
        batches: whole batches in offset order, each a buffer of its own; those below
            `start_offset` are passed over.
        end_offset: where to stop; the plan's.
        aborted: transactions that touch the range.

    Returns:
        True when all of it is in the map, False when the map was full: `offset_map.end_offset`
        says how far it reaches.
    """
    transactions = CleanedTransactions(aborted)
    offset_map.end_offset = start_offset
    for batch in batches:
        header = parse_header(batch)
        if header.base_offset >= end_offset:
            break
        is_left_out = transactions.on_batch(batch, header)
        if header.last_offset < start_offset:
            continue
        if not is_left_out and not header.is_control:
            if not offset_map.has_room(header.record_count):
                return False
            for key, offset in _keys(batch, header):
                if offset >= start_offset:
                    offset_map.put(key, offset)
        offset_map.end_offset = header.last_offset + 1
    offset_map.end_offset = max(offset_map.end_offset, end_offset)
    return True


def _keys(batch: Readable, header: BatchHeader) -> list[tuple[bytes, int]]:
    try:
        section = read_section(batch, 0, header)
        return [
            (record.key, header.base_offset + record.offset_delta)
            for record in walk_records(section, header.record_count)
            if record.key is not None
        ]
    except KafkaFault:
        return []


# --- what becomes of a batch ---------------------------------------------------------------------


class _Fate(NamedTuple):
    """What is decided about a batch before its records are read.

    Args:
        is_gone: none of its records stays.
        keeps_header: it stays as an empty batch when no record does.
        starts_horizon: it is a marker whose transaction has no data left.
    """

    is_gone: bool
    keeps_header: bool
    starts_horizon: bool


class Compactor:
    """One pass over the batches of a log, oldest first.

    Args:
        offset_map: of the dirty part; batches from its end on stay untouched.
        delete_retention_ms: how long tombstones and markers outlive the pass that first saw them.
        now_ms: wall time of the pass.
        last_batches: `ProducerTable.last_batches()`.
        aborted: every aborted transaction below the map's end.
    """

    def __init__(
        self,
        offset_map: OffsetMap,
        *,
        delete_retention_ms: int,
        now_ms: int,
        last_batches: Mapping[int, LastBatch],
        aborted: Iterable[AbortedTransaction] = (),
    ) -> None:
        self._map = offset_map
        self._delete_retention_ms = delete_retention_ms
        self._now_ms = now_ms
        self._last_batches = last_batches
        self._transactions = CleanedTransactions(aborted)
        self.unreadable_batch_count = 0
        """Batches that could not be read, and so were kept as they were."""

    @property
    def aborted(self) -> Sequence[AbortedTransaction]:
        """Those of the transactions whose data this pass met; the rest may be forgotten."""
        return self._transactions.remaining

    def compact(self, batch: Readable) -> Readable | None:
        """The batch as it goes into the new segment; None when nothing of it stays.

        Args:
            batch: one whole batch, its checksum verified.
        """
        header = parse_header(batch)
        if header.base_offset >= self._map.end_offset:
            return batch
        fate = self._decide(batch, header)
        if not fate.is_gone:
            try:
                return self._filter(batch, header, fate)
            except KafkaFault:
                self.unreadable_batch_count += 1
                return batch
        return _empty_batch(header) if fate.keeps_header else None

    def _decide(self, batch: Readable, header: BatchHeader) -> _Fate:
        is_left_out = self._transactions.on_batch(batch, header)
        is_gone = is_left_out
        if header.is_control:
            is_gone = is_left_out and header.has_delete_horizon and self._is_past(header)
        keeps_header = (
            self._is_last_of_producer(header) or header.last_offset + 1 == self._map.end_offset
        )
        return _Fate(is_gone, keeps_header, is_left_out and header.is_control)

    def _is_past(self, header: BatchHeader) -> bool:
        return header.base_timestamp <= self._now_ms

    def _is_last_of_producer(self, header: BatchHeader) -> bool:
        last = self._last_batches.get(header.producer_id)
        if last is None:
            return False
        if last.last_offset >= 0:
            return header.last_offset == last.last_offset
        return header.is_control and header.producer_epoch == last.producer_epoch

    def _filter(self, batch: Readable, header: BatchHeader, fate: _Fate) -> Readable | None:
        section = read_section(batch, 0, header)
        records = list(walk_records(section, header.record_count))
        kept = records if header.is_control else [r for r in records if self._stays(header, r)]
        if not kept:
            return _empty_batch(header) if fate.keeps_header else None
        needs_horizon = not header.has_delete_horizon and (
            fate.starts_horizon
            or (not header.is_control and any(record.value_length < 0 for record in kept))
        )
        if len(kept) == len(records) and not needs_horizon:
            return batch
        horizon_ms = self._now_ms + self._delete_retention_ms if needs_horizon else None
        return _rebuild(header, section, kept, horizon_ms)

    def _stays(self, header: BatchHeader, record: RawRecord) -> bool:
        offset = header.base_offset + record.offset_delta
        if offset >= self._map.end_offset:
            return True
        if record.key is None or self._map.last_offset(record.key) > offset:
            return False
        return (
            record.value_length >= 0 or not header.has_delete_horizon or not self._is_past(header)
        )


def compact(batches: Iterable[Readable], compactor: Compactor) -> Iterator[Readable]:
    """What stays of a run of batches, in order."""
    for batch in batches:
        kept = compactor.compact(batch)
        if kept is not None:
            yield kept


def _empty_batch(header: BatchHeader) -> Readable:
    return build_batch(
        header._replace(
            attributes=header.attributes & ~(CODEC_MASK | DELETE_HORIZON),
            base_timestamp=NO_TIMESTAMP,
            record_count=0,
        ),
        b"",
    )


def _rebuild(
    header: BatchHeader, section: bytes, kept: Sequence[RawRecord], horizon_ms: int | None
) -> Readable:
    """The batch with some of its records; `horizon_ms` becomes its base timestamp if given."""
    out = bytearray()
    attributes = header.attributes
    base_timestamp = header.base_timestamp
    if horizon_ms is None:
        for record in kept:
            out += section[record.start : record.end]
    else:
        attributes |= DELETE_HORIZON
        base_timestamp = horizon_ms
        for record in kept:
            timestamp_ms = header.base_timestamp + record.timestamp_delta
            body = bytearray(section[record.deltas_start - 1 : record.deltas_start])
            append_varint(body, timestamp_ms - horizon_ms)
            body += section[record.rest_start : record.end]
            append_varint(out, len(body))
            out += body
    max_timestamp = header.max_timestamp
    if not header.attributes & LOG_APPEND_TIME:
        max_timestamp = max(header.base_timestamp + record.timestamp_delta for record in kept)
    return build_batch(
        header._replace(
            attributes=attributes,
            base_timestamp=base_timestamp,
            max_timestamp=max_timestamp,
            record_count=len(kept),
        ),
        out,
    )
