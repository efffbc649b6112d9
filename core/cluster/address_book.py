"""Who the nodes are and where they listen for each other, remembered over restarts.

The controller's records are the authority; this is the copy that a node starts with, before it has
heard from anybody: without it, a cluster that stopped as a whole could not find itself again.

The book is often newer than what the node has applied of the controller's log: it came with the
answer to a node that joined or asked, and the log is followed from far behind. Taking the older
word would forget the leader that has the rest of the log. Replica ids are given in order and never
twice, so they tell which is older: who has not given the id of a replica in the book yet knows less
than the book.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sprawl.core.cluster.peers import PeerAddress
from sprawl.core.controller.nodes import NodeInfo
from sprawl.core.ids import BrokerId, ReplicaId

if TYPE_CHECKING:
    from sprawl.core.storage.port import KeyValueStore

_log = logging.getLogger(__name__)
_KEY: Final = b"cluster/nodes"


class AddressBook:
    """The nodes of the cluster, as heard of last.

    Args:
        kv: where it is kept.
    """

    def __init__(self, kv: KeyValueStore) -> None:
        self._kv = kv
        self._nodes: dict[BrokerId, NodeInfo] = {}
        self._by_replica: dict[ReplicaId, BrokerId] = {}
        self._is_kept = True
        found = kv.get(_KEY)
        if found is not None:
            try:
                self._take(map(NodeInfo.from_json, json.loads(found)))
            except (ValueError, KeyError, TypeError) as fault:
                _log.error("the addresses of other nodes cannot be read: %s", fault)

    def update(self, nodes: Iterable[NodeInfo], next_replica_id: ReplicaId) -> list[NodeInfo]:
        """These are the nodes, as whoever gives `next_replica_id` to the next one knows them.

        Returns:
            Those of the book that are gone, or known by another replica: for good.
        """
        if next_replica_id <= max(self._by_replica, default=0):
            return []  # the book is newer
        before = self._nodes
        self._take(nodes)
        gone = [each for each in before.values() if each.replica_id not in self._by_replica]
        if self._nodes != before:
            self._is_kept = False
        if not self._is_kept:
            listed = [each.to_json() for each in self._nodes.values()]
            try:
                self._kv.put(_KEY, json.dumps(listed).encode())
                self._is_kept = True
            except OSError as failure:
                _log.warning("the addresses of other nodes are not kept yet: %s", failure)
        return gone

    def _take(self, nodes: Iterable[NodeInfo]) -> None:
        self._nodes = {each.node_id: each for each in nodes}
        self._by_replica = {each.replica_id: each.node_id for each in self._nodes.values()}

    @property
    def nodes(self) -> list[NodeInfo]:
        """All of them, this node too."""
        return list(self._nodes.values())

    def node(self, node: BrokerId) -> NodeInfo | None:
        """One of them."""
        return self._nodes.get(node)

    def address(self, node: BrokerId) -> PeerAddress | None:
        """Where a node listens for others; None when it is not known."""
        found = self._nodes.get(node)
        return None if found is None or found.peer is None else PeerAddress(*found.peer)

    def directory(self, node: BrokerId) -> UUID | None:
        """The data directory that a node is known by."""
        found = self._nodes.get(node)
        return None if found is None else found.directory_id

    def node_of(self, replica: ReplicaId) -> BrokerId | None:
        """The node that has a replica; None when it is gone."""
        return self._by_replica.get(replica)
