"""Where the replicas of new partitions go. Pure.

Each partition takes the nodes that hold least, one of each rack before a second of any. The first
replica is where the leader is wanted: leaders are spread over the nodes that lead least. Ties are
broken by chance, so that many small topics do not all begin at the same node.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from sprawl.core.ids import ReplicaId

if TYPE_CHECKING:
    from random import Random

    from sprawl.core.controller.nodes import NodeInfo


def place(
    nodes: Sequence[NodeInfo],
    *,
    partition_count: int,
    replica_count: int,
    held: Iterable[Sequence[ReplicaId]],
    rng: Random,
) -> list[tuple[ReplicaId, ...]]:
    """Replicas for new partitions, the preferred leader first.

    Args:
        nodes: that may take replicas, at least `replica_count`.
        held: the replicas of every partition there is.
    """
    replicas: Counter[ReplicaId] = Counter()
    leaders: Counter[ReplicaId] = Counter()
    for each in held:
        replicas.update(each)
        leaders.update(each[:1])
    order = list(nodes)
    rng.shuffle(order)
    placed = []
    for _ in range(partition_count):
        chosen = _choose(order, replica_count, replicas, leaders)
        replicas.update(chosen)
        leaders.update(chosen[:1])
        placed.append(chosen)
    return placed


def _choose(
    nodes: Sequence[NodeInfo],
    count: int,
    replicas: Counter[ReplicaId],
    leaders: Counter[ReplicaId],
) -> tuple[ReplicaId, ...]:
    left = sorted(nodes, key=lambda node: (leaders[node.replica_id], replicas[node.replica_id]))
    chosen = [left.pop(0)]
    left.sort(key=lambda node: replicas[node.replica_id])
    while len(chosen) < count:
        racks = Counter(node.rack for node in chosen)
        # Nodes without a rack count as racks of their own.
        best = min(left, key=lambda node: 0 if node.rack is None else racks[node.rack])
        left.remove(best)
        chosen.append(best)
    return tuple(node.replica_id for node in chosen)
