"""Where the replicas of new partitions go. Pure.

Each partition takes the nodes that hold least, one of each rack before a second of any. The first
replica is where the leader is wanted: leaders are spread over the nodes that lead least. A node out
of the partition's cell (core/dht/placement.py) counts as if it held one replica more. So most
replicas lie in their cells, and all nodes hold about the same, however unevenly they stand.

Ties go to the higher score, which is another one for each partition: many small topics do not all
begin at the same node.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from sprawl.core.dht.ids import key_of
from sprawl.core.dht.placement import Cell, cell_of

if TYPE_CHECKING:
    from sprawl.core.controller.nodes import NodeInfo
    from sprawl.core.dht.ids import NodeId
    from sprawl.core.ids import BrokerId, LogKey, ReplicaId


class IdSpace(NamedTuple):
    """What says where partitions and nodes stand.

    Args:
        cluster_id: partitions have their keys by it.
        places: of the nodes of which that is known; the others are near to everything.
    """

    cluster_id: str
    places: Mapping[BrokerId, NodeId]


def place(
    nodes: Sequence[NodeInfo],
    partitions: Iterable[LogKey],
    *,
    replica_count: int,
    held: Iterable[Sequence[ReplicaId]],
    space: IdSpace,
) -> list[tuple[ReplicaId, ...]]:
    """Replicas for each of some new partitions, the preferred leader first.

    Args:
        nodes: that may take replicas, at least `replica_count`.
        held: the replicas of every partition there is.
    """
    replicas: Counter[ReplicaId] = Counter()
    leaders: Counter[ReplicaId] = Counter()
    for each in held:
        replicas.update(each)
        leaders.update(each[:1])
    racks = {node.replica_id: node.rack for node in nodes}
    places = {node.replica_id: space.places.get(node.node_id) for node in nodes}
    placed = []
    for partition in partitions:
        cell = cell_of(key_of(space.cluster_id, partition), places)
        chosen = _choose(cell, replica_count, racks, replicas, leaders)
        replicas.update(chosen)
        leaders.update(chosen[:1])
        placed.append(chosen)
    return placed


def _choose(
    cell: Cell,
    count: int,
    racks: Mapping[ReplicaId, str | None],
    replicas: Counter[ReplicaId],
    leaders: Counter[ReplicaId],
) -> tuple[ReplicaId, ...]:
    away = dict.fromkeys(cell.nodes, 0) | dict.fromkeys(cell.others, 1)
    holds = {node: replicas[node] + more for node, more in away.items()}
    # Of equal ones the first.
    chosen = [min(away, key=lambda node: (leaders[node], holds[node]))]
    left = sorted(away, key=holds.__getitem__)
    left.remove(chosen[0])
    while len(chosen) < count:
        used = Counter(racks[node] for node in chosen)
        # Nodes without a rack count as racks of their own.
        best = min(left, key=lambda node: 0 if racks[node] is None else used[racks[node]])
        left.remove(best)
        chosen.append(best)
    return tuple(chosen)
