"""Background work over all partitions: retention, compaction, expiry of idle producers, scrubbing.

Four loops of one task group; a partition that fails is reported and the others go on. Requests are
served between any two partitions. `flush.ms` needs no loop: the replication of each partition sets
its own timer.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Final

from sprawl.core.errors import KafkaFault
from sprawl.core.limits import SCRUB_BYTES_PER_S
from sprawl.core.log.checking import FoundDamage, SegmentCheck

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from sprawl.core.clock import Clock
    from sprawl.core.log.config import LogConfig
    from sprawl.core.partition.partition import Partition
    from sprawl.core.partition.registry import Partitions
    from sprawl.core.partition.settings import PartitionSettings

_log = logging.getLogger(__name__)

_SCRUB_STEP_BYTES: Final = 65_536
"""Read in one go: a thread is busy with it for a few milliseconds at most."""


class Housekeeping:
    """The loops, as one task that ends with `stop`.

    Each round is also a method, so that a test or a simulation can run one when it likes.
    """

    def __init__(self, partitions: Partitions, clock: Clock, settings: PartitionSettings) -> None:
        self._partitions = partitions
        self._clock = clock
        self._settings = settings
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; the first rounds come after their intervals."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="housekeeping")

    async def stop(self) -> None:
        """Cancel and wait until nothing runs any more."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.wait([self._task])
        self._task = None

    async def _run(self) -> None:
        settings = self._settings
        async with asyncio.TaskGroup() as loops:
            loops.create_task(_every(settings.retention_check_interval_ms, self.retain))
            loops.create_task(
                _every(settings.producer_id_expiration_check_interval_ms, self.expire_producers)
            )
            if settings.cleaner_enable:
                loops.create_task(_every(settings.cleaner_backoff_ms, self.compact))
            if settings.scrub_interval_ms >= 0:
                loops.create_task(_every(max(settings.scrub_interval_ms, 1), self.scrub))

    async def retain(self) -> None:
        """Delete what `retention.ms`, `retention.bytes` and DeleteRecords leave no use for."""
        await self._each("retention", self._partitions.every(_may_shrink), self._retain_one)

    async def compact(self) -> None:
        """Compact the logs that are dirty enough."""
        await self._each("compaction", self._partitions.every(_is_compacted), self._compact_one)

    async def scrub(self) -> None:
        """Read the sealed segments of replicas through: damage that nobody reads is found while
        the other replicas are whole."""
        watched = [each for each in self._partitions.opened() if each.log.is_watched]
        await self._each("scrubbing", watched, self._scrub_one)

    async def expire_producers(self) -> None:
        """Forget producers that have been idle for `producer.id.expiration.ms`."""
        await self._each("producer expiry", list(self._partitions.opened()), self._expire_one)

    async def _each(
        self,
        what: str,
        partitions: Iterable[Partition],
        job: Callable[[Partition], Awaitable[None]],
    ) -> None:
        for partition in partitions:
            if partition.is_closed:
                continue
            try:
                await job(partition)
            except (KafkaFault, OSError) as failure:
                _log.error("%s: %s failed, next try follows: %s", partition.tp, what, failure)
            except Exception:  # noqa: BLE001 - a mistake in one log must not end the upkeep of others
                _log.exception("%s: %s failed, next try follows", partition.tp, what)
            await asyncio.sleep(0)

    async def _retain_one(self, partition: Partition) -> None:
        partition.retain(self._clock.now_ms())

    async def _compact_one(self, partition: Partition) -> None:
        job = partial(
            partition.log.compact,
            self._clock.now_ms(),
            up_to_offset=partition.last_stable_offset,
        )
        await self._partitions.run_blocking(job)

    async def _scrub_one(self, partition: Partition) -> None:
        log = partition.log
        for segment in log.segments[:-1]:
            check = SegmentCheck(log, segment)
            while not check.is_done and not partition.is_closed:
                try:
                    await self._partitions.run_blocking(partial(check.step, _SCRUB_STEP_BYTES))
                except FoundDamage:
                    log.suspected(segment)
                await asyncio.sleep(_SCRUB_STEP_BYTES / SCRUB_BYTES_PER_S)

    async def _expire_one(self, partition: Partition) -> None:
        partition.log.producers.expire(
            self._clock.now_ms(), self._settings.producer_id_expiration_ms
        )


def _may_shrink(config: LogConfig) -> bool:
    return "delete" in config.cleanup_policy and (
        config.retention_ms >= 0 or config.retention_bytes >= 0
    )


def _is_compacted(config: LogConfig) -> bool:
    return "compact" in config.cleanup_policy


async def _every(interval_ms: int, job: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(interval_ms / 1_000)
        await job()
