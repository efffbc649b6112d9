"""A node as a member of its cluster: joining, telling where it is, and the end of it.

    JOINING ──replica id──> MEMBER ──announced at each start──> known to the controller
                              ├──the controller does without it──> OUT, for good
                              └──its program is too old or too new──> OUT, until it has another

Rules:

1. The replica id is kept with the data before the node takes part in anything.
2. A node that knows its cluster does not wait long for the controller at start: its partitions may
   have a quorum while the controller has none. It goes on telling.
3. A node that was removed hears of it from whoever it meets, keeps that with its data, and is not
   let in again with it.
4. A controller from before feature levels forgets what a node's program knows. So a node looks
   each time that another controller leads or other nodes are known, and tells it again.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Coroutine, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from sprawl.core.cluster.peers import PeerAddress, PeerRefused, PeerUnreachable
from sprawl.core.controller.nodes import FIRST_REPLICA, NodeInfo
from sprawl.core.errors import ErrorCode, KafkaFault, PeerFault
from sprawl.core.ids import BrokerId, ReplicaId

if TYPE_CHECKING:
    from sprawl.core.cluster.address_book import AddressBook
    from sprawl.core.cluster.peers import PeerIdentity
    from sprawl.core.cluster.transport import Transport
    from sprawl.core.controller.controller import Controller
    from sprawl.core.storage.port import KeyValueStore

_log = logging.getLogger(__name__)

JOIN_TIMEOUT_MS: Final = 10_000
"""How long a node that is asked to let one in may take: it waits for the controller."""
ANNOUNCE_S: Final = 5.0
"""How long a node that knows its cluster waits for the controller at start: two elections."""
ANNOUNCE_AGAIN_S: Final = 1.0
UNWANTED: Final = frozenset(
    {
        ErrorCode.BROKER_ID_NOT_REGISTERED,
        ErrorCode.DUPLICATE_BROKER_REGISTRATION,
        ErrorCode.UNSUPPORTED_VERSION,
    }
)
"""How the controller says that it does without a node, or without its program."""
_JOIN: Final = "cluster/join"
_REMOVED: Final = 3
_MEMBERSHIP: Final = b"cluster/membership"


class Registration:
    """See the module.

    Args:
        kv: where the membership is kept.
        book: the nodes of the cluster, as heard of last.
        start: has a job done in the background, until the node stops.
    """

    def __init__(
        self,
        *,
        node_id: BrokerId,
        kv: KeyValueStore,
        book: AddressBook,
        start: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self.is_out = False
        """Whether the cluster does without this node, or without its program."""
        self.on_out: Callable[[], None] = lambda: None
        """Told when that begins."""
        self._node_id = node_id
        self._kv = kv
        self._book = book
        self._start = start
        self._transport: Transport | None = None
        self._controller: Controller | None = None
        self._replica_id = ReplicaId(0)
        self._announced: NodeInfo | None = None
        self._is_due = self._is_telling = False

    def stored_replica_id(self) -> ReplicaId | None:
        """The replica id that was kept with the data; None for data that never had one."""
        found = self._kv.get(_MEMBERSHIP)
        return None if found is None else ReplicaId(json.loads(found)["replica"])

    def was_removed(self) -> bool:
        """Whether the data belongs to a node that the cluster does without."""
        found = self._kv.get(_MEMBERSHIP)
        return found is not None and bool(json.loads(found).get("removed"))

    # --- joining --------------------------------------------------------------------------------

    def connect(self, transport: Transport) -> None:
        """Talk to other nodes through `transport` from now on."""
        self._transport = transport

    async def join(
        self, seeds: Sequence[PeerAddress], node: NodeInfo, *, may_replace: bool
    ) -> tuple[str, ReplicaId]:
        """Become a member of the cluster that one of the seeds belongs to.

        Returns:
            The cluster's id, and this node's replica id in it: `begin` keeps it.

        Raises:
            KafkaFault: what the cluster says; BROKER_NOT_AVAILABLE when no seed answers.
        """
        assert self._transport is not None
        body = json.dumps({"node": node.to_json(), "may_replace": may_replace}).encode()
        reasons = []
        for seed in seeds:
            try:
                answer = await self._transport.call(seed, _JOIN, body, timeout_ms=JOIN_TIMEOUT_MS)
            except PeerUnreachable as failure:
                reasons.append(str(failure))
                continue
            except PeerRefused as refused:
                raise KafkaFault(refused.code, refused.message) from refused
            found = json.loads(answer)
            self._book.update(map(NodeInfo.from_json, found["nodes"]))
            self._transport.joined(found["cluster_id"])
            return str(found["cluster_id"]), ReplicaId(found["replica"])
        raise KafkaFault(ErrorCode.BROKER_NOT_AVAILABLE, "; ".join(reasons))

    def begin(self, controller: Controller, joined_as: ReplicaId | None) -> ReplicaId:
        """Take part as the replica that this data belongs to, and let others join.

        Args:
            joined_as: what `join` returned; None for data that belongs to a cluster, and for the
                first node of one.
        """
        stored = self.stored_replica_id()
        if stored is None:
            stored = joined_as or FIRST_REPLICA
            self._kv.put(_MEMBERSHIP, json.dumps({"replica": stored}).encode(), sync=True)
        self._controller = controller
        self._replica_id = stored
        if self._transport is not None:
            self._transport.on_message(_REMOVED, self._hear_removed)
            self._transport.serve(_JOIN, partial(_take_in, controller), before_joining=True)
        return stored

    # --- announcing -----------------------------------------------------------------------------

    async def announce(self, node: NodeInfo) -> None:
        """Tell the controller where this node is, and hear all it has decided by then.

        Raises:
            KafkaFault: the cluster does not want it; for a node that is alone, whatever its own
                controller meets.
        """
        controller = self._known_controller
        if not controller.nodes or controller.nodes.keys() == {self._node_id}:
            await controller.register(node)
            self._announced = node
            return
        try:
            async with asyncio.timeout(ANNOUNCE_S):
                await controller.register(node)
        except (KafkaFault, TimeoutError) as failure:
            if isinstance(failure, KafkaFault) and failure.code in UNWANTED:
                raise
            _log.warning("no controller takes this node's registration yet: %s", failure)
            self._start(self._announce_later(node))
        else:
            self._announced = node

    async def _announce_later(self, node: NodeInfo) -> None:
        controller = self._known_controller
        while True:
            try:
                if controller.leader is None and self._has_peers:
                    await self._announce_through_peers(node)
                else:
                    await controller.register(node)
                self._announced = node
                return
            except KafkaFault as fault:
                if fault.code in UNWANTED:
                    _log.error("the cluster does not take this node back: %s", fault.message)
                    self._end(for_good=fault.code is not ErrorCode.UNSUPPORTED_VERSION)
                    return
                _log.warning("no controller takes this node's registration yet: %s", fault)
            await asyncio.sleep(ANNOUNCE_AGAIN_S)

    async def _announce_through_peers(self, node: NodeInfo) -> None:
        """Have other nodes tell the controller where this one is: it knows none itself, perhaps
        because the cluster does without it."""
        seeds = [each.peer for each in self._book.nodes if each.node_id != self._node_id]
        await self.join(
            [PeerAddress(*each) for each in seeds if each is not None], node, may_replace=False
        )

    def look(self) -> None:
        """Another controller leads, or it knows other nodes: does it know our levels?"""
        if self._announced is None or self.is_out:
            return
        known = self._known_controller.nodes.get(self._node_id)
        if known is None or known.levels == self._announced.levels:
            return
        self._is_due = True
        if not self._is_telling:
            self._is_telling = True
            self._start(self._tell_levels(self._announced))

    async def _tell_levels(self, node: NodeInfo) -> None:
        try:
            while self._is_due:
                self._is_due = False
                await self._known_controller.register(node)
        except KafkaFault as fault:
            _log.info("which levels this node knows is told to the next controller: %s", fault)
        finally:
            self._is_telling = False

    @property
    def _has_peers(self) -> bool:
        return self._transport is not None and len(self._book.nodes) > 1

    @property
    def _known_controller(self) -> Controller:
        assert self._controller is not None, "begin() comes first"
        return self._controller

    # --- the end --------------------------------------------------------------------------------

    def tell_removed(self, nodes: Iterable[NodeInfo]) -> None:
        """These were removed: they hear of it nowhere else, as they belong to no group any more."""
        if self._transport is None:
            return
        for each in nodes:
            if self._transport.is_connected(each.node_id):
                self._transport.send(each.node_id, _REMOVED, [str(each.replica_id).encode()])

    def _hear_removed(self, peer: PeerIdentity, body: memoryview) -> None:
        if bytes(body) == str(self._replica_id).encode() and not self.is_out:
            _log.error("node %d says that this node was removed from the cluster", peer.node_id)
            self._end(for_good=True)

    def _end(self, *, for_good: bool) -> None:
        """The cluster does without this node from now on, and without its data if for good."""
        self.is_out = True
        if for_good:
            kept = {"replica": self._replica_id, "removed": True}
            self._kv.put(_MEMBERSHIP, json.dumps(kept).encode(), sync=True)
        _log.error("what this node tells clients is out of date from now on; stop it")
        self.on_out()


async def _take_in(controller: Controller, peer: PeerIdentity, body: memoryview) -> bytes:
    """Answer a node that wants to join."""
    try:
        asked = json.loads(bytes(body))
        node = NodeInfo.from_json(asked["node"])
        may_replace = bool(asked["may_replace"])
    except (ValueError, KeyError, TypeError) as fault:
        raise PeerFault(f"a malformed request to join: {fault}") from None
    if (node.node_id, node.directory_id) != (peer.node_id, peer.directory_id):
        raise PeerFault("a node that joins in the name of another one")
    registered = await controller.register(node, may_replace=may_replace)
    return json.dumps(
        {
            "cluster_id": controller.cluster_id,
            "replica": registered.replica_id,
            "nodes": [each.to_json() for each in controller.nodes.values()],
        }
    ).encode()
