"""The byte format of a producer table's snapshot.

    magic "SPPT", version u16, then u32 counts each followed by its items, then CRC-32C u32 of all

A producer: id i64, epoch i16, coordinator epoch i32, last timestamp i64, last activity i64, offset
of its last change i64, transaction start i64, window length u16, then the window's i64 numbers.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from sprawl.core.records.crc import Readable, crc32c

_START: Final = struct.Struct(">4sH")
_MAGIC: Final = b"SPPT"
_VERSION: Final = 1
_COUNT: Final = struct.Struct(">I")
_PRODUCER: Final = struct.Struct(">qhiqqqqH")
_CRC: Final = struct.Struct(">I")

ProducerFields = tuple[int, int, int, int, int, int, int, int]


class SnapshotWriter:
    """Builds a snapshot from front to back."""

    def __init__(self) -> None:
        self._out = bytearray(_START.pack(_MAGIC, _VERSION))

    def count(self, count: int) -> None:
        """How many items follow."""
        self._out += _COUNT.pack(count)

    def producer(self, *fields: int) -> None:
        """The fixed part of one producer."""
        self._out += _PRODUCER.pack(*fields)

    def numbers(self, numbers: Sequence[int]) -> None:
        """Signed 64-bit numbers."""
        self._out += struct.pack(f">{len(numbers)}q", *numbers)

    def finish(self) -> bytes:
        """The snapshot with its checksum."""
        return bytes(self._out) + _CRC.pack(crc32c(self._out))


class SnapshotReader:
    """Reads what SnapshotWriter wrote, in the same order.

    Raises:
        ValueError: from every method, for damaged bytes or an unknown version.
    """

    def __init__(self, data: Readable) -> None:
        view = memoryview(data)
        if len(view) < _START.size + _CRC.size:
            raise ValueError("the producer snapshot is cut off")
        magic, version = _START.unpack_from(view)
        if magic != _MAGIC or version != _VERSION:
            raise ValueError(f"no producer snapshot of version {_VERSION}")
        self._data = view[: -_CRC.size]
        if _CRC.unpack(view[-_CRC.size :])[0] != crc32c(self._data):
            raise ValueError("the checksum of the producer snapshot does not match")
        self._pos = _START.size

    def count(self) -> int:
        """How many items follow."""
        (count,) = self._take(_COUNT)
        return count

    def producer(self) -> ProducerFields:
        """The fixed part of one producer."""
        id_, epoch, coordinator_epoch, timestamp, active, changed, start, length = self._take(
            _PRODUCER
        )
        return id_, epoch, coordinator_epoch, timestamp, active, changed, start, length

    def numbers(self, count: int) -> tuple[int, ...]:
        """`count` signed 64-bit numbers."""
        return self._take(struct.Struct(f">{count}q"))

    def finish(self) -> None:
        """Check that everything was read."""
        if self._pos != len(self._data):
            raise ValueError("the producer snapshot has bytes left over")

    def _take(self, layout: struct.Struct) -> tuple[int, ...]:
        try:
            values = layout.unpack_from(self._data, self._pos)
        except struct.error:
            raise ValueError("the producer snapshot is cut off") from None
        self._pos += layout.size
        return values
