"""The controller's records on the node's key-value store.

Each record is one key, in order; an append is one synced write batch, so a command's records are
all there after a crash or none is. With storage in memory nothing outlives the node.
"""

from __future__ import annotations

import struct
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from sprawl.core.errors import ErrorCode, KafkaFault

if TYPE_CHECKING:
    from sprawl.core.ids import BrokerId
    from sprawl.core.storage.port import KeyValueStore

_PREFIX: Final = b"controller/record/"
_NUMBER: Final = struct.Struct(">Q")

RunBlocking = Callable[[Callable[[], object]], Awaitable[object]]
"""Runs a function in the thread pool."""


class KeyValueMetadataLog:
    """Implements the controller's MetadataLog port.

    Args:
        node_id: this node, which always leads.
        run_blocking: the way into the thread pool: a synced write waits for the disk.
    """

    def __init__(self, kv: KeyValueStore, node_id: BrokerId, run_blocking: RunBlocking) -> None:
        self._kv = kv
        self._run_blocking = run_blocking
        self._next = 0
        self._apply: Callable[[Sequence[bytes]], None] | None = None
        self.leader: BrokerId | None = node_id

    @property
    def end_offset(self) -> int:
        return self._next

    def read_all(self) -> Iterator[bytes]:
        """Every record, oldest first."""
        for key, value in self._kv.iterate(_PREFIX):
            (number,) = _NUMBER.unpack(key[len(_PREFIX) :])
            self._next = number + 1
            yield value

    def follow(self, apply: Callable[[Sequence[bytes]], None]) -> None:
        self._apply = apply

    async def append(self, records: Sequence[bytes]) -> None:
        """Returns when they are on the disk. Raises: KafkaFault KAFKA_STORAGE_ERROR."""
        if records:
            await self._write(records, [])
            if self._apply is not None:
                self._apply(records)

    async def wait_for(self, offset: int) -> None:
        """Everything is applied here before anybody hears of it."""

    async def compact(self, records: Sequence[bytes]) -> None:
        """These in place of all there are, at once. Raises: KafkaFault KAFKA_STORAGE_ERROR."""
        await self._write(records, [key for key, _ in self._kv.iterate(_PREFIX)])

    async def _write(self, records: Sequence[bytes], deletes: Sequence[bytes]) -> None:
        puts = [
            (_PREFIX + _NUMBER.pack(number), record)
            for number, record in enumerate(records, self._next)
        ]
        try:
            await self._run_blocking(
                lambda: self._kv.write_batch(puts=puts, deletes=deletes, sync=True)
            )
        except Exception as failure:  # RocksDB's errors have no type of their own
            raise KafkaFault(
                ErrorCode.KAFKA_STORAGE_ERROR, f"The metadata log cannot be written: {failure}"
            ) from failure
        self._next += len(records)
