"""Has a partition's leader hand over to the replica that is asked for.

    node that is asked              node of the leader
    elect ── replica/lead ────────> hand over, wait until it leads no more
          <── done or an error ────

Which replica leads is decided by votes of its group. All that can be done here is to ask the leader
to make way for a replica that has everything: an election that loses something does not exist.
"""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sprawl.core.cluster.peers import PeerRefused, PeerUnreachable
from sprawl.core.errors import ErrorCode, KafkaFault, PeerFault
from sprawl.core.ids import LogKey, ReplicaId, TopicId

if TYPE_CHECKING:
    from sprawl.core.cluster.address_book import AddressBook
    from sprawl.core.cluster.hints import LeaderHints
    from sprawl.core.cluster.peers import PeerIdentity
    from sprawl.core.cluster.routing import Routing
    from sprawl.core.cluster.transport import Transport
    from sprawl.core.controller.topics import TopicInfo
    from sprawl.core.ids import BrokerId
    from sprawl.core.replication.host import RaftHost

LEAD: Final = "replica/lead"
HAND_OVER_S: Final = 2.0
"""How long a leader waits for its successor: a few round trips, or the longest election timeout."""
CALL_TIMEOUT_MS: Final = 5_000
HINT_S: Final = 1.0
"""How long the node that is asked waits to hear of the new leader, so that it can tell clients."""
_LOOK_S: Final = 0.01
_ASK: Final = struct.Struct(">16siq")


class Elections:
    """See the module."""

    def __init__(self, node_id: BrokerId, hints: LeaderHints, book: AddressBook) -> None:
        self._node_id = node_id
        self._hints = hints
        self._book = book
        self._host: RaftHost | None = None
        self._transport: Transport | None = None
        self._routing: Routing | None = None

    def begin(self, host: RaftHost, transport: Transport | None, routing: Routing | None) -> None:
        """The node takes part in its cluster from now on; without a transport it is alone."""
        self._host = host
        self._transport = transport
        self._routing = routing
        if transport is not None:
            transport.serve(LEAD, self._take)

    async def elect_preferred(self, topic: TopicInfo, index: int) -> None:
        """Have the first replica of a partition lead it (KIP-183).

        Raises:
            KafkaFault: ELECTION_NOT_NEEDED: it does. PREFERRED_LEADER_NOT_AVAILABLE: it lacks
                something, or cannot be reached, or nobody leads.
        """
        key = LogKey(topic.id, index)
        preferred = topic.wanted(index)[0]
        hint = self._hints.get(key)
        leader = topic.replicas[index][0] if len(topic.replicas[index]) == 1 else None
        if hint is not None:
            leader = hint.leader
        node = None if leader is None else self._book.node_of(leader)
        if leader == preferred:
            raise KafkaFault(ErrorCode.ELECTION_NOT_NEEDED, "The preferred replica leads already.")
        if node is None:
            raise KafkaFault(
                ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE, "No leader is known that could hand over."
            )
        if node == self._node_id:
            await self._hand_over(key, preferred)
        else:
            await self._ask(node, key, preferred)
            if self._routing is not None:
                self._routing.doubt(key)
                self._routing.search_behind([(topic, index)])
        loop = asyncio.get_running_loop()
        until = loop.time() + HINT_S
        while loop.time() < until:
            hint = self._hints.get(key)
            if hint is not None and hint.leader == preferred:
                return
            await asyncio.sleep(_LOOK_S)

    async def _ask(self, node: BrokerId, key: LogKey, to: ReplicaId) -> None:
        if self._transport is None:
            raise KafkaFault(
                ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE, "The leader is out of reach."
            )
        body = _ASK.pack(key.topic_id.bytes, key.partition, to)
        try:
            await self._transport.call(node, LEAD, body, timeout_ms=CALL_TIMEOUT_MS)
        except PeerRefused as refused:
            if self._routing is not None:
                self._routing.doubt(key)
            raise KafkaFault(refused.code, refused.message) from refused
        except PeerUnreachable as failure:
            raise KafkaFault(
                ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE, f"The leader is out of reach: {failure}"
            ) from failure

    async def _take(self, peer: PeerIdentity, body: memoryview) -> bytes:
        """Answer replica/lead.

        Raises:
            KafkaFault: as `elect_preferred`.
            PeerFault: the request is not one.
        """
        try:
            topic_id, partition, to = _ASK.unpack(body)
        except struct.error as fault:
            raise PeerFault(f"a malformed request for another leader: {fault}") from None
        await self._hand_over(LogKey(TopicId(UUID(bytes=topic_id)), partition), ReplicaId(to))
        return b""

    async def _hand_over(self, key: LogKey, to: ReplicaId) -> None:
        group = None if self._host is None else self._host.group(key)
        if group is None or not group.node.is_serving:
            raise KafkaFault(
                ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE, "The leader has changed just now."
            )
        if not group.owner.hand_over(to):
            raise KafkaFault(
                ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE, "The preferred replica is not in sync."
            )
        loop = asyncio.get_running_loop()
        until = loop.time() + HAND_OVER_S
        while group.node.is_leader and not group.is_over:
            if loop.time() > until:
                raise KafkaFault(
                    ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE,
                    "The preferred replica did not take over in time.",
                )
            await asyncio.sleep(_LOOK_S)
