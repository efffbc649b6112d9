"""A __consumer_offsets in memory and a clock to turn, for tests of the coordinator's shell."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sprawl.core.groups.model import LogRecord


class StoredRecord(NamedTuple):
    offset: int
    key: bytes | None
    value: bytes | None


class FakeLog:
    """Partitions in memory. With `gates`, an append waits in the log for its own gate."""

    def __init__(self, partition_count: int = 50) -> None:
        self.partition_count = partition_count
        self.partitions: dict[int, list[StoredRecord]] = {}
        self.gates: list[asyncio.Future[None]] | None = None
        self.fault: Exception | None = None

    async def append(self, partition: int, records: Sequence[LogRecord]) -> int:
        if self.fault is not None:
            raise self.fault
        stored = self.partitions.setdefault(partition, [])
        base = len(stored)
        stored += [StoredRecord(base + i, *record) for i, record in enumerate(records)]
        if self.gates is not None:
            gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self.gates.append(gate)
            await gate
        return base

    def read_all(self, partition: int) -> Iterator[StoredRecord]:
        return iter(list(self.partitions.get(partition, ())))


class FakeClock:
    def __init__(self) -> None:
        self.ms = 0

    def now_ms(self) -> int:
        return 1_700_000_000_000 + self.ms

    def monotonic_ms(self) -> int:
        return self.ms
