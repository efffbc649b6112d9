"""The sparse index of a segment: about one entry for every `index.interval.bytes` of it.

An entry is a frame's position, the offset and the ordinal (how many frames stand before it in the
segment) it begins at, and the largest timestamp of all frames before it. The last one ascends, so
one bisection finds where a timestamp is first reached.

20 bytes an entry: 5 MiB for a full segment of 1 GiB. Readers in other threads see a consistent
prefix while entries are added: `offsets` grows last.
"""

from __future__ import annotations

import struct
import sys
from array import array
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

_COUNT: Final = struct.Struct("<I")
ENTRY_BYTES: Final = 20


class SparseIndex:
    """Columns of the entries; offsets and ordinals count from those of the segment's start."""

    __slots__ = ("offsets", "ordinals", "positions", "timestamps")

    def __init__(self) -> None:
        self.offsets = array("I")
        self.ordinals = array("I")
        self.positions = array("I")
        self.timestamps = array("q")

    def __len__(self) -> int:
        return len(self.offsets)

    def append(self, offset: int, ordinal: int, position: int, max_timestamp: int) -> None:
        """Add the frame that begins at `position`."""
        self.timestamps.append(max_timestamp)
        self.ordinals.append(ordinal)
        self.positions.append(position)
        self.offsets.append(offset)

    def before_offset(self, offset: int) -> int:
        """Number of the last entry at or below an offset; -1 when the first is above it."""
        return bisect_right(self.offsets, offset) - 1

    def before_position(self, position: int) -> int:
        """The same by position."""
        return bisect_right(self.positions, position, 0, len(self.offsets)) - 1

    def before_ordinal(self, ordinal: int) -> int:
        """The same by ordinal."""
        return bisect_right(self.ordinals, ordinal, 0, len(self.offsets)) - 1

    def before_time(self, timestamp_ms: int) -> int:
        """Number of the last entry before which all timestamps are below `timestamp_ms`, or -1."""
        return bisect_left(self.timestamps, timestamp_ms, 0, len(self.offsets)) - 1

    def truncate(self, count: int) -> None:
        """Keep the first `count` entries."""
        for column in (self.offsets, self.positions, self.ordinals, self.timestamps):
            del column[count:]

    @property
    def size_bytes(self) -> int:
        return ENTRY_BYTES * len(self.offsets)

    def encode(self, end_position: int) -> bytes:
        """The entries before a position as bytes, little-endian."""
        count = self.before_position(end_position - 1) + 1
        columns = (self.offsets, self.ordinals, self.positions, self.timestamps)
        return _COUNT.pack(count) + b"".join(_little_endian(c[:count]).tobytes() for c in columns)

    @classmethod
    def parse(cls, data: bytes) -> SparseIndex:
        """Read `encode`'s bytes.

        Raises:
            ValueError: they are not what it writes.
        """
        if len(data) < _COUNT.size:
            raise ValueError("an index is cut off")
        (count,) = _COUNT.unpack_from(data)
        if len(data) != _COUNT.size + ENTRY_BYTES * count:
            raise ValueError(f"an index of {count} entries has {len(data)} bytes")
        index = cls()
        at = _COUNT.size
        for column in (index.offsets, index.ordinals, index.positions, index.timestamps):
            size = column.itemsize * count
            column.frombytes(data[at : at + size])
            _little_endian(column)
            at += size
        return index


def _little_endian(column: array[int]) -> array[int]:
    if sys.byteorder == "big":
        column.byteswap()
    return column


class IndexCache:
    """Indexes of sealed segments, least recently used first, bounded for the node as a whole.

    Args:
        bytes_max: bound of all of them; the one used last stays whatever its size is.
    """

    __slots__ = ("_bytes", "_bytes_max", "_indexes")

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._indexes: OrderedDict[Hashable, SparseIndex] = OrderedDict()

    def get(self, key: Hashable) -> SparseIndex | None:
        """The index of a segment if it is here."""
        index = self._indexes.get(key)
        if index is not None:
            try:
                self._indexes.move_to_end(key)
            except KeyError:
                # Another thread's `put` dropped it between the two lines.
                return index
        return index

    def put(self, key: Hashable, index: SparseIndex) -> None:
        """Keep an index; older ones go when there is too much."""
        self.drop(key)
        self._indexes[key] = index
        self._bytes += index.size_bytes
        while self._bytes > self._bytes_max and len(self._indexes) > 1:
            _, old = self._indexes.popitem(last=False)
            self._bytes -= old.size_bytes

    def drop(self, key: Hashable) -> None:
        """Forget the index of a segment."""
        old = self._indexes.pop(key, None)
        if old is not None:
            self._bytes -= old.size_bytes
