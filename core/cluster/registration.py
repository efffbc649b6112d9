"""A node as a member of its cluster: joining, telling where it is, and the end of it.

    JOINING ──replica id──> MEMBER ──announced at each start──> known to the controller
                              ├──the controller does without it──> OUT, for good
                              └──its program is too old or too new──> OUT, until it has another

Rules:

1. The replica id is kept with the data, and with it which cluster gave it, before the node takes
   part in anything: a node that does not know what it joined as would found a cluster.
2. A node that knows its cluster does not wait long for the controller at start: its partitions may
   have a quorum while the controller has none. It goes on telling.
3. A node that was removed hears of it from whoever it is connected with, and believes nobody but
   the controller: it asks, and keeps the answer with its data, with which it is not let in again.
   Who tells may follow a log from long ago, or may have been removed itself.
4. A controller from before feature levels forgets what a node's program knows. So a node looks
   each time that another controller leads or other nodes are known, and tells it again.
5. A node that knows no leader of the controller may not know the node that leads, which joined or
   was replaced meanwhile and whose messages count for nothing here: it asks those that it knows.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Coroutine, Sequence
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
UNLED_S: Final = 5.0
"""How often a node looks whether it knows who leads the controller: two elections."""
PARTING_S: Final = 10.0
"""How long a node that was removed keeps its connections, over which it asks whether it is true: as
long as its question may take. Nothing else that it says counts any more."""
UNWANTED: Final = frozenset(
    {
        ErrorCode.BROKER_ID_NOT_REGISTERED,
        ErrorCode.DUPLICATE_BROKER_REGISTRATION,
        ErrorCode.UNSUPPORTED_VERSION,
    }
)
"""How the controller says that it does without a node, or without its program."""
_FOUNDING_S: Final = 0.05
_ELSEWHERE: Final = frozenset({ErrorCode.NOT_CONTROLLER, ErrorCode.CLUSTER_AUTHORIZATION_FAILED})
"""How a node says that it cannot ask the controller, or may not: another one can."""
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
        self._is_due = self._is_telling = self._is_asking = False

    def stored_replica_id(self) -> ReplicaId | None:
        """The replica id that was kept with the data; None for data that never had one."""
        found = self._stored().get("replica")
        return None if found is None else ReplicaId(found)

    def stored_cluster_id(self) -> str | None:
        """The cluster that gave the replica id; None for one that was founded here, and for what
        was kept before that was kept."""
        return self._stored().get("cluster")

    def was_removed(self) -> bool:
        """Whether the data belongs to a node that the cluster does without."""
        return bool(self._stored().get("removed"))

    def _stored(self) -> dict[str, Any]:
        found = self._kv.get(_MEMBERSHIP)
        return {} if found is None else json.loads(found)

    def _store(self, **facts: object) -> None:
        kept = json.dumps(self._stored() | facts).encode()
        self._kv.put(_MEMBERSHIP, kept, sync=True)

    # --- joining --------------------------------------------------------------------------------

    def connect(self, transport: Transport) -> None:
        """Talk to other nodes through `transport` from now on."""
        self._transport = transport
        transport.serve(_JOIN, self._take_in, before_joining=True)

    async def join(self, seeds: Sequence[PeerAddress], node: NodeInfo, *, may_replace: bool) -> str:
        """Become a member of the cluster that one of the seeds belongs to.

        What it became is kept when this returns, and before anything else says that it joined.

        Returns:
            The cluster's id.

        Raises:
            KafkaFault: what the cluster says; BROKER_NOT_AVAILABLE when no seed answers.
            OSError: it cannot be kept.
        """
        found = await self._ask_seeds(seeds, node, may_replace=may_replace)
        self._store(replica=found["replica"], cluster=found["cluster_id"])
        assert self._transport is not None
        self._transport.joined(found["cluster_id"])
        return str(found["cluster_id"])

    async def _ask_seeds(
        self, seeds: Sequence[BrokerId | PeerAddress], node: NodeInfo, *, may_replace: bool
    ) -> dict[str, Any]:
        """Have one of them register this node; its answer, whose nodes are in the book then."""
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
                if refused.code not in _ELSEWHERE:
                    raise KafkaFault(refused.code, refused.message) from refused
                reasons.append(str(refused))
                continue
            found: dict[str, Any] = json.loads(answer)
            nodes = [NodeInfo.from_json(each) for each in found["nodes"]]
            last = max((each.replica_id for each in nodes), default=0)
            # Older programs do not tell which replica id comes next: at least this one.
            gone = self._book.update(nodes, ReplicaId(found.get("next_replica", last + 1)))
            if self._controller is not None:
                for each in gone:
                    self._part_with(each)
            return found
        raise KafkaFault(ErrorCode.BROKER_NOT_AVAILABLE, "; ".join(reasons))

    def begin(self, controller: Controller) -> ReplicaId:
        """Take part as the replica that this data belongs to, and let others join."""
        stored = self.stored_replica_id()
        if stored is None:
            stored = FIRST_REPLICA
            self._store(replica=stored)
        self._controller = controller
        self._replica_id = stored
        if self._transport is not None:
            self._transport.on_message(_REMOVED, self._hear_removed)
            self._start(self._watch(controller))
        return stored

    async def _take_in(self, peer: PeerIdentity, body: memoryview) -> bytes:
        """Answer a node that wants to join, or to hear what the controller knows of it."""
        try:
            asked = json.loads(bytes(body))
            node = NodeInfo.from_json(asked["node"])
            may_replace = bool(asked["may_replace"])
        except (ValueError, KeyError, TypeError) as fault:
            raise PeerFault(f"a malformed request to join: {fault}") from None
        if (node.node_id, node.directory_id) != (peer.node_id, peer.directory_id):
            raise PeerFault("a node that joins in the name of another one")
        controller = self._controller
        if controller is None:
            raise KafkaFault(ErrorCode.NOT_CONTROLLER, "This node is about to join itself.")
        while not controller.nodes:  # noqa: ASYNC110 a founder is there within milliseconds
            # Whoever registers first is replica 1, and that is the founder.
            await asyncio.sleep(_FOUNDING_S)
        registered = await controller.register(node, may_replace=may_replace)
        return json.dumps(
            {
                "cluster_id": controller.cluster_id,
                "replica": registered.replica_id,
                "nodes": [each.to_json() for each in controller.nodes.values()],
                "next_replica": controller.state.next_replica_id,
            }
        ).encode()

    # --- announcing -----------------------------------------------------------------------------

    async def announce(self, node: NodeInfo) -> None:
        """Tell the controller where this node is, and hear all it has decided by then.

        Raises:
            KafkaFault: the cluster does not want it; for a node that is alone, whatever its own
                controller meets.
        """
        controller = self._known_controller
        is_new = not controller.nodes or controller.nodes.keys() == {self._node_id}
        try:
            async with asyncio.timeout(None if is_new else ANNOUNCE_S):
                await controller.register(node)
        except (KafkaFault, TimeoutError) as failure:
            if isinstance(failure, KafkaFault) and (
                failure.code in UNWANTED or (is_new and not self._has_peers)
            ):
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
                if self._ends_with(fault):
                    return
                _log.warning("no controller takes this node's registration yet: %s", fault)
            await asyncio.sleep(ANNOUNCE_AGAIN_S)

    async def _announce_through_peers(self, node: NodeInfo) -> None:
        """Have other nodes tell the controller where this one is: it knows none itself, perhaps
        because the cluster does without it."""
        transport = self._transport
        assert transport is not None
        others = [each for each in self._book.nodes if each.node_id != self._node_id]
        # First those connected: a connection from before may end, and a new one would be refused.
        linked = [each.node_id for each in others if transport.is_connected(each.node_id)]
        rest = [
            PeerAddress(*each.peer)
            for each in others
            if each.peer is not None and each.node_id not in linked
        ]
        await self._ask_seeds([*linked, *rest], node, may_replace=False)

    async def _watch(self, controller: Controller) -> None:
        """See rule 5."""
        while not self.is_out:
            await asyncio.sleep(UNLED_S)
            if controller.leader is None:
                self._doubt("this node knows no controller that leads")

    def _doubt(self, why: str) -> None:
        """Ask other nodes whether the controller still knows this one, and which nodes there are. A
        node that has not announced itself yet is about to hear it anyway."""
        if self._announced is None or self.is_out or self._is_asking or not self._has_peers:
            return
        _log.info("%s: it asks the others", why)
        self._is_asking = True
        self._start(self._ask(self._announced))

    async def _ask(self, node: NodeInfo) -> None:
        try:
            while not self.is_out:
                try:
                    await self._announce_through_peers(node)
                except KafkaFault as fault:
                    # A registered node's program is known: who does not know it is not the one
                    # to ask, a node that is joining itself, say.
                    is_known = fault.code is ErrorCode.UNSUPPORTED_VERSION
                    if not is_known and self._ends_with(fault):
                        return
                    _log.info("whether the controller knows this node is asked again: %s", fault)
                else:
                    return
                await asyncio.sleep(ANNOUNCE_AGAIN_S)
        finally:
            self._is_asking = False

    def nodes_changed(self) -> None:
        """The controller's log, as far as it is applied here, says other nodes or addresses."""
        state = self._known_controller.state
        own = self._replica_id
        if own < state.next_replica_id and own not in state.by_replica:
            # Who was removed keeps the book: it has to find somebody to ask.
            self._doubt("the controller's log says that this node was removed")
            return
        for each in self._book.update(state.nodes.values(), state.next_replica_id):
            self._part_with(each)
        self.look()

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
        others = (each.node_id != self._node_id for each in self._book.nodes)
        return self._transport is not None and any(others)

    @property
    def _known_controller(self) -> Controller:
        assert self._controller is not None, "begin() comes first"
        return self._controller

    # --- the end --------------------------------------------------------------------------------

    def _part_with(self, node: NodeInfo) -> None:
        """One that was removed, or replaced, hears of it nowhere else: it belongs to no group any
        more."""
        transport = self._transport
        if transport is not None and transport.is_connected(node.node_id):
            transport.send(node.node_id, _REMOVED, [str(node.replica_id).encode()])
            self._start(self._disconnect(transport, node))

    async def _disconnect(self, transport: Transport, node: NodeInfo) -> None:
        await asyncio.sleep(PARTING_S)
        transport.disconnect(
            node.node_id, "the node was removed from the cluster", directory=node.directory_id
        )

    def _hear_removed(self, peer: PeerIdentity, body: memoryview) -> None:
        if bytes(body) == str(self._replica_id).encode():
            self._doubt(f"node {peer.node_id} says that this node was removed from the cluster")

    def _ends_with(self, fault: KafkaFault) -> bool:
        """Whether this is the controller's word that it does without this node. It says so only
        when it is certain to lead (Controller)."""
        if fault.code not in UNWANTED:
            return False
        _log.error("the cluster does without this node: %s", fault.message)
        self._end(for_good=fault.code is not ErrorCode.UNSUPPORTED_VERSION)
        return True

    def _end(self, *, for_good: bool) -> None:
        """The cluster does without this node from now on, and without its data if for good."""
        self.is_out = True
        if for_good:
            self._store(replica=self._replica_id, removed=True)
        _log.error("what this node tells clients is out of date from now on; stop it")
        self.on_out()
