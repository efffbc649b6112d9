"""How busy this node is, as it tells the others: figures of the time since they were told last.

A pass over the partitions that are open here, about a millisecond for each thousand, every ten
seconds.
"""

from __future__ import annotations

from heapq import nlargest
from typing import TYPE_CHECKING, Final

from sprawl.core.gossip.digest import HOT_GROUPS_MAX, HotGroup, LoadDigest
from sprawl.core.ids import LogKey, TopicId
from sprawl.gateway.metrics import LATENCY_BUCKETS_S

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sprawl.core.partition.registry import Partitions
    from sprawl.gateway.metrics import GatewayMetrics
    from sprawl.platform import Platform

_PRODUCE: Final = 0
_SHARE: Final = 10_000
"""A whole, in hundredths of a percent."""


class LoadFigures:
    """See the module.

    Args:
        disk_share: how full the data's volume is, in [0, 1]; 0 when there is none.
    """

    def __init__(
        self,
        platform: Platform,
        metrics: GatewayMetrics,
        partitions: Partitions,
        disk_share: Callable[[], float],
    ) -> None:
        self._platform = platform
        self._metrics = metrics
        self._partitions = partitions
        self._disk_share = disk_share
        self._sizes: dict[LogKey, int] = {}
        self._at_s = platform.monotonic()
        self._busy_s = platform.busy_s()
        self._bytes = (metrics.bytes_in, metrics.bytes_out)
        self._produced = self._buckets()

    def take(self) -> LoadDigest:
        """The figures since the last call, or since this was made."""
        now_s, busy_s = self._platform.monotonic(), self._platform.busy_s()
        passed_s = max(now_s - self._at_s, 0.001)
        busy = (busy_s - self._busy_s) / passed_s
        metrics = self._metrics
        moved = (metrics.bytes_in, metrics.bytes_out)
        rates = [int((new - old) / passed_s) for new, old in zip(moved, self._bytes, strict=True)]
        buckets = self._buckets()
        taken = [new - old for new, old in zip(buckets, self._produced, strict=True)]
        held, led, hot = self._look(passed_s)
        self._at_s, self._busy_s, self._bytes, self._produced = now_s, busy_s, moved, buckets
        return LoadDigest(
            cpu=int(busy * _SHARE),
            disk=int(self._disk_share() * _SHARE),
            partitions=held,
            led=led,
            bytes_in=rates[0],
            bytes_out=rates[1],
            p99_us=percentile_us(taken, 0.99),
            hot_groups=hot,
        )

    def _buckets(self) -> list[int]:
        found = self._metrics.apis.get(_PRODUCE)
        return [0] * (len(LATENCY_BUCKETS_S) + 1) if found is None else list(found.buckets)

    def _look(self, passed_s: float) -> tuple[int, int, tuple[HotGroup, ...]]:
        """(replicas held, those that lead, the busiest of these)."""
        sizes: dict[LogKey, int] = {}
        grown: list[tuple[int, LogKey]] = []
        held = 0
        for partition in self._partitions.opened():
            held += 1
            if not partition.is_leader:
                continue
            key = LogKey(TopicId(partition.topic_id), partition.log.tp.partition)
            sizes[key] = size = partition.log.size_bytes
            more = size - self._sizes.get(key, size)
            if more > 0:
                grown.append((more, key))
        self._sizes = sizes
        busiest = nlargest(HOT_GROUPS_MAX, grown)
        hot = tuple(HotGroup(key, int(more / passed_s)) for more, key in busiest)
        return held, len(sizes), hot


def percentile_us(counts: Sequence[int], share: float) -> int:
    """The upper bound of the bucket that a percentile is in, in microseconds; that of the last one
    that has a bound for what is beyond, 0 when there are no counts.

    Args:
        counts: requests by LATENCY_BUCKETS_S, and those beyond.
    """
    wanted = share * sum(counts)
    if not wanted:
        return 0
    for bound_s, count in zip(LATENCY_BUCKETS_S, counts, strict=False):
        wanted -= count
        if wanted <= 0:
            return int(bound_s * 1e6)
    return int(LATENCY_BUCKETS_S[-1] * 1e6)
