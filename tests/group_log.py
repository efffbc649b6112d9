"""A __consumer_offsets in memory and a clock to turn, for tests of the coordinators' shell."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator, Sequence
from random import Random
from typing import Any, NamedTuple

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.groups.coordinators import GroupCoordinators
from sprawl.core.groups.model import GroupConfig, LogRecord


class StoredRecord(NamedTuple):
    offset: int
    key: bytes | None
    value: bytes | None


class FakeLog:
    """Partitions in memory. With `gates`, an append waits in the log for its own gate to commit it;
    a gate with an exception fails it and leaves it in the log, uncommitted.

    `refusal` is raised instead of appending; `looks` and `reads` count what coordinators look at.
    """

    def __init__(self, partition_count: int = 50) -> None:
        self.partition_count = partition_count
        self.partitions: dict[int, list[StoredRecord]] = {}
        self.high_watermarks: dict[int, int] = {}
        self.gates: list[asyncio.Future[None]] | None = None
        self.refusal: Exception | None = None
        self.unreadable: Exception | None = None
        self.confirming: dict[int, asyncio.Future[object]] | None = None
        """What reads wait for, by partition; None: they need not."""
        self.looks: list[int] = []
        self.reads: list[int] = []
        self.readers_max = 0
        self._readers = 0
        self._changed = asyncio.Event()

    def append(self, partition: int, records: Sequence[LogRecord]) -> Coroutine[Any, Any, int]:
        if self.refusal is not None:
            raise self.refusal
        stored = self.partitions.setdefault(partition, [])
        base = len(stored)
        stored += [StoredRecord(base + i, *record) for i, record in enumerate(records)]
        gate = None
        if self.gates is None:
            self.commit_to(partition, len(stored))
        else:
            gate = asyncio.get_running_loop().create_future()
            self.gates.append(gate)
        return self._committed(partition, base, len(stored), gate)

    async def _committed(
        self, partition: int, base: int, end: int, gate: asyncio.Future[None] | None
    ) -> int:
        if gate is not None:
            await gate
            self.commit_to(partition, end)
        return base

    def commit_to(self, partition: int, end: int) -> None:
        self.high_watermarks[partition] = max(end, self.high_watermarks.get(partition, 0))
        self._changed.set()

    def truncate(self, partition: int) -> None:
        """What a new leader may do to records that were not committed."""
        del self.partitions[partition][self.high_watermarks.get(partition, 0) :]
        self._changed.set()

    def is_empty(self, partition: int) -> bool:
        self.looks.append(partition)
        return not self.partitions.get(partition)

    async def settle(self, partition: int) -> None:
        if self.unreadable is not None:
            raise self.unreadable
        end = len(self.partitions.get(partition, ()))
        while self.high_watermarks.get(partition, 0) < end:
            self._changed.clear()
            await self._changed.wait()
            if len(self.partitions[partition]) < end:
                raise KafkaFault(ErrorCode.NOT_LEADER_OR_FOLLOWER)

    def confirm(self, partition: int) -> asyncio.Future[object] | None:
        if self.confirming is None:
            return None
        assert partition not in self.confirming, "asked twice"
        asked: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self.confirming[partition] = asked
        return asked

    def read_all(self, partition: int) -> Iterator[StoredRecord]:
        self.reads.append(partition)
        self._readers += 1
        self.readers_max = max(self.readers_max, self._readers)
        end = self.high_watermarks.get(partition, 0)
        try:
            yield from self.partitions.get(partition, [])[:end]
        finally:
            self._readers -= 1


class FakeClock:
    def __init__(self) -> None:
        self.ms = 0

    def now_ms(self) -> int:
        return 1_700_000_000_000 + self.ms

    def monotonic_ms(self) -> int:
        return self.ms


class Coordination:
    """A node's coordinators over a log; `log` may be shared with another node's."""

    def __init__(self, log: FakeLog, config: GroupConfig, *, seed: int = 1) -> None:
        self.log = log
        self.clock = FakeClock()
        self.created = 0
        self.creation_fault: KafkaFault | None = None
        self.deleted_topics: set[str] = set()
        self.groups = GroupCoordinators(
            log=log,
            partition_count=lambda: log.partition_count,
            ensure_topic=self._create,
            find_deleted=self._find_deleted,
            config=config,
            clock=self.clock,
            rng=Random(seed),
        )

    async def _create(self) -> None:
        self.created += 1
        await asyncio.sleep(0)
        if self.creation_fault is not None:
            raise self.creation_fault
        self.log.partition_count = 50
        self.lead_all()

    async def _find_deleted(self, names: Any) -> set[str]:
        await asyncio.sleep(0)
        return set(names) & self.deleted_topics

    def lead_all(self, term: int = 1) -> None:
        """What a node that is alone does."""
        for partition in range(self.log.partition_count):
            self.groups.lead(partition, term)

    async def start(self) -> None:
        self.lead_all()
        await self.groups.start()

    def tick(self) -> None:
        """What the timers do when they fire, without waiting for them."""
        for coordinator in list(self.groups._coordinators()):
            coordinator._tick()

    def pass_ms(self, ms: int) -> None:
        self.clock.ms += ms
        self.tick()
