"""Which replica a consumer reads a partition from: the leader, or the one that the leader named.

A leader names a replica in the consumer's rack (KIP-392) when its broker is set up for that. The
advice counts until that replica refuses or is not there, and for PREFERENCE_S at most.
"""

from __future__ import annotations

import asyncio

from sprawl.client.cluster import PartitionView

PREFERENCE_S = 300.0
"""Kafka's default of metadata.max.age.ms: then the leader is asked again."""


class NearReplicas:
    """What leaders advised.

    Args:
        rack: `client.rack`, where the consumer stands; empty: it reads from leaders.
    """

    def __init__(self, rack: str = "") -> None:
        self.rack = rack
        self.advice_count = 0
        self._advised: dict[int, tuple[int, float]] = {}

    def source(self, view: PartitionView) -> int:
        """The node to read a partition from."""
        node, ends_at = self._advised.get(view.partition, (-1, 0.0))
        if node not in view.replicas or _now() >= ends_at:
            self.forget(view.partition)
            return view.leader
        return node

    def advised(self, partition: int, node: int) -> None:
        """A leader named another replica."""
        self.advice_count += 1
        self._advised[partition] = (node, _now() + PREFERENCE_S)

    def forget(self, partition: int) -> bool:
        """Go back to the leader; was it another one?"""
        return self._advised.pop(partition, None) is not None


def _now() -> float:
    return asyncio.get_running_loop().time()
