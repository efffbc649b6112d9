"""The nodes of a cluster as the controller knows them: who may hold replicas, and where they are.

A node registers by its data directory. The first registration of a directory gives it a replica id
that is never given again; the same directory keeps its id however often its node restarts or moves.
A node id that comes back with another directory has lost its data: it gets a new replica id, and
what the old one held counts as gone for good (KIP-853 treats voters the same way).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sprawl.core.broker import Endpoint
from sprawl.core.controller.features import FEATURE, UNTOLD, Levels
from sprawl.core.ids import BrokerId, ReplicaId

FIRST_REPLICA = ReplicaId(1)
"""Of the node that begins a cluster; also the owner of what was written before nodes registered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeInfo:
    """One registered node.

    Args:
        node_id: Kafka's broker id.
        replica_id: of its data directory.
        directory_id: random, made with the data directory.
        endpoints: advertised address by listener name, for clients.
        peer: where other nodes reach it; None for a node that was never part of a cluster.
        rack: `broker.rack`, or None.
        is_leaving: it gets no new replicas, and those it has move away.
        levels: the feature levels that its program knows.
    """

    node_id: BrokerId
    replica_id: ReplicaId
    directory_id: UUID
    endpoints: Mapping[str, Endpoint]
    peer: Endpoint | None = None
    rack: str | None = None
    is_leaving: bool = False
    levels: Levels = UNTOLD

    def to_json(self) -> dict[str, Any]:
        """As it stands in a record of the metadata log."""
        return {
            "node": self.node_id,
            "replica": self.replica_id,
            "directory": str(self.directory_id),
            "endpoints": {name: list(each) for name, each in self.endpoints.items()},
            "peer": None if self.peer is None else list(self.peer),
            "rack": self.rack,
            "leaving": self.is_leaving,
            "features": {FEATURE: list(self.levels)},
        }

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> NodeInfo:
        """Raises: KeyError, ValueError for what is not the record of a node."""
        peer = found["peer"]
        levels = found.get("features", {}).get(FEATURE, UNTOLD)
        return cls(
            node_id=BrokerId(found["node"]),
            replica_id=ReplicaId(found["replica"]),
            directory_id=UUID(found["directory"]),
            endpoints={name: Endpoint(*each) for name, each in found["endpoints"].items()},
            peer=None if peer is None else Endpoint(*peer),
            rack=found["rack"],
            is_leaving=found["leaving"],
            levels=Levels(*levels),
        )
