"""Candidates for the replicas of a partition: rendezvous hashing in a cell of the id space. Pure.

The cell of a partition are the 16 nodes nearest to its key, or up to 32 where its racks take more.
So however many partitions there are, the replicas of one are spread over few sets of nodes, as
copysets are (Cidon et al., USENIX ATC 2013, section 3): a node exchanges messages with the nodes
of its cells only, and losing some nodes at once is unlikely to hit all replicas of a partition.

In the cell each node draws a score from the key and its own id, weighted so that it wins in
proportion to its weight (Thaler and Ravishankar 1998; weights by Schindelhauer and Schomaker 2005,
"the logarithmic method"). Who asks, and in which order nodes are listed, changes nothing; a node
that comes or goes moves only what it wins or had.

This is advice for the controller, which decides and writes down.
"""

from __future__ import annotations

import hashlib
import heapq
import math
from collections import Counter
from collections.abc import Iterable
from typing import Final, NamedTuple

from sprawl.core.dht.ids import ID_BYTES, Key, NodeId
from sprawl.core.ids import ReplicaId

CELL_NODES_MIN: Final = 16
CELL_NODES_MAX: Final = 32
_FRACTION_BITS: Final = 53
"""What a float holds exactly."""


class PlacementNode(NamedTuple):
    """A node that may take replicas.

    Args:
        id: where it stands.
        replica: its data directory.
        rack: where it is; a node without one counts as a rack of its own.
        weight: above 0; its capacity times the share of it that is free.
    """

    id: NodeId
    replica: ReplicaId
    rack: str | None = None
    weight: float = 1.0


def candidates(key: Key, nodes: Iterable[PlacementNode], count: int) -> list[PlacementNode]:
    """Nodes for the replicas of a partition, the one for the leader first: by score, one of each
    rack before a second of any. Fewer than `count` only if there are no more nodes."""
    if count > CELL_NODES_MAX:
        raise ValueError(f"{count} replicas, a cell has {CELL_NODES_MAX} nodes at most")
    ranked = sorted(cell(key, nodes, count), key=lambda each: -score(key, each))
    taken: Counter[str] = Counter()
    chosen: list[PlacementNode] = []
    while ranked and len(chosen) < count:
        best = min(ranked, key=lambda each: 0 if each.rack is None else taken[each.rack])
        ranked.remove(best)
        chosen.append(best)
        if best.rack is not None:
            taken[best.rack] += 1
    return chosen


def cell(key: Key, nodes: Iterable[PlacementNode], count: int) -> list[PlacementNode]:
    """The nodes nearest to a key: 16, and on to 32 as long as `count` replicas would not be spread
    over racks as evenly as over those of the whole cluster."""
    everybody = list(nodes)
    rack_count = len({_rack(each) for each in everybody})
    share = -(-count // max(1, min(count, rack_count)))
    nearest = heapq.nsmallest(CELL_NODES_MAX, everybody, key=lambda each: each.id ^ key)
    places = 0
    taken: Counter[str | NodeId] = Counter()
    for number, each in enumerate(nearest):
        if number >= CELL_NODES_MIN and places >= count:
            return nearest[:number]
        rack = _rack(each)
        taken[rack] += 1
        places += taken[rack] <= share
    return nearest


def _rack(node: PlacementNode) -> str | NodeId:
    return node.id if node.rack is None else node.rack


def score(key: Key, node: PlacementNode) -> float:
    """What a node draws for a key: the highest wins, in proportion to the weights."""
    drawn = hashlib.sha256(key.to_bytes(ID_BYTES) + node.id.to_bytes(ID_BYTES)).digest()
    number = int.from_bytes(drawn[:8]) >> (64 - _FRACTION_BITS)
    # In (0, 1): the logarithm is finite and below 0.
    return -node.weight / math.log((number + 0.5) / (1 << _FRACTION_BITS))
