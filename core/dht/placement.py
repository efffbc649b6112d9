"""Which nodes are near to a partition: rendezvous hashing in a cell of the id space. Pure.

The cell of a partition are the 16 nodes nearest to its key, so twice as many as keep its record.
Where replicas lie in cells, some of them are told anyway who leads, a node shares partitions with
fewer others, and fewer sets of nodes are such that losing all of one at once loses a partition
(Cidon et al., USENIX ATC 2013, section 3). Figures: docs/overlay.md.

In the cell each node draws a score from the key and its own replica id (Thaler and Ravishankar,
1998). Who asks, and in which order nodes are listed, changes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final, NamedTuple

from sprawl.core.dht.ids import ID_BYTES, Key, NodeId
from sprawl.core.ids import ReplicaId

CELL_NODES: Final = 16
_REPLICA_ID_BYTES: Final = 8


class Cell(NamedTuple):
    """The cell of a partition.

    Args:
        nodes: in it, the highest score first.
        others: all that are not, the nearest first.
    """

    nodes: list[ReplicaId]
    others: list[ReplicaId]


def cell_of(key: Key, places: Mapping[ReplicaId, NodeId | None]) -> Cell:
    """Who is in the cell of a partition, and who is not.

    Args:
        places: where the nodes stand; those of which that is not known (None) are in every cell,
            beside the 16.
    """
    placed = [(place ^ key, replica) for replica, place in places.items() if place is not None]
    nearest = [replica for _, replica in sorted(placed)]
    nodes = [replica for replica, place in places.items() if place is None]
    nodes += nearest[:CELL_NODES]
    nodes.sort(key=lambda replica: _score(key, replica), reverse=True)
    return Cell(nodes, nearest[CELL_NODES:])


def _score(key: Key, replica: ReplicaId) -> bytes:
    return hashlib.sha256(key.to_bytes(ID_BYTES) + replica.to_bytes(_REPLICA_ID_BYTES)).digest()
