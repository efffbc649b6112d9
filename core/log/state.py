"""What a log keeps in the node's key-value store, and how it is written there.

Keys begin with `log/`, topic id and partition; then

    r            recovery point: everything before it is on disk
    m            marks: log start, how far compaction came, quarantined ranges
    e            epoch table
    s<key>       summary of a segment whose first `size_bytes` are on disk
    i<key>       sparse index that belongs to the summary
    p<offset>    producer table as of an offset
    c            names of the segments that a copy put in the log's place, until they have them

All of it can be rebuilt from the segments (the log start also stands in the log, as an entry); a
segment's bytes are synced before anything here claims so.
"""

from __future__ import annotations

import json
import struct
from array import array
from bisect import bisect_left
from collections.abc import Sequence
from typing import Final, NamedTuple
from uuid import UUID

from sprawl.core.errors import ErrorCode
from sprawl.core.log.epochs import EpochTable
from sprawl.core.log.index import SparseIndex
from sprawl.core.log.segment import Segment, SegmentEnd, SegmentKey
from sprawl.core.records.producers import ProducerTable
from sprawl.core.storage.port import KeyValueStore

_PREFIX: Final = b"log/"
_PARTITION: Final = struct.Struct(">i")
_OFFSET: Final = struct.Struct(">q")
_KEY: Final = struct.Struct(">qq")
_POINT: Final = struct.Struct(">qqqqq")
_MARKS: Final = struct.Struct(">qqI")
_DAMAGE: Final = struct.Struct(">qqh")
_SUMMARY: Final = struct.Struct(">qqqqqqqBI")
_IS_COMPACTED: Final = 1
_HAS_PRODUCERS: Final = 2

Puts = list[tuple[bytes, bytes]]


class RecoveryPoint(NamedTuple):
    """Everything before this place of the log was synced.

    Args:
        key: of the segment it lies in.
        position: in the segment's file, where a frame starts or the file ends.
        offset: the next offset there.
        index: the next index there.
    """

    key: SegmentKey
    position: int
    offset: int
    index: int  # type: ignore[assignment]  # hides tuple.index, unused


class Damage(NamedTuple):
    """Offsets [start_offset, end_offset) that were on disk and cannot be read any more."""

    start_offset: int
    end_offset: int
    code: ErrorCode


class Marks(NamedTuple):
    """Facts about a log as a whole."""

    log_start_offset: int = 0
    cleaned_to_offset: int = 0
    damage: tuple[Damage, ...] = ()


class Summary(NamedTuple):
    """The facts of a segment's first `end.size_bytes` bytes."""

    end: SegmentEnd
    first_index: int
    first_timestamp: int
    max_timestamp: int
    created_ms: int
    is_compacted: bool
    has_producers: bool
    gaps: array[int]

    @classmethod
    def of(cls, segment: Segment, end: SegmentEnd) -> Summary:
        """The segment up to `end`, while more may be appended behind it."""
        gaps = segment.gaps[: bisect_left(segment.gaps, end.size_bytes)]
        if len(gaps) & 1:
            # This gap has grown since.
            gaps.append(end.size_bytes)
        return cls(
            end,
            segment.first_index,
            segment.first_timestamp,
            segment.max_timestamp,
            segment.created_ms,
            segment.is_compacted,
            segment.has_producers,
            gaps,
        )

    def apply_to(self, segment: Segment) -> None:
        """Give a segment that was just opened the facts of this summary."""
        segment.end = self.end
        segment.first_timestamp = self.first_timestamp
        segment.max_timestamp = self.max_timestamp
        segment.has_producers = self.has_producers
        segment.gaps = array("I", self.gaps)

    def encode(self) -> bytes:
        """The summary as bytes."""
        flags = self.is_compacted * _IS_COMPACTED | self.has_producers * _HAS_PRODUCERS
        return _SUMMARY.pack(
            *self.end,
            self.first_index,
            self.first_timestamp,
            self.max_timestamp,
            self.created_ms,
            flags,
            len(self.gaps),
        ) + struct.pack(f">{len(self.gaps)}I", *self.gaps)

    @classmethod
    def parse(cls, data: bytes) -> Summary:
        """Read `encode`'s bytes."""
        size, offset, index, first, first_ts, max_ts, created, flags, count = _SUMMARY.unpack_from(
            data
        )
        return cls(
            SegmentEnd(size, offset, index),
            first,
            first_ts,
            max_ts,
            created,
            bool(flags & _IS_COMPACTED),
            bool(flags & _HAS_PRODUCERS),
            array("I", struct.unpack_from(f">{count}I", data, _SUMMARY.size)),
        )


class LogState:
    """One log's part of the store."""

    __slots__ = ("_kv", "_prefix")

    def __init__(self, kv: KeyValueStore, topic_id: UUID, partition: int) -> None:
        self._kv = kv
        self._prefix = _PREFIX + topic_id.bytes + _PARTITION.pack(partition)

    # --- reading --------------------------------------------------------------------------------

    def recovery_point(self) -> RecoveryPoint | None:
        """None for a log that was never synced."""
        data = self._kv.get(self._prefix + b"r")
        if data is None:
            return None
        base_offset, tag, position, offset, index = _POINT.unpack(data)
        return RecoveryPoint(SegmentKey(base_offset, tag), position, offset, index)

    def marks(self) -> Marks | None:
        """None for a log whose marks never changed."""
        data = self._kv.get(self._prefix + b"m")
        if data is None:
            return None
        start, cleaned_to, count = _MARKS.unpack_from(data)
        items = _DAMAGE.iter_unpack(data[_MARKS.size : _MARKS.size + count * _DAMAGE.size])
        return Marks(start, cleaned_to, tuple(Damage(a, b, ErrorCode(c)) for a, b, c in items))

    def epochs(self) -> EpochTable:
        """An empty table when there is none."""
        return EpochTable.parse(self._kv.get(self._prefix + b"e") or b"")

    def summaries(self) -> dict[SegmentKey, Summary]:
        """Of all segments that have one."""
        prefix = self._prefix + b"s"
        return {
            SegmentKey(*_KEY.unpack(key[len(prefix) :])): Summary.parse(value)
            for key, value in self._kv.iterate(prefix)
        }

    def index(self, key: SegmentKey) -> SparseIndex | None:
        """The stored index of a segment; None when there is none that can be used."""
        data = self._kv.get(self._prefix + b"i" + _KEY.pack(*key))
        try:
            return None if data is None else SparseIndex.parse(data)
        except ValueError:
            return None

    def producers(self, up_to_offset: int) -> tuple[int, ProducerTable]:
        """The last stored table at or below an offset, and its offset; else (-1, empty)."""
        prefix = self._prefix + b"p"
        found = [
            (offset, value)
            for key, value in self._kv.iterate(prefix)
            if (offset := _OFFSET.unpack(key[len(prefix) :])[0]) <= up_to_offset
        ]
        for offset, value in reversed(found):
            try:
                return offset, ProducerTable.load(value)
            except ValueError:
                continue
        return -1, ProducerTable()

    def producer_offsets(self) -> list[int]:
        """Offsets of the stored tables, ascending."""
        prefix = self._prefix + b"p"
        return [_OFFSET.unpack(key[len(prefix) :])[0] for key, _ in self._kv.iterate(prefix)]

    def stored_producers(self, up_to_offset: int) -> tuple[int, bytes]:
        """The bytes of the last table that can be read at or below an offset; else (-1, none)."""
        offset, _ = self.producers(up_to_offset)
        found = None if offset < 0 else self._kv.get(self.producer_key(offset))
        return (-1, b"") if found is None else (offset, found)

    def copied(self) -> list[str] | None:
        """Names of the files that are the log, after a copy took its place; None in between."""
        data = self._kv.get(self.copied_key)
        return None if data is None else list(json.loads(data))

    def all_keys(self) -> list[bytes]:
        """Every key of the log."""
        return [key for key, _ in self._kv.iterate(self._prefix)]

    # --- writing --------------------------------------------------------------------------------

    def put_point(self, point: RecoveryPoint) -> tuple[bytes, bytes]:
        """What to write for a recovery point."""
        return self._prefix + b"r", _POINT.pack(*point.key, *point[1:])

    def put_marks(self, marks: Marks) -> tuple[bytes, bytes]:
        """What to write for the marks."""
        start, cleaned_to, damage = marks
        body = b"".join(_DAMAGE.pack(*each) for each in damage)
        return self._prefix + b"m", _MARKS.pack(start, cleaned_to, len(damage)) + body

    def put_epochs(self, epochs: EpochTable) -> tuple[bytes, bytes]:
        """What to write for the epoch table."""
        return self._prefix + b"e", epochs.encode()

    def put_segment(self, key: SegmentKey, summary: Summary, index: SparseIndex) -> Puts:
        """What to write for a segment, whose bytes are synced as far as the summary goes."""
        packed = _KEY.pack(*key)
        return [
            (self._prefix + b"s" + packed, summary.encode()),
            (self._prefix + b"i" + packed, index.encode(summary.end.size_bytes)),
        ]

    def put_summary(self, key: SegmentKey, summary: Summary) -> tuple[bytes, bytes]:
        """The same for a segment whose index is made again when it is needed."""
        return self._prefix + b"s" + _KEY.pack(*key), summary.encode()

    def put_copied(self, names: Sequence[str]) -> tuple[bytes, bytes]:
        """What to write for the marker of a copy."""
        return self.copied_key, json.dumps(names).encode()

    @property
    def copied_key(self) -> bytes:
        return self._prefix + b"c"

    def put_producers(self, offset: int, snapshot: bytes) -> tuple[bytes, bytes]:
        """What to write for a producer table."""
        return self._prefix + b"p" + _OFFSET.pack(offset), snapshot

    def segment_keys(self, key: SegmentKey) -> list[bytes]:
        """The keys of a segment."""
        packed = _KEY.pack(*key)
        return [self._prefix + b"s" + packed, self._prefix + b"i" + packed]

    def producer_key(self, offset: int) -> bytes:
        """The key of a producer table."""
        return self._prefix + b"p" + _OFFSET.pack(offset)

    def write(
        self,
        puts: Sequence[tuple[bytes, bytes]] = (),
        deletes: Sequence[bytes] = (),
        *,
        sync: bool = False,
    ) -> None:
        """Apply changes at once."""
        if puts or deletes:
            self._kv.write_batch(puts=puts, deletes=deletes, sync=sync)

    def delete_all(self) -> None:
        """Forget the log."""
        self.write(deletes=self.all_keys(), sync=True)
